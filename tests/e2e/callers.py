"""Those who call the federation, each with their own certificate: counters, relying bodies, auditors, nodes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any, TypeVar

import grpc
import grpc.aio
import pytest

from deploy.local.links import open_channel
from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.audit.v1 import audit_service_pb2_grpc as audit_rpc
from juki.common.v1 import person_pb2, purpose_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.confirmation.v1 import confirmation_service_pb2_grpc as confirmation_rpc
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_rpc
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_read_service_pb2_grpc as read_rpc
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import register_service_pb2_grpc as register_rpc
from juki.municipal.v1.resident_pb2 import Entrant, Resident
from services.foundation.identity import node_id
from services.foundation.refusals import Refusal
from services.foundation.rpc.status import refusal_of
from tests.counters import make_act, make_entrant, target
from tests.e2e.federation import AGENCY, Federation

T = TypeVar("T")
CALL_S = 10.0
PENSION, CONSTRUCTION, LICENSING = "relying/local-pension", "relying/construction", "relying/tokyo-licensing"
AFFAIR = {PENSION: "b1-19", CONSTRUCTION: "b1-98", LICENSING: "b5-6"}
_ARRIVAL_S = 60.0
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_RECEIVING = exchange_pb.Stream.DIRECTION_RECEIVING
_SENDING = exchange_pb.Stream.DIRECTION_SENDING


def days_ago(days: int) -> date:
    """Returns a day of the past in Japan."""
    return datetime.now(timezone(timedelta(hours=9))).date() - timedelta(days=days)


async def refused(call: Awaitable[Any]) -> Refusal:
    """Returns the refusal that a call is answered with; fails the test for anything else."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    refusal = refusal_of(error.value)
    assert refusal is not None, error.value
    return refusal


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """Makes a call until the node is there to answer it, as a counter's terminal does."""
    deadline = time.monotonic() + _ARRIVAL_S
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() not in _AWAY or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


@dataclass
class Counter:
    """A terminal of a municipality's counter."""

    code: str
    acts: Any
    reads: Any
    told: set[str] = field(repr=False)
    """Names, codes and addresses that were ever entered, so that logs can be searched for them."""

    async def act(self, request: Any) -> list[Resident]:
        """Performs an act, whichever its request names, and returns the records touched."""
        residents = list((await self.answer(request)).residents)
        for one in residents:
            self.told |= {one.attributes.name, one.attributes.address, one.resident_code, one.kana}
        return residents

    async def answer(self, request: Any) -> Any:
        """Performs an act and returns the whole answer."""
        return await getattr(self.acts, type(request).__name__.removesuffix("Request"))(request, timeout=CALL_S)

    async def move_in(self, *entrants: Entrant, **values: Any) -> list[Resident]:
        """Moves people in, one head of household unless others are given."""
        return await self.act(self.moving_in(*entrants, **values))

    def moving_in(self, *entrants: Entrant, **values: Any) -> pb.ReportMoveInRequest:
        """Writes a move-in from Sapporo a month ago."""
        number = uuid.uuid4().int % 10_000
        given = {
            "act": make_act(days_ago(30)),
            "entrants": entrants or (make_entrant(),),
            "address": f"見本市試験町{number}番地",
            "former_municipality_code": "011002",
            "former_address": "北海道札幌市中央区北一条西1番地",
        }
        return pb.ReportMoveInRequest(**{**given, **values})

    async def move_out(self, resident: Resident, destination: str = "011002", days: int = 10) -> Resident:
        """Moves somebody out."""
        request = pb.ReportMoveOutRequest(
            act=make_act(days_ago(days)),
            targets=[target(resident)],
            destination_municipality_code=destination,
            destination_address="行先の住所1番地",
        )
        return (await self.act(request))[0]

    async def die(self, resident: Resident) -> Resident:
        """Reports a death."""
        return (await self.act(pb.ReportDeathRequest(act=make_act(days_ago(5)), target=target(resident))))[0]

    async def change_code(self, resident: Resident) -> Resident:
        """Gives somebody another code on their request."""
        request = pb.ChangeResidentCodeRequest(act=make_act(days_ago(1)), target=target(resident))
        return (await self.act(request))[0]

    async def cancel(self, resident: Resident) -> Resident:
        """Cancels the newest event of a record."""
        request = pb.CancelEventRequest(act=make_act(days_ago(0)), target=target(resident))
        return (await self.act(request))[0]

    async def read(self, resident: Resident) -> Resident:
        """Looks a record up."""
        answer = await self.reads.GetResident(read_pb.GetResidentRequest(resident=resident.name), timeout=CALL_S)
        found: Resident = answer.resident
        return found

    async def revisions(self, resident: Resident) -> list[Resident]:
        """Returns a record's rows, newest first."""
        request = read_pb.ListRevisionsRequest(resident=resident.name)
        return list((await self.reads.ListRevisions(request, timeout=CALL_S)).revisions)

    async def at(self, address: str) -> list[Resident]:
        """Finds who lives at an address, in all pages."""
        found: list[Resident] = []
        request = read_pb.SearchResidentsRequest(address=address, name="試験", include_removed=True, page_size=100)
        while True:
            page = await self.reads.SearchResidents(request, timeout=CALL_S)
            found += page.residents
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found


