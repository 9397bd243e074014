"""How a node's stream gets to its neighbour: in order, resumed where the neighbour stands, never given up."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.foundation.clock import Clock
from services.foundation.exchange.envelope import open_envelope
from services.foundation.exchange.messages import Delivery
from services.foundation.exchange.neighbour import Neighbour
from services.foundation.exchange.outbox import Outbox
from services.foundation.exchange.outbox_reader import OutboxReader, Outgoing
from services.foundation.exchange.refusals import PositionAhead, PositionForked, SequenceGap, SignerUnknown
from services.foundation.refusals import Kind, Refusal, StoreUnreachable
from services.foundation.telemetry.metrics import Gauge, Reading
from services.foundation.telemetry.traces import SilentTracer, SpanKind, Tracer, is_traceparent

MOST_ENVELOPES = 200
MOST_BYTES = 512 * 1024
IDLE_SECONDS = 1.0
"""How often the outbox is looked at unasked: another process may have written to it."""

_FIRST_PAUSE = 0.2
_MOST_DOUBLINGS = 16
_PASSING = (Kind.UNREACHABLE, Kind.STALE, Kind.LIMITED)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one attempt: envelopes acknowledged, and seconds to wait before the next."""

    sent: int
    pause: float
    idle: bool = False
    """Whether nothing is left to send, so that a new message ends the pause."""


