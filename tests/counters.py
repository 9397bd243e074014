"""A counter of a municipality in tests: requests with good defaults, and a desk that brings them to the handlers.

Everybody in them is synthetic.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from google.protobuf.message import Message

from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from services.foundation.identity import NodeId, node_id
from services.foundation.journal import Journal
from services.foundation.refusals import Refusal
from services.foundation.rpc.call import CURRENT_CALL, Call
from services.foundation.rpc.paging import PageTokens
from services.foundation.rpc.required import missing_fields
from services.municipal.handlers.acts import Acts, Settings
from services.municipal.handlers.reads import RegisterReadHandlers
from services.municipal.handlers.register import RegisterHandlers
from services.municipal.rules.pool import Allotment
from services.municipal.store.unit import Store
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.resident_code import ResidentCode

ROOT = "juki.example"
CITY = node_id("municipal/131016", ROOT)
COUNTER = node_id("counter/131016-1", ROOT)
NOW = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)
TODAY = date(2026, 4, 1)
HOME = "東京都千代田区千代田1番1号"
ELSEWHERE = "東京都千代田区永田町2丁目3番4号"
ORIGIN = "神奈川県横浜市中区日本大通1"
YOKOHAMA = "141003"

_numbers = itertools.count(1)
_codes = random.Random(20260401)


class FixedClock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def make_codes(count: int) -> list[ResidentCode]:
    """Returns codes that no other test has."""
    return [ResidentCode.from_body(f"{_codes.randrange(10**10):010d}") for _ in range(count)]


def make_day(day: date) -> civil_date_pb2.CivilDate:
    return civil_date_pb2.CivilDate(year=day.year, month=day.month, day=day.day)


def make_act(event_on: date = TODAY, notified_on: date | None = None) -> resident_pb2.Act:
    """An act of its own request id, of today."""
    act = resident_pb2.Act(request_id=str(uuid4()), event_date=make_day(event_on))
    if notified_on is not None:
        act.notification_date.CopyFrom(make_day(notified_on))
    return act


def make_entrant(relation: str = "世帯主", **values: Any) -> resident_pb2.Entrant:
    """A person whom no other test knows."""
    number = next(_numbers)
    return resident_pb2.Entrant(
        **{
            "name": f"試験 太郎{number}",
            "kana": "シケン タロウ",
            "birth_date": civil_date_pb2.CivilDate(year=1980, month=1 + number % 12, day=1 + number % 28),
            "sex": person_pb2.SEX_MALE,
            "relation": relation,
            **values,
        }
    )


def make_move_in(*entrants: resident_pb2.Entrant, **values: Any) -> pb.ReportMoveInRequest:
    """A move-in from Yokohama, of one head of household unless others are given."""
    return pb.ReportMoveInRequest(
        **{
            "act": make_act(),
            "entrants": entrants or (make_entrant(),),
            "address": HOME,
            "former_municipality_code": YOKOHAMA,
            "former_address": ORIGIN,
            **values,
        }
    )


def target(resident: resident_pb2.Resident, relation: str = "") -> resident_pb2.Target:
    """The resident as the caller saw it."""
    return resident_pb2.Target(resident=resident.name, etag=resident.etag, relation=relation)


def targets(residents: Iterable[resident_pb2.Resident]) -> list[resident_pb2.Target]:
    return [target(one) for one in residents]


def member(resident: resident_pb2.Resident, relation: str = "同居人") -> pb.Membership:
    return pb.Membership(target=target(resident), relation=relation)


async def refusal_of(answer: Awaitable[Any]) -> Refusal:
    """Returns the refusal with which a request is answered."""
    with pytest.raises(Refusal) as refused:
        await answer
    return refused.value


@dataclass
class Desk:
    """Brings requests to the handlers as the gate does: complete, and with the facts of the call."""

    store: Store
    journal: Journal
    clock: FixedClock = field(default_factory=FixedClock)
    caller: NodeId = COUNTER
    code_pool_low: int = 500
    count_rows: Callable[[], Awaitable[dict[str, int]]] = field(kw_only=True)
    """Counts what is kept, by table."""
    sent: Callable[[], Awaitable[list[change_pb2.ChangeEvent]]] = field(kw_only=True)
    """Returns what was sent up, in order."""
    logged: Callable[[], Awaitable[list[tuple[str, int]]]] = field(kw_only=True)
    """Returns action and count of each entry in the log, in order."""
    fields: Callable[[], Awaitable[list[list[str]]]] = field(kw_only=True)
    """Returns what each audit entry names as its fields, in order."""

    def __post_init__(self) -> None:
        settings = Settings(LocalGovernmentCode(CITY.code), move_out_days_ahead=60)
        self._acts = RegisterHandlers(Acts(self.store, self.journal, self.clock, settings))
        self._reads = RegisterReadHandlers(self.store, self.journal, PageTokens(b"key"), self.code_pool_low)

    async def bring(self, request: Message) -> Any:
        """Answers a request, or refuses it."""
        assert not missing_fields(request), missing_fields(request)
        name = type(request).__name__.removesuffix("Request")
        service, handlers = ("RegisterService", cast("object", self._acts))
        if not hasattr(pb, f"{name}Request"):
            assert hasattr(read_pb, f"{name}Request")
            service, handlers = ("RegisterReadService", self._reads)
        act = getattr(request, "act", None)
        call = Call(
            peer=self.caller,
            method=f"/juki.municipal.v1.{service}/{name}",
            request_id=act.request_id if act is not None else str(uuid4()),
            request=request.SerializeToString(),
            tls_version="TLSv1.3",
            tls_group="X25519MLKEM768",
            traceparent="",
        )
        CURRENT_CALL.set(call)
        return await getattr(handlers, name)(request, None)

    async def refusal(self, request: Message) -> str:
        """Returns the reason for which a request is refused, having seen that it left nothing behind."""
        before = await self.count_rows()
        reason = (await refusal_of(self.bring(request))).reason
        assert await self.count_rows() == before
        return reason

    async def form(self, request: Message) -> tuple[str, str]:
        """Returns field and form of a request that is refused as malformed, having seen that it left nothing behind."""
        before = await self.count_rows()
        refusal = await refusal_of(self.bring(request))
        assert refusal.reason == "FIELD_MALFORMED", refusal.reason
        assert await self.count_rows() == before
        return refusal.facts["field"], refusal.facts["form"]

    async def move_in(self, *entrants: resident_pb2.Entrant, **values: Any) -> list[resident_pb2.Resident]:
        """Moves people in and returns their records."""
        answer = await self.bring(make_move_in(*entrants, **values))
        return list(answer.residents)

    async def family(self, *relations: str, **values: Any) -> list[resident_pb2.Resident]:
        """Moves a head of household in with others."""
        return await self.move_in(make_entrant(), *(make_entrant(relation) for relation in relations), **values)

    async def read(self, resident: resident_pb2.Resident) -> resident_pb2.Resident:
        """Returns a record as it is now."""
        answer = await self.bring(read_pb.GetResidentRequest(resident=resident.name))
        return cast("resident_pb2.Resident", answer.resident)

    async def household(self, resident: resident_pb2.Resident) -> resident_pb2.Household:
        """Returns the household of a resident."""
        answer = await self.bring(read_pb.GetHouseholdRequest(household=resident.household))
        return cast("resident_pb2.Household", answer.household)

    async def history(self, resident: resident_pb2.Resident) -> list[resident_pb2.Resident]:
        """Returns a record's rows, newest first."""
        return list((await self.bring(read_pb.ListRevisionsRequest(resident=resident.name))).revisions)


async def fill_pool(store: Store, codes: Iterable[ResidentCode]) -> None:
    """Puts codes into the pool as an allotment of the agency."""
    given = list(codes)
    async with store.begin() as unit:
        allotment = Allotment(uuid4(), len(given))
        await unit.codes.ask(allotment)
        await unit.codes.receive(allotment, given)