def again(resident: Resident) -> Entrant:
    """Writes a resident as one who enters elsewhere, with the code they have."""
    return Entrant(
        name=resident.attributes.name,
        kana=resident.kana,
        birth_date=resident.attributes.birth_date,
        sex=resident.attributes.sex,
        relation="世帯主",
        resident_code=resident.resident_code,
    )


@dataclass
class Body:
    """A relying body, asking one node."""

    name: str
    stub: Any

    async def by_code(self, code: str, asserted: person_pb2.FourAttributes | None = None) -> confirmation_pb.Answer:
        """Confirms by code."""
        request = confirmation_pb.ConfirmByCodeRequest(purpose=self.purpose(), resident_code=code, asserted=asserted)
        answer: confirmation_pb.Answer = (await self.stub.ConfirmByCode(request, timeout=CALL_S)).answer
        return answer

    async def by_attributes(self, asserted: person_pb2.FourAttributes) -> confirmation_pb.Answer:
        """Confirms by the four attributes."""
        request = confirmation_pb.ConfirmByAttributesRequest(purpose=self.purpose(), asserted=asserted)
        answer: confirmation_pb.Answer = (await self.stub.ConfirmByAttributes(request, timeout=CALL_S)).answer
        return answer

    async def outcome(self, code: str, asserted: person_pb2.FourAttributes | None = None) -> str:
        """Confirms by code and returns what it came to."""
        return outcome_of(await self.by_code(code, asserted))

    async def changes(self, *codes: str) -> list[list[int]]:
        """Lists the reasons of the changes of each code, in order."""
        found: list[list[int]] = [[] for _ in codes]
        position = 0
        while True:
            request = confirmation_pb.ListChangesRequest(
                purpose=self.purpose(), resident_codes=codes, since_position=position, page_size=1000
            )
            page = await self.stub.ListChanges(request, timeout=CALL_S)
            for change in page.changes:
                found[change.code_index].append(change.reason)
            if not page.changes:
                return found
            position = page.next_position

    def purpose(self, affair: str = "") -> purpose_pb2.Purpose:
        """Says why the body asks."""
        return purpose_pb2.Purpose(affair_id=affair or AFFAIR[self.name], case_number="e2e-1")


def outcome_of(answer: confirmation_pb.Answer) -> str:
    """Returns the outcome's name, `MATCH`."""
    return confirmation_pb.Outcome.Name(answer.outcome).removeprefix("OUTCOME_")


