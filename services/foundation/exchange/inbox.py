"""How a node receives a neighbour's stream: each call one transaction, with alarms that outlive a refused one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from services.foundation.db.engine import Database, raw
from services.foundation.exchange.arrivals import Gatekeeper, Parcel, open_all, signer_hashes
from services.foundation.exchange.messages import Accepted, Delivery, LineOf, Outcome, ReceiveResult
from services.foundation.exchange.postgres_inbox import PostgresInboxStore
from services.foundation.exchange.receiver import Receiver
from services.foundation.exchange.refusals import AlarmingRefusal
from services.foundation.exchange.rules import Cursor
from services.foundation.exchange.signers import Signers
from services.foundation.identity import NodeId
from services.foundation.telemetry.traces import SilentTracer, Span, SpanKind, Tracer, is_traceparent

_T = TypeVar("_T")

TierApply: TypeAlias = Callable[[AsyncConnection, Sequence[Accepted]], Awaitable[Sequence[Outcome]]]
"""What a tier does with envelopes, in the given transaction; otherwise as `Apply`."""

Finish: TypeAlias = Callable[[AsyncConnection, ReceiveResult], Awaitable[_T]]
"""The last statements of a receiving transaction: audit entries, a stored reply."""


class Inbox:
    """What this node receives, and how the tier applies it."""

    def __init__(
        self,
        database: Database,
        signers: Signers,
        line_of: LineOf,
        apply: TierApply,
        *,
        tracer: Tracer | None = None,
    ) -> None:
        self._database = database
        self._tracer = tracer or SilentTracer()
        self._gatekeeper = Gatekeeper(signers, line_of)
        self._apply = apply

    async def deliver(
        self, sender: NodeId, deliveries: Sequence[Delivery], certificates: Sequence[bytes], finish: Finish[_T]
    ) -> tuple[ReceiveResult, _T]:
        """Receives one call of `sender`, whom the transport has authenticated, in one transaction.

        When it returns, everything up to the result's cursor is durable. Refuses the whole call, with only an alarm
        kept, with SEQUENCE_GAP, HASH_LINK_BROKEN, SIGNATURE_INVALID, SIGNER_UNKNOWN, SENDER_MISMATCH, EQUIVOCATION,
        ENVELOPE_MALFORMED or BATCH_TOO_LARGE.
        """
        spans = [self._begin(delivery) for delivery in deliveries]
        status = "UNKNOWN"
        try:
            answer = await self._deliver(sender, [traced for traced, _ in spans], certificates, finish)
            status = "OK"
        except AlarmingRefusal as refusal:
            await self._raise_alarm(refusal)
            raise
        finally:
            for _, span in spans:
                if span is not None:
                    span.end(status)
        return answer

    async def _deliver(
        self, sender: NodeId, deliveries: Sequence[Delivery], certificates: Sequence[bytes], finish: Finish[_T]
    ) -> tuple[ReceiveResult, _T]:
        parcels = open_all(deliveries)
        await self._introduce(parcels, certificates)
        arrivals = await self._gatekeeper.admit(sender, parcels)
        async with self._database.begin() as connection:
            receiver = await self._receiver(connection)
            result = await receiver.receive(sender.name, arrivals)
            return result, await finish(connection, result)

    async def retry(self, connection: AsyncConnection, sender: str, sequence: int) -> ReceiveResult:
        """Tries the line of a held envelope again, in the caller's transaction; refuses ENVELOPE_NOT_HELD."""
        return await (await self._receiver(connection)).retry(sender, sequence)

    async def wake(self, connection: AsyncConnection, keys: Sequence[str]) -> ReceiveResult:
        """Tries what waits for one of these keys again, in the caller's transaction."""
        return await (await self._receiver(connection)).wake(keys)

    async def position(self, connection: AsyncConnection, sender: str) -> Cursor:
        """Returns how far the sender's stream was received."""
        return await PostgresInboxStore(await raw(connection)).cursor(sender)

    async def _introduce(self, parcels: Sequence[Parcel], certificates: Sequence[bytes]) -> None:
        """Makes the signers known; in transactions of their own, so that a refused call costs no second proof."""
        hashes = signer_hashes(parcels)
        signers = self._gatekeeper.signers
        if all(signers.knows(each) for each in hashes):
            return
        async with self._database.begin() as connection:
            await signers.introduce(PostgresInboxStore(await raw(connection)), hashes, certificates)
        async with self._database.begin() as connection:
            await signers.introduce(PostgresInboxStore(await raw(connection)), hashes, ())

    async def _receiver(self, connection: AsyncConnection) -> Receiver:
        store = PostgresInboxStore(await raw(connection))

        def apply(accepted: Sequence[Accepted]) -> Awaitable[Sequence[Outcome]]:
            return self._apply(connection, accepted)

        return Receiver(store, self._gatekeeper, apply)

    async def _raise_alarm(self, refusal: AlarmingRefusal) -> None:
        async with self._database.begin() as connection:
            await PostgresInboxStore(await raw(connection)).raise_alarm(refusal.evidence)

    def _begin(self, delivery: Delivery) -> tuple[Delivery, Span | None]:
        """Goes on with the trace of the act that made the envelope, if it has one."""
        if not is_traceparent(delivery.traceparent):
            return replace(delivery, traceparent=""), None
        span = self._tracer.begin("exchange.receive", SpanKind.SERVER, delivery.traceparent, {})
        return replace(delivery, traceparent=span.traceparent), span
