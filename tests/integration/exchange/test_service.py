"""ExchangeService and StreamStatusService over gRPC."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status
from sqlalchemy.ext.asyncio import AsyncConnection

from juki.common.v1 import receipt_pb2
from juki.exchange.v1 import exchange_service_pb2 as pb
from juki.exchange.v1 import exchange_service_pb2_grpc as rpc
from services.foundation.exchange.messages import Accepted, Delivery
from services.foundation.exchange.neighbour import GrpcNeighbour
from services.foundation.exchange.refusals import EnvelopeNotHeld
from services.foundation.exchange.service import ExchangeHandlers, StreamStatusHandlers
from services.foundation.refusals import Refusal
from services.foundation.rpc.call import CURRENT_CALL, Call
from services.foundation.rpc.paging import PageTokens
from services.foundation.rpc.status import status_of
from tests.integration.exchange.conftest import Store
from tests.integration.exchange.nodes import ReceivingNode, SendingNode, drain
from tests.streams import CITY, Pki, Stream, forged, signers_of


class ShortGate(grpc.aio.ServerInterceptor):
    """Says that CITY calls, and turns refusals into statuses; the whole gate has tests of its own."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        handler = await continuation(handler_call_details)
        assert handler is not None
        inner: Any = handler.unary_unary

        async def answer(request: Any, context: Any) -> Any:
            method = handler_call_details.method
            CURRENT_CALL.set(Call(CITY, method, str(uuid.uuid4()), b"", "TLSv1.3", "X25519MLKEM768", ""))
            try:
                return await inner(request, context)
            except Refusal as refusal:
                await context.abort_with_status(rpc_status.to_status(status_of(refusal, "prefecture.juki.example")))

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


@dataclass
class Log:
    """Counts what it records."""

    actions: list[tuple[str, int, int]]

    async def record(
        self, connection: AsyncConnection, action: str, applied: Sequence[Accepted], count: int
    ) -> receipt_pb2.AuditReceipt:
        assert connection.in_transaction()
        self.actions.append((action, len(applied), count))
        return receipt_pb2.AuditReceipt(origin="log", index=len(self.actions) - 1, leaf_hash=bytes(32))


@dataclass
class Served:
    """A receiving node behind gRPC."""

    node: ReceivingNode
    log: Log
    channel: grpc.aio.Channel
    status: rpc.StreamStatusServiceAsyncStub


@pytest.fixture
async def served(prefecture_store: Store, pki: Pki) -> AsyncIterator[Served]:
    node, log = ReceivingNode(prefecture_store.database, signers_of(pki)), Log([])
    server = grpc.aio.server(interceptors=[ShortGate()])
    database = prefecture_store.database
    rpc.add_ExchangeServiceServicer_to_server(ExchangeHandlers(database, node.inbox, log.record), server)
    handlers = StreamStatusHandlers(database, [], node.inbox, log.record, PageTokens())
    rpc.add_StreamStatusServiceServicer_to_server(handlers, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    status: rpc.StreamStatusServiceAsyncStub = rpc.StreamStatusServiceStub(channel)
    yield Served(node, log, channel, status)
    await channel.close()
    await server.stop(None)


async def test_a_stream_is_delivered_over_the_wire_and_recorded(served: Served, city_store: Store, pki: Pki) -> None:
    city = SendingNode(city_store.database, pki.signer(CITY))
    for note in "abc":
        await city.act("1", note)
    neighbour = GrpcNeighbour(served.channel)

    await drain(city.sender(neighbour))

    assert (await neighbour.get_position()).sequence == 3
    assert served.log.actions == [("RECEIVE_ENVELOPES", 3, 3)]


async def test_a_refusal_reaches_the_sender_with_its_facts(served: Served, pki: Pki) -> None:
    stream = Stream(pki.signer(CITY))
    stream.add("1")
    neighbour = GrpcNeighbour(served.channel)

    with pytest.raises(Refusal) as gap:
        await neighbour.deliver([stream.add("1")], stream.signer.certificates)
    with pytest.raises(Refusal) as forgery:
        await neighbour.deliver([forged(stream.add("1"))], stream.signer.certificates)

    assert (gap.value.reason, gap.value.facts["expected"]) == ("SEQUENCE_GAP", "1")
    assert forgery.value.reason == "SIGNATURE_INVALID"
    assert served.log.actions == []


async def test_a_neighbour_that_does_not_answer_is_unreachable(pki: Pki) -> None:
    channel = grpc.aio.insecure_channel("127.0.0.1:1")
    with pytest.raises(Refusal) as refused:
        await GrpcNeighbour(channel, deadline=2.0).get_position()
    await channel.close()

    assert refused.value.reason == "NEIGHBOUR_UNREACHABLE"


async def deliver(served: Served, stream: Stream, *deliveries: Delivery) -> None:
    await GrpcNeighbour(served.channel).deliver(deliveries, stream.signer.certificates)


async def test_what_is_held_is_listed_page_by_page(served: Served, pki: Pki) -> None:
    served.node.refused = {"1", "2"}
    stream = Stream(pki.signer(CITY))
    await deliver(served, stream, stream.add("1"), stream.add("1"), stream.add("2"))

    first = await served.status.ListHeld(pb.ListHeldRequest(page_size=2))
    second = await served.status.ListHeld(pb.ListHeldRequest(page_size=2, page_token=first.next_page_token))

    assert [(held.sequence, held.reason) for held in (*first.held, *second.held)] == [
        (1, "NOT_YET"),
        (2, "BEHIND_QUARANTINED"),
        (3, "NOT_YET"),
    ]
    assert second.next_page_token == ""


async def test_a_retry_repeated_with_its_id_gets_the_first_reply_and_an_entry(served: Served, pki: Pki) -> None:
    served.node.refused = {"1"}
    stream = Stream(pki.signer(CITY))
    await deliver(served, stream, stream.add("1"), stream.add("1"))
    served.node.refused = set()
    request = pb.RetryHeldRequest(request_id=str(uuid.uuid4()), sender=CITY.name, sequence=1)

    first, again = [await served.status.RetryHeld(request) for _ in range(2)]

    assert first == again
    assert (first.applied_count, list(first.held), first.receipt.origin) == (2, [], "log")
    assert served.log.actions[1:] == [("RETRY_HELD", 2, 2), ("REPEAT_REPLY", 0, 0)]


async def test_what_is_not_held_cannot_be_retried(served: Served) -> None:
    request = pb.RetryHeldRequest(request_id=str(uuid.uuid4()), sender=CITY.name, sequence=9)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.status.RetryHeld(request)

    assert (refused.value.details() or "").startswith(EnvelopeNotHeld.reason)


async def test_streams_and_alarms_are_listed(served: Served, pki: Pki) -> None:
    stream = Stream(pki.signer(CITY))
    await deliver(served, stream, stream.add("1"))
    with pytest.raises(Refusal):
        await deliver(served, stream, forged(stream.add("1")))

    streams = (await served.status.ListStreams(pb.ListStreamsRequest())).streams
    alarms = (await served.status.ListAlarms(pb.ListAlarmsRequest())).alarms

    assert [(each.peer, each.last_sequence) for each in streams] == [(CITY.name, 1)]
    assert [(each.reason, each.sender, each.sequence) for each in alarms] == [("SIGNATURE_INVALID", CITY.name, 2)]
