"""Group commit: what arrives while the lanes are busy goes out together when one is free."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from services.foundation.refusals import Kind, Refusal

T = TypeVar("T")
R = TypeVar("R")


class ShuttingDown(Refusal):
    """The node is shutting down and takes no more work."""

    kind = Kind.UNREACHABLE
    reason = "SHUTTING_DOWN"


class Batcher(Generic[T, R]):
    """Collects items and flushes them in batches of at most `limit`, with at most `lanes` flushes at a time.

    A lone item leaves at once, and batches grow with the load by themselves: a lane that finds more waiting after a
    flush first pauses for `pause` seconds, so that one commit serves what arrives meanwhile instead of the first few.
    `flush` answers one result for each item, in order; when it raises, its items fail with that error and no others.
    Give each lane a database connection of its own.
    """

    def __init__(
        self, flush: Callable[[list[T]], Awaitable[list[R]]], *, lanes: int, limit: int, pause: float = 0.0
    ) -> None:
        if lanes < 1 or limit < 1:
            raise ValueError("a batcher needs at least one lane and batches of at least one item")
        self._flush = flush
        self._free = lanes
        self._limit = limit
        self._pause = pause
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._closed = False

    async def submit(self, item: T) -> R:
        """Returns the result for `item`; raises what its flush raised; refuses SHUTTING_DOWN after `close`.

        A caller that is cancelled before its batch leaves takes its item back; afterwards the flush goes on.
        """
        if self._closed:
            raise ShuttingDown("ask again: the node will be back, or another one will answer")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._free:
            self._free -= 1
            lane = asyncio.create_task(self._run())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await future

    async def close(self) -> None:
        """Takes no more items and returns when those already submitted have been answered."""
        self._closed = True
        await asyncio.gather(*self._lanes)

    async def _run(self) -> None:
        """Flushes until nothing waits, then frees the lane."""
        try:
            while batch := self._take():
                await self._answer(batch)
                if self._pause and 0 < len(self._waiting) < self._limit:
                    await asyncio.sleep(self._pause)
        finally:
            self._free += 1

    def _take(self) -> list[tuple[T, asyncio.Future[R]]]:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(batch) < self._limit:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        return batch

    async def _answer(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
            answers = list(zip(batch, results, strict=True))
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in answers:
            if not future.done():
                future.set_result(result)
