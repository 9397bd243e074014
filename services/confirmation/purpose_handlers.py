"""PurposeService: what a request would be answered, and which purposes table this node holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import grpc.aio

from juki.confirmation.v1 import purpose_service_pb2 as purpose_pb
from juki.confirmation.v1 import purpose_service_pb2_grpc as purpose_grpc
from services.confirmation.adopting import AdoptedPurposes
from services.confirmation.gate import AFFAIR
from services.confirmation.questions import Recorder
from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.purposes import Asked, Item, PurposeTable, Way, check_case_number, explain
from services.confirmation.wire import date_pb
from services.foundation.clock import Clock
from services.foundation.db.engine import Database
from services.foundation.identity import Tier
from services.foundation.journal import receipt_message
from services.foundation.refusals import FieldMalformed, Refusal
from services.foundation.rpc.call import current_call

_Context = grpc.aio.ServicerContext[Any, Any]
_Check = tuple[str, Refusal | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request would want."""

    way: Way
    items: frozenset[Item]

    @classmethod
    def read(cls, request: purpose_pb.ExplainPurposeRequest) -> Wanted:
        """Reads way and items; refuses FIELD_MALFORMED."""
        ways, items = {way.value: way for way in Way}, {item.value: item for item in Item}
        if request.way not in ways:
            raise FieldMalformed(f"choose from {', '.join(ways)}", field="way", form="WAY_UNKNOWN")
        if not set(request.items) <= set(items):
            raise FieldMalformed(f"choose from {', '.join(items)}", field="items", form="ITEM_UNKNOWN")
        return cls(ways[request.way], frozenset(items[one] for one in request.items))


class PurposeHandlers(purpose_grpc.PurposeServiceServicer):
    """Explains the gate's decisions, by the gate's own checks, and shows the newest order."""

    def __init__(self, database: Database, purposes: AdoptedPurposes, recorder: Recorder, clock: Clock) -> None:
        self._database = database
        self._purposes = purposes
        self._recorder = recorder
        self._clock = clock

    async def ExplainPurpose(  # noqa: N802 - gRPC's name
        self, request: purpose_pb.ExplainPurposeRequest, _context: _Context
    ) -> purpose_pb.ExplainPurposeResponse:
        """Says what a request would be answered; see the proto."""
        call, wanted = current_call(), Wanted.read(request)
        await self._purposes.ready()
        table = self._purposes.current()
        checks = list(self._checks(table, call.peer.name, request, wanted))
        response = _response(table, call.peer.name, request, wanted, checks)
        affair, case = request.purpose.affair_id, request.purpose.case_number
        entry = self._recorder.table_entry(
            call,
            "EXPLAIN_PURPOSE",
            1,
            response.SerializeToString(deterministic=True),
            affair=affair if AFFAIR.fullmatch(affair) else None,
            case=case if _refusal_of(lambda: check_case_number(case)) is None else None,
        )
        async with self._database.lane() as lane:
            receipts = await self._recorder.record(lane, [entry])
        response.receipt.CopyFrom(receipt_message(receipts[0]))
        return response

    async def GetPurposesOrder(  # noqa: N802 - gRPC's name
        self, request: purpose_pb.GetPurposesOrderRequest, _context: _Context
    ) -> purpose_pb.GetPurposesOrderResponse:
        """Returns the newest order; see the proto."""
        await self._purposes.ready()
        if request.order and current_call().peer.tier is Tier.PREFECTURE:
            self._purposes.shown(request.order)
        newest = self._purposes.newest
        return purpose_pb.GetPurposesOrderResponse(
            order=newest.note,
            order_number=newest.order.number,
            table_version=newest.purposes.version,
            effective_from=date_pb(newest.order.effective_from.isoformat()),
        )

    def _checks(
        self, table: PurposeTable, caller: str, request: purpose_pb.ExplainPurposeRequest, wanted: Wanted
    ) -> Iterator[_Check]:
        """Yields the checks that a request passes, in the gate's order; ends with the first that refuses."""
        now, purpose, meter = self._clock.now(), request.purpose, self._purposes.meter
        asked = Asked(caller, purpose.affair_id, wanted.way, now.astimezone(JAPAN).date())
        grant = table.grants.get((caller, purpose.affair_id))
        before: list[_Check] = [
            ("version", _refusal_of(self._purposes.in_force)),
            ("case_number", _refusal_of(lambda: check_case_number(purpose.case_number))),
        ]
        for name, refusal in chain(before, explain(table, asked)):
            yield name, refusal
            if refusal is not None:
                return
        if grant is not None:
            quota = _refusal_of(lambda: meter.check_quota(grant, 1, now))
            pace = _refusal_of(lambda: meter.check_pace(grant, now))
            yield from (("pace", pace), ("quota", quota)) if pace is None else (("pace", pace),)


def _refusal_of(check: Callable[[], object]) -> Refusal | None:
    try:
        check()
    except Refusal as refusal:
        return refusal
    return None


def _response(
    table: PurposeTable,
    caller: str,
    request: purpose_pb.ExplainPurposeRequest,
    wanted: Wanted,
    checks: Sequence[_Check],
) -> purpose_pb.ExplainPurposeResponse:
    affair_id = request.purpose.affair_id
    affair, grant = table.affairs.get(affair_id), table.grants.get((caller, affair_id))
    passed = all(refusal is None for _, refusal in checks)
    released = wanted.items & grant.items if passed and grant is not None else frozenset[Item]()
    withheld = wanted.items - released
    shown = [_check_pb(name, refusal) for name, refusal in checks]
    if passed:
        advice = "ask without these items: verdicts need none" if withheld else ""
        shown.append(purpose_pb.PurposeCheck(name="items", passed=not withheld, advice=advice))
    return purpose_pb.ExplainPurposeResponse(
        answered=passed and not withheld,
        checks=shown,
        affair="" if affair is None else affair.text,
        recipient="" if affair is None else affair.recipient,
        article="" if affair is None else affair.article,
        released=[item for item in Item if item in released],
        withheld=[item for item in Item if item in withheld],
        table_version=table.version,
    )


def _check_pb(name: str, refusal: Refusal | None) -> purpose_pb.PurposeCheck:
    if refusal is None:
        return purpose_pb.PurposeCheck(name=name, passed=True)
    return purpose_pb.PurposeCheck(name=name, reason=refusal.reason, advice=refusal.advice, facts=refusal.facts)
