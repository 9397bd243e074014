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

_log = logging.getLogger(__name__)


class Agency(Protocol):
    """Whoever allots resident codes."""

    async def allot(self, allotment: Allotment) -> list[ResidentCode]:
        """Returns codes that nobody else has; the same ones under the same request id."""
        ...


class CodeSupply:
    """Asks the agency for `batch` codes whenever fewer than `low` are left."""

    def __init__(self, store: Store, agency: Agency, *, low: int, batch: int, seconds: float) -> None:
        self._store = store
        self._agency = agency
        self._low = low
        self._batch = batch
        self._seconds = seconds

    async def run(self) -> None:
        """Keeps the pool filled until cancelled; what fails is tried again."""
        while True:
            try:
                await self.top_up()
            except Refusal as refusal:
                _log.warning("code_pool.top_up_refused", extra={"reason": refusal.reason})
            except Exception as error:
                # A bug must not end the task: counters would go on until no code is left, and nobody would know why.
                _log.error("code_pool.top_up_failed", exc_info=error)
            await asyncio.sleep(self._seconds)

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
            open_one = await unit.codes.open_allotment()
            if open_one is not None:
                return open_one
            counts = await unit.codes.counts()
            if counts.free >= self._low:
                return None
            if counts.drawn:
                _log.warning("code_pool.low", extra={"free": counts.free, "low": self._low})
            allotment = Allotment(uuid4(), self._batch)
            await unit.codes.ask(allotment)
        return allotment
