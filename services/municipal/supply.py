"""How the pool of resident codes is kept filled from the agency's."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol
from uuid import uuid4

from services.foundation.refusals import Refusal
from services.municipal.rules.pool import Allotment
from services.municipal.store.unit import Store
from services.vocabulary.resident_code import ResidentCode

_LONGEST_PAUSE_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Agency(Protocol):
    """Whoever allots resident codes."""

    async def allot(self, allotment: Allotment) -> list[ResidentCode]:
        """Returns codes that nobody else has; the same ones under the same request id."""
        ...


class CodeSupply:
    """Asks the agency for `batch` codes whenever fewer than `low` are left, which it looks at every so many seconds."""

    def __init__(self, store: Store, agency: Agency, *, low: int, batch: int, seconds: float) -> None:
        self.free = 0
        """Undrawn codes when they were last counted; `low` stands for that many or more."""
        self._store = store
        self._agency = agency
        self._low = low
        self._batch = batch
        self._seconds = seconds

    async def run(self) -> None:
        """Keeps the pool filled until cancelled; what fails is tried again, after pauses that double."""
        pause = self._seconds
        while True:
            try:
                added = await self.top_up()
                pause = 0.0 if added else self._seconds
            except Refusal as refusal:
                pause = self._later(pause)
                _log.warning("code_pool.top_up_refused", extra={"reason": refusal.reason, "free": self.free})
            except Exception as error:
                # A bug must not end the task: counters would go on until no code is left, and nobody would know why.
                pause = self._later(pause)
                _log.error("code_pool.top_up_failed", exc_info=error)
            await asyncio.sleep(pause)

    async def top_up(self) -> int:
        """Fills the pool if it is low, and returns how many codes were added.

        The request id is durable before the agency is asked. So if the process dies before the answer is stored, the
        next one asks again under the same id, and the agency's codes for it are not lost.
        """
        allotment = await self._next_allotment()
        if allotment is None:
            return 0
        codes = await self._agency.allot(allotment)
        async with self._store.begin() as unit:
            await unit.codes.receive(allotment, codes)
        _log.info("code_pool.topped_up", extra={"count": len(codes)})
        return len(codes)

    async def _next_allotment(self) -> Allotment | None:
        async with self._store.begin() as unit:
            self.free = await unit.codes.free(self._low)
            if (open_one := await unit.codes.open_allotment()) is not None:
                return open_one
            if self.free >= self._low:
                return None
            allotment = Allotment(uuid4(), self._batch)
            await unit.codes.ask(allotment)
        _log.warning("code_pool.low", extra={"free": self.free, "low": self._low})
        return allotment

    def _later(self, pause: float) -> float:
        return min(max(pause, self._seconds) * 2, max(_LONGEST_PAUSE_SECONDS, self._seconds))