class Callers:
    """Opens a channel a caller and node, and closes them all; lives within one test."""

    def __init__(self, federation: Federation, told: set[str]) -> None:
        self.federation = federation
        self.told = told
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}

    def channel(self, caller: str, node: str) -> grpc.aio.Channel:
        """Returns the channel of a caller to a node, by short names."""
        key = (caller, node)
        if key not in self._channels:
            topology = self.federation.topology
            identity = node_id(caller, topology.trust_domain_root)
            self._channels[key] = open_channel(self.federation.layout, identity, topology.node(node))
        return self._channels[key]

    def counter(self, code: str) -> Counter:
        """Returns the counter of a municipality."""
        channel = self.channel(f"counter/{code}-1", f"municipal/{code}")
        return Counter(
            code, register_rpc.RegisterServiceStub(channel), read_rpc.RegisterReadServiceStub(channel), self.told
        )

    def body(self, name: str, node: str = AGENCY) -> Body:
        """Returns a relying body that asks a node."""
        return Body(name, confirmation_rpc.ConfirmationServiceStub(self.channel(name, node)))

    def log(self, node: str, caller: str = "auditor/board") -> Any:
        """Returns the log of a node as somebody reads it."""
        return audit_rpc.AuditServiceStub(self.channel(caller, node))

    def streams(self, node: str, caller: str = "auditor/board") -> Any:
        """Returns the streams of a node as somebody sees them."""
        return exchange_rpc.StreamStatusServiceStub(self.channel(caller, node))

    def exchange(self, node: str, caller: str) -> Any:
        """Returns what takes a lower tier's stream, as that tier calls it."""
        return exchange_rpc.ExchangeServiceStub(self.channel(caller, node))

    async def arrived(self, *codes: str) -> None:
        """Waits until all that these municipalities have sent is at the agency, applied or held."""
        for code in codes:
            prefecture = f"prefecture/{code[:2]}"
            await self._acknowledged(f"municipal/{code}", prefecture)
            await self._acknowledged(prefecture, AGENCY)

    async def held(self, node: str) -> dict[tuple[str, int], str]:
        """Returns the reasons of what a node holds back, by sender and sequence."""
        answer = await self.streams(node).ListHeld(exchange_pb.ListHeldRequest(page_size=500), timeout=CALL_S)
        return {(one.sender, one.sequence): one.reason for one in answer.held}

    async def last_sent(self, code: str) -> int:
        """Returns the last sequence that a municipality has made."""
        return next(one.last_sequence for one in await self._streams(f"municipal/{code}") if one.direction == _SENDING)

    async def entries(self, node: str, first: int = 0) -> list[bytes]:
        """Returns the entries of a node's log, in order."""
        found: list[bytes] = []
        while True:
            request = audit_pb.ListEntriesRequest(from_index=first + len(found), page_size=1000)
            page = (await self.log(node).ListEntries(request, timeout=CALL_S)).entries
            if not page:
                return found
            found += [one.entry for one in page]

    async def size(self, node: str) -> int:
        """Returns how many entries a node's log has."""
        answer = await self.log(node).GetCheckpoint(audit_pb.GetCheckpointRequest(), timeout=CALL_S)
        size: int = answer.durable_size
        return size

    async def close(self) -> None:
        """Closes every channel."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    async def _streams(self, node: str) -> Iterable[exchange_pb.Stream]:
        stub = self.streams(node)
        answer = await persist(lambda: stub.ListStreams(exchange_pb.ListStreamsRequest(), timeout=CALL_S))
        streams: Iterable[exchange_pb.Stream] = answer.streams
        return streams

    async def _acknowledged(self, sender: str, receiver: str) -> None:
        deadline, wanted = time.monotonic() + _ARRIVAL_S, None
        while time.monotonic() < deadline:
            for one in await self._streams(sender):
                if one.peer == receiver and one.direction == _SENDING:
                    wanted = one.last_sequence if wanted is None else wanted
                    if one.acknowledged_sequence >= wanted:
                        return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{receiver} did not acknowledge {wanted} of {sender}")
