"""One call to a neighbour: its deadline, its attempts, its span, and the refusal that its error is."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from services.foundation.identity import NodeId
from services.foundation.refusals import Refusal
from services.foundation.rpc.refusals import NeighbourFailed, NeighbourUnreachable
from services.foundation.rpc.status import refusal_of
from services.foundation.telemetry import Telemetry, current_traceparent
from services.foundation.telemetry.traces import HEADER, SpanKind

_ATTEMPTS = 4
_PAUSE_SECONDS = 0.1
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)

Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Outcall:
    """A method of a neighbour, and how to call it on the channel of the moment."""

    neighbour: NodeId
    method: str
    bind: Callable[[], Callable[..., Any]]
    deadline_seconds: float
    telemetry: Telemetry
    places: asyncio.Semaphore
    """One for each unary call that may be under way at once; the others wait within their deadline."""

    def begin(self, request: Any, seconds: float, metadata: Metadata, traceparent: str) -> Any:
        """Starts the call on the present channel."""
        return self.bind()(request, timeout=seconds, metadata=(*metadata, (HEADER, traceparent)))

    def refusal(self, error: grpc.aio.AioRpcError) -> Refusal:
        """Returns what to tell of a failed call: the neighbour's refusal, or that it is away or failed."""
        refusal = refusal_of(error)
        if refusal is not None:
            return refusal
        facts = {"neighbour": self.neighbour.name, "status": error.code().name}
        if error.code() in _AWAY:
            return NeighbourUnreachable("retry with the same request id", **facts)
        return NeighbourFailed("look into the neighbour's log", **facts)

    def busy(self) -> Refusal:
        """Returns what to tell when no place became free before the deadline."""
        return NeighbourUnreachable("call less at a time", neighbour=self.neighbour.name, status="BUSY")

    @contextmanager
    def observed(self) -> Iterator[str]:
        """Runs the block as the call's span and yields the trace context to send; counts how the call ended."""
        attributes = {"rpc.system": "grpc", "rpc.method": self.method, "neighbour": self.neighbour.name}
        span = self.telemetry.begin(self.method.removeprefix("/"), SpanKind.CLIENT, current_traceparent(), attributes)
        began = time.perf_counter()
        status, reason = "CANCELLED", ""
        try:
            yield span.traceparent
            status = "OK"
        except Refusal as refusal:
            status, reason = refusal.kind.name, refusal.reason
            raise
        finally:
            span.end(status, {"reason": reason})
            if self.telemetry.enabled:
                self.telemetry.metrics.called(self.method, status, time.perf_counter() - began)


class UnaryCall:
    """Answers with one response; tries again on UNAVAILABLE alone (AIP-194), while the deadline allows."""

    def __init__(self, outcall: Outcall, attempts: int = _ATTEMPTS) -> None:
        self._outcall = outcall
        self._attempts = attempts

    async def __call__(self, request: Any, timeout: float | None = None, metadata: Metadata = ()) -> Any:  # noqa: ASYNC109 - the name that stubs have
        """Calls; `timeout` is the time for all attempts together, in seconds."""
        deadline = time.monotonic() + (self._outcall.deadline_seconds if timeout is None else timeout)
        with self._outcall.observed() as traceparent:
            for attempt in range(1, self._attempts + 1):
                remaining = max(deadline - time.monotonic(), 0.0)
                try:
                    async with asyncio.timeout(remaining):
                        await self._outcall.places.acquire()
                except TimeoutError:
                    raise self._outcall.busy() from None
                try:
                    remaining = max(deadline - time.monotonic(), 0.0)
                    return await self._outcall.begin(request, remaining, metadata, traceparent)
                except grpc.aio.AioRpcError as error:
                    pause = _pause(attempt)
                    last = attempt == self._attempts or time.monotonic() + pause >= deadline
                    if last or error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise self._outcall.refusal(error) from None
                finally:
                    self._outcall.places.release()
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt answers or refuses")


class StreamCall:
    """Answers with an iterator of responses; whoever iterates resumes where it broke off."""

    def __init__(self, outcall: Outcall) -> None:
        self._outcall = outcall

    async def __call__(
        self,
        request: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - the name that stubs have
        metadata: Metadata = (),
    ) -> AsyncIterator[Any]:
        """Calls; `timeout` is the time for the whole stream, in seconds."""
        seconds = self._outcall.deadline_seconds if timeout is None else timeout
        with self._outcall.observed() as traceparent:
            call = self._outcall.begin(request, seconds, metadata, traceparent)
            try:
                async for response in call:
                    yield response
            except grpc.aio.AioRpcError as error:
                raise self._outcall.refusal(error) from None
            finally:
                call.cancel()


def _pause(attempt: int) -> float:
    """Returns how long to wait after a failed attempt: twice as long each time, with a random half."""
    return _PAUSE_SECONDS * float(2 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - spread, not secrecy