class Sender:
    """Delivers this node's stream to `peer`.

    What is passing (a neighbour that is away or busy) is tried again after pauses that double up to `longest_pause`
    seconds, with jitter. What will not pass by itself (a signature refused, an equivocation) is tried again at the
    longest pause, and shows as `last_failure`; nothing is ever skipped, since a stream with a hole is no stream.
    """

    def __init__(
        self,
        peer: str,
        neighbour: Neighbour,
        outbox: Outbox,
        reader: OutboxReader,
        clock: Clock,
        *,
        longest_pause: float = 30.0,
        tracer: Tracer | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.peer = peer
        self.last_failure = ""
        """Reason of the last failed attempt; empty when the last one succeeded."""
        self._neighbour = neighbour
        self._outbox = outbox
        self._reader = reader
        self._clock = clock
        self._tracer = tracer or SilentTracer()
        self._longest_pause = longest_pause
        self._chance = chance or random.Random()  # noqa: S311 - spreads retries; nothing secret
        self._position: int | None = None
        self._introduced: set[bytes] = set()
        self._failures = 0
        self._oldest_pending: datetime | None = None

    @property
    def lag_seconds(self) -> float:
        """Age of the oldest envelope that the neighbour has not acknowledged; 0 where it has all."""
        oldest = self._oldest_pending
        return max(0.0, (self._clock.now() - oldest).total_seconds()) if oldest is not None else 0.0

    def gauge(self) -> Gauge:
        """Returns the metric of this edge's lag."""

        def read() -> Iterable[Reading]:
            return [(self.lag_seconds, {"peer": self.peer})]

        return Gauge("juki.outbox.lag", "s", "Age of the oldest envelope not yet acknowledged", read)

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            self._outbox.appended.clear()
            step = await self.step()
            if not step.idle:
                await asyncio.sleep(step.pause)
                continue
            try:
                await asyncio.wait_for(self._outbox.appended.wait(), step.pause)
            except TimeoutError:
                continue

    async def step(self) -> Step:
        """Makes one attempt: finds the neighbour's position if it is not known, and sends what follows."""
        step = await self._attempt()
        # Where nothing was left a moment ago, nothing is late.
        self._oldest_pending = None if step.idle else await self._find_oldest_pending()
        return step

    async def _find_oldest_pending(self) -> datetime | None:
        try:
            return await self._reader.oldest_pending(self.peer)
        except StoreUnreachable:
            return self._oldest_pending

    async def _attempt(self) -> Step:
        try:
            sent = await self._send()
        except Refusal as refusal:
            return self._failed(refusal.reason, refusal)
        except Exception as error:
            # A bug must not end the task: the stream would stand still, and nobody would see it in the status.
            _log.exception("exchange.send_failed", extra={"peer": self.peer, "error": type(error).__name__})
            return self._failed("INTERNAL", None)
        self._failures = 0
        self.last_failure = ""
        return Step(sent, 0.0) if sent else Step(0, IDLE_SECONDS, idle=True)

    async def _send(self) -> int:
        if self._position is None:
            self._position = await self._resume()
        batch = await self._reader.batch(self._position, MOST_ENVELOPES, MOST_BYTES)
        if not batch:
            return 0
        hashes, certificates = await self._introductions(batch)
        received = await self._deliver(batch, certificates)
        self._introduced |= hashes
        await self._reader.acknowledge(self.peer, received)
        sent, self._position = received - self._position, received
        return sent

    async def _deliver(self, batch: Sequence[Outgoing], certificates: Sequence[bytes]) -> int:
        """Delivers a batch, each envelope in the trace of the act that made it."""
        spans = [
            self._tracer.begin("exchange.send", SpanKind.CLIENT, each.traceparent, {"peer": self.peer})
            if is_traceparent(each.traceparent)
            else None
            for each in batch
        ]
        deliveries = [
            Delivery(each.envelope, span.traceparent if span is not None else "")
            for each, span in zip(batch, spans, strict=True)
        ]
        status = "UNKNOWN"
        try:
            received = await self._neighbour.deliver(deliveries, certificates)
            status = "OK"
        finally:
            for span in spans:
                if span is not None:
                    span.end(status)
        return received

    async def _resume(self) -> int:
        """Returns the neighbour's position; refuses to go on where it has what this node never made."""
        theirs = await self._neighbour.get_position()
        head = await self._reader.head()
        if theirs.sequence > head.sequence:
            raise PositionAhead("restore the newest state of this node's database", theirs=theirs.sequence)
        if theirs.sequence and await self._reader.hash_at(theirs.sequence) != theirs.hash:
            raise PositionForked("find out which of two streams is this node's", at=theirs.sequence)
        await self._reader.acknowledge(self.peer, theirs.sequence)
        return theirs.sequence

    async def _introductions(self, batch: Sequence[Outgoing]) -> tuple[set[bytes], list[bytes]]:
        """Returns the signers in `batch` that the neighbour was not told of, and the certificates that tell it."""
        signer = self._outbox.signer
        hashes = set()
        for each in batch:
            outer = open_envelope(each.envelope)
            hashes.add(outer.signer_hash)
            if outer.relayed is not None:
                hashes.add(open_envelope(outer.relayed).signer_hash)
        new = hashes - self._introduced
        certificates: dict[bytes, None] = dict.fromkeys(signer.certificates if signer.signer_hash in new else ())
        others = sorted(new - {signer.signer_hash})
        for stored in (await self._reader.signers(others)).values() if others else ():
            certificates.update(dict.fromkeys((stored.certificate, stored.issuer)))
        return new, list(certificates)

    def _failed(self, reason: str, refusal: Refusal | None) -> Step:
        self.last_failure = reason
        self._failures += 1
        # Whatever happened, the neighbour knows best where it stands; and it may be another process than before.
        self._position = None
        first = self._failures == 1
        if reason == SignerUnknown.reason:
            self._introduced.clear()
        if first and reason in (SequenceGap.reason, SignerUnknown.reason):
            return Step(0, 0.0)
        _log.warning("exchange.send_refused", extra={"peer": self.peer, "reason": reason, "failures": self._failures})
        if refusal is not None and refusal.kind not in _PASSING:
            return Step(0, self._longest_pause)
        pause = min(self._longest_pause, _FIRST_PAUSE * 2 ** min(self._failures - 1, _MOST_DOUBLINGS))
        return Step(0, pause * self._chance.uniform(0.5, 1.0))
