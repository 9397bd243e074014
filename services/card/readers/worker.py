"""A thread for blocking calls on one card; unlike a pool's it may hang without keeping the process from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Runs calls one after the other in a daemon thread: a driver that never returns must not stop a shutdown."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def call(self, work: Callable[[], T], seconds: float) -> T:
        """Runs `work` after what is queued and returns what it returns; raises TimeoutError after `seconds`."""
        return await asyncio.wait_for(asyncio.wrap_future(self._submit(work)), seconds)

    def finish(self, last: Callable[[], object]) -> None:
        """Runs `last` after what is queued, waits for nothing, and ends the thread."""
        self._submit(last)
        self._calls.put(None)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        self._calls.put(run)
        return future

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
