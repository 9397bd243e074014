"""How a node reaches the one to which it sends its stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import grpc

from juki.common.v1 import envelope_pb2
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_grpc
from services.foundation.exchange.messages import Delivery
from services.foundation.exchange.rules import Cursor
from services.foundation.refusals import Kind, Refusal
from services.foundation.rpc.refusals import NeighbourUnreachable
from services.foundation.rpc.status import RemoteRefusal, refusal_of


class Neighbour(Protocol):
    """Whoever takes this node's stream; each call may refuse with what the neighbour refused, or be UNREACHABLE."""

    async def get_position(self) -> Cursor:
        """Returns how far this node's stream was received."""
        ...

    async def deliver(self, deliveries: Sequence[Delivery], certificates: Sequence[bytes]) -> int:
        """Delivers envelopes in order, with DER certificates that may be new; returns the last sequence received."""
        ...


class GrpcNeighbour:
    """A neighbour at the other end of a gRPC channel; a call takes at most `deadline` seconds."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = 30.0) -> None:
        self._stub: exchange_grpc.ExchangeServiceAsyncStub = exchange_grpc.ExchangeServiceStub(channel)
        self._deadline = deadline

    async def get_position(self) -> Cursor:
        """Returns how far this node's stream was received."""
        try:
            answer = await self._stub.GetPosition(exchange_pb.GetPositionRequest(), timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from error
        return Cursor(answer.received_sequence, answer.received_hash)

    async def deliver(self, deliveries: Sequence[Delivery], certificates: Sequence[bytes]) -> int:
        """Delivers envelopes in order, with DER certificates that may be new; returns the last sequence received."""
        request = exchange_pb.DeliverRequest(
            deliveries=[
                exchange_pb.Delivery(
                    envelope=envelope_pb2.Envelope.FromString(each.envelope), traceparent=each.traceparent
                )
                for each in deliveries
            ],
            certificates=certificates,
        )
        try:
            answer = await self._stub.Deliver(request, timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from error
        return answer.received_sequence


def _refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Reads a failed call: what the neighbour refused, or that it could not be reached."""
    refusal = refusal_of(error)
    if refusal is not None:
        return refusal
    code = error.code()
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return NeighbourUnreachable("wait for the neighbour", status=code.name)
    return RemoteRefusal(Kind.WRONG_STATE, f"NEIGHBOUR_{code.name}", "look at the neighbour's own log", {})
