"""How a prefecture passes on what it applies, verbatim, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

import grpc.aio
from sqlalchemy.ext.asyncio import AsyncConnection

from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from services.confirmation.applying import Applier
from services.foundation.db.engine import Database
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.messages import Accepted, Applied, Outcome
from services.foundation.exchange.outbox import Outbox, OutgoingMessage
from services.foundation.exchange.service import ExchangeHandlers, Record

Context = grpc.aio.ServicerContext[exchange_pb.DeliverRequest, exchange_pb.DeliverResponse]


class Relay:
    """Applies municipalities' changes and appends the envelopes that applied to the prefecture's own stream."""

    def __init__(self, applier: Applier, outbox: Outbox) -> None:
        self._applier = applier
        self._outbox = outbox

    async def apply(self, connection: AsyncConnection, accepted: Sequence[Accepted]) -> Sequence[Outcome]:
        """Applies a batch in the caller's transaction; what is held back here is not relayed until it applies."""
        outcomes = await self._applier.apply(connection, accepted)
        relayed = [
            OutgoingMessage(relayed=one.origin.envelope, traceparent=one.traceparent)
            for one, outcome in zip(accepted, outcomes, strict=True)
            if isinstance(outcome, Applied)
        ]
        if relayed:
            await self._outbox.append(connection, relayed)
        return outcomes


class RelayHandlers(ExchangeHandlers):
    """Receives the municipalities' streams, and wakes the sender once what was relayed is durable."""

    def __init__(self, database: Database, inbox: Inbox, record: Record, outbox: Outbox) -> None:
        super().__init__(database, inbox, record)
        self._outbox = outbox

    async def Deliver(self, request: exchange_pb.DeliverRequest, context: Context) -> exchange_pb.DeliverResponse:  # noqa: N802 - gRPC's name
        """Receives one call; see the proto."""
        response = await super().Deliver(request, context)
        self._outbox.wake()
        return response
