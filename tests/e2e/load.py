"""A load at a counter that goes on while processes die, and the reckoning afterwards."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from juki.common.v1 import change_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1.resident_pb2 import Resident
from tests.counters import make_act, make_entrant, target
from tests.e2e.callers import PENSION, Callers, Counter, days_ago, persist
from tests.e2e.logs import broken_logs


class Load:
    """Moves people in, and every other on, as long as it is asked to; each request is repeated until it is answered."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self.address = f"見本市負荷町{uuid.uuid4().int % 10**9}番地"
        self.residents: dict[str, Resident] = {}
        """Everybody as the last answer has them, by resource name."""
        self.rows: dict[str, int] = {}
        """How many acts each had."""

    async def one(self) -> None:
        """Performs one move-in, and for every other person a relocation."""
        entering = self._counter.moving_in(make_entrant(), address=self.address)
        (resident,) = await persist(lambda: self._counter.act(entering))
        self._see(resident)
        if len(self.residents) % 2 == 0:
            moving = pb.ReportRelocationRequest(
                act=make_act(days_ago(2)), targets=[target(resident)], address=f"{self.address}の2"
            )
            (resident,) = await persist(lambda: self._counter.act(moving))
            self._see(resident)

    async def while_under_way(self, blow: Callable[[], Awaitable[None]]) -> None:
        """Keeps the load going before, during and for a while after a blow."""
        blown = asyncio.Event()

        async def work() -> None:
            while not blown.is_set():
                await self.one()

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(work())
            await asyncio.sleep(0.3)
            await blow()
            await asyncio.sleep(0.3)
            blown.set()

    async def settled(self, callers: Callers) -> None:
        """Checks, once everything is up again, that nothing is lost and nothing is there twice, at any tier."""
        await asyncio.to_thread(callers.federation.settle)
        found = await persist(lambda: self._counter.at(self.address))
        assert {one.name: one.resident_code for one in found} == {
            name: one.resident_code for name, one in self.residents.items()
        }
        assert {one.name: one.revision for one in found} == self.rows
        await callers.arrived(self._counter.code)
        await self._confirmed(callers)
        await asyncio.to_thread(self._logs_are_whole, callers)

    async def _confirmed(self, callers: Callers) -> None:
        pension, people = callers.body(PENSION), list(self.residents.values())
        outcomes = [await pension.outcome(one.resident_code, one.attributes) for one in people]
        assert outcomes == ["MATCH"] * len(people)
        entry, relocation = change_pb2.CHANGE_REASON_MOVE_IN, change_pb2.CHANGE_REASON_RELOCATION
        expected = [[entry, relocation][: self.rows[one.name]] for one in people]
        assert await pension.changes(*(one.resident_code for one in people)) == expected

    def _logs_are_whole(self, callers: Callers) -> None:
        assert broken_logs(callers.federation) == []

    def _see(self, resident: Resident) -> None:
        self.residents[resident.name] = resident
        self.rows[resident.name] = resident.revision
