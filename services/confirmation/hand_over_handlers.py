"""HandOverService: gives one body another's identifier of a resident, so that nobody else can read it."""

from __future__ import annotations

from typing import Any

import grpc.aio

from juki.confirmation.v1 import hand_over_service_pb2 as hand_over_pb
from juki.confirmation.v1 import hand_over_service_pb2_grpc as hand_over_grpc
from services.confirmation.gate import InForce, PurposeGate, told
from services.confirmation.pairwise import Pairwise
from services.confirmation.questions import Asking, Recorder
from services.confirmation.rules.matching import Finding, match_code
from services.confirmation.rules.purposes import Asked, Grant, Way, check_hand_over, explain
from services.confirmation.sealing import seal
from services.confirmation.store import PostgresLookUps
from services.confirmation.wire import outcome_pb, read_code
from services.foundation.clock import Clock
from services.foundation.db.engine import Database
from services.foundation.journal import receipt_message
from services.foundation.rpc.call import current_call

_Context = grpc.aio.ServicerContext[Any, Any]


class HandOverHandlers(hand_over_grpc.HandOverServiceServicer):
    """Hands identifiers over where the caller's row of the table names the receiver, and the receiver has a row too."""

    def __init__(
        self, database: Database, purposes: InForce, recorder: Recorder, clock: Clock, pairwise: Pairwise
    ) -> None:
        self._database = database
        self._purposes = purposes
        self._recorder = recorder
        self._pairwise = pairwise
        self._gate = PurposeGate(purposes, clock)

    async def HandOver(  # noqa: N802 - gRPC's name
        self, request: hand_over_pb.HandOverRequest, _context: _Context
    ) -> hand_over_pb.HandOverResponse:
        """Hands one identifier over; see the proto."""
        asking = await self._gate.admit(current_call(), request.purpose, Way.BY_CODE, "HAND_OVER")
        with told(asking):
            receiver = check_hand_over(asking.grant, self._receiver(request), request.to_body)
            code = read_code(request.resident_code, "resident_code")
            self._gate.count(asking)
        async with self._database.lane() as lane:
            found = await PostgresLookUps(lane).by_codes({code})
            finding = match_code(found.records.get(code), None, renamed=code in found.given_up)
            response = hand_over_pb.HandOverResponse(
                outcome=outcome_pb(finding.outcome), sealed=self._sealed(asking, receiver, finding)
            )
            entry = self._recorder.entry(
                asking,
                fields=("pairwise_id",) if response.sealed else (),
                count=1 if response.sealed else 0,
                subject=code,
                request=asking.call.request,
                response=response.SerializeToString(deterministic=True),
            )
            receipts = await self._recorder.record(lane, [entry], [asking])
        response.receipt.CopyFrom(receipt_message(receipts[0]))
        return response

    def _receiver(self, request: hand_over_pb.HandOverRequest) -> Grant | None:
        """Returns the receiver's grant for that affair if it is in force, whichever its ways."""
        table = self._purposes.in_force()
        grant = table.grants.get((request.to_body, request.to_affair_id))
        if grant is None or request.to_body not in table.keys:
            return None
        asked = Asked(request.to_body, request.to_affair_id, min(grant.ways), self._gate.today())
        return None if any(refusal is not None for _, refusal in explain(table, asked)) else grant

    def _sealed(self, asking: Asking, receiver: Grant, finding: Finding) -> bytes:
        if finding.record is None:
            return b""
        return seal(
            self._purposes.in_force().keys[receiver.body],
            (asking.grant.body, receiver.body, receiver.affair.affair_id),
            self._pairwise.of(receiver, finding.record.resident_code),
            self._pairwise.version,
            asking.request_id,
        )
