"""A municipality that is no process here: a story speaks in its place, with its own certificate and signing key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from juki.common.v1 import change_pb2, civil_date_pb2, envelope_pb2, person_pb2
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from services.foundation.exchange.envelope import NO_HASH, EnvelopeSigner
from services.vocabulary.resident_code import ResidentCode
from tests.counters import make_codes
from tests.e2e.callers import CALL_S, Callers


def make_change(code: str, town: str, **values: Any) -> change_pb2.ChangeEvent:
    """Writes a move-in to a municipality, processed now."""
    given = {
        "municipality_code": town,
        "resident_code": code,
        "reason": change_pb2.CHANGE_REASON_MOVE_IN,
        "attributes": person_pb2.FourAttributes(
            name=f"試験 町民{code[:6]}",
            birth_date=civil_date_pb2.CivilDate(year=1970, month=3, day=4),
            sex=person_pb2.SEX_FEMALE,
            address=f"見本町{code[:5]}番地",
        ),
        "event_date": civil_date_pb2.CivilDate(year=2026, month=2, day=3),
        "process_time": at(timedelta()),
    }
    return change_pb2.ChangeEvent(**{**given, **values})


def at(ahead: timedelta) -> Timestamp:
    """Writes an instant of now, or ahead of it."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + ahead)
    return stamp


def new_code() -> str:
    """Draws a code that nobody else in the tests has."""
    code: ResidentCode = make_codes(1)[0]
    return code.digits


@dataclass
class Municipality:
    """Signs a stream of its own and delivers it to its prefecture."""

    code: str
    exchange: Any
    signer: EnvelopeSigner
    sequence: int = 0
    hash: bytes = field(default=NO_HASH)

    @classmethod
    def found(cls, callers: Callers, code: str) -> Municipality:
        """Has a certificate issued to a municipality that has no node."""
        name = f"municipal/{code}"
        keys = callers.federation.pki.issue(name)
        exchange = callers.exchange(f"prefecture/{code[:2]}", name)
        return cls(code, exchange, EnvelopeSigner.load(name, keys))

    def seal(self, change: change_pb2.ChangeEvent, *, supersedes: int = 0) -> exchange_pb.Delivery:
        """Signs the next envelope of the stream."""
        sealed = self.signer.seal(
            self.sequence + 1, self.hash, change=change.SerializeToString(deterministic=True), supersedes=supersedes
        )
        self.sequence, self.hash = sealed.sequence, sealed.body_hash
        return exchange_pb.Delivery(envelope=envelope_pb2.Envelope.FromString(sealed.envelope))

    async def deliver(self, *deliveries: exchange_pb.Delivery) -> exchange_pb.DeliverResponse:
        """Delivers envelopes with the certificates that verify them."""
        request = exchange_pb.DeliverRequest(deliveries=deliveries, certificates=self.signer.certificates)
        answer: exchange_pb.DeliverResponse = await self.exchange.Deliver(request, timeout=CALL_S)
        return answer

    async def position(self) -> int:
        """Returns how far the prefecture has the stream."""
        answer = await self.exchange.GetPosition(exchange_pb.GetPositionRequest(), timeout=CALL_S)
        sequence: int = answer.received_sequence
        return sequence
