"""How fast changes get from a counter to the agency: the lag of each, and what a backlog drains at."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import asyncpg

from deploy.local.links import open_channel
from juki.municipal.v1 import register_service_pb2 as register_pb
from juki.municipal.v1 import register_service_pb2_grpc as register_grpc
from tools.bench.federation import AGENCY, MUNICIPAL, PREFECTURE, Federation
from tools.bench.figures import percentile
from tools.bench.plan import HOUSEHOLD, Plan
from tools.bench.synthetic import move_in

_JAPAN = timezone(timedelta(hours=9))
_ACT_SECONDS = 20.0
_COUNTERS = 8
"""Acts under way at once while a backlog is made."""
_POLL_S = 0.004
_FIRST_NUMBER = 10_000_000
"""Numbers of the people who move in; those of the agency's first records are smaller."""
_PATIENCE_S = 90.0

_APPLIED = "SELECT coalesce(max(position), 0) FROM public.identity_change"
_NEWLY_APPLIED = "SELECT position, resident_code FROM public.identity_change WHERE position > $1 ORDER BY position"
_RELAYED = "SELECT sequence FROM public.outbox_head"
_FREE_CODES = "SELECT count(*) FROM public.code_pool WHERE drawn_at IS NULL"
_LOG_SIZE = "SELECT size FROM public.audit_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """Lags of acts made at an even pace, in ms from the counter's answer to the change seen at the agency."""

    acts: int
    p50_ms: float
    p99_ms: float
    act_p50_ms: float
    """How long the counter waited for the act itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What became of the changes that queued while the agency was down."""

    events: int
    made_per_second: float
    """Events that the counters made a second, meanwhile applied and relayed by the prefecture."""
    drained_per_second: float
    """Events that the agency applied a second, from the first batch seen to the last."""
    resumed_seconds: float
    """From the agency's being up to the first batch: the sender's pause."""
    started_seconds: float
    """From the start of the agency's process until it said that it serves."""
    log_entries: int
    """Entries in the agency's log at that start, which it proves before it serves."""


class LagUnmeasured(Exception):  # noqa: N818 - says what is the case
    """A change did not arrive in time."""


class Counter:
    """The counter's terminal, and a look into the tables at the other end of the chain."""

    def __init__(
        self,
        federation: Federation,
        stub: register_grpc.RegisterServiceAsyncStub,
        agency: asyncpg.Connection[asyncpg.Record],
        prefecture: asyncpg.Connection[asyncpg.Record],
    ) -> None:
        self._federation = federation
        self._stub = stub
        self._agency = agency
        self._prefecture = prefecture
        self._numbers = itertools.count(_FIRST_NUMBER)
        self._day = datetime.now(_JAPAN).date() - timedelta(days=1)

    async def steady(self, plan: Plan) -> Steady:
        """Makes acts at an even pace and times each change's way."""
        applied: int = await self._agency.fetchval(_APPLIED)
        answered: dict[str, float] = {}
        took: list[float] = []
        watching = asyncio.create_task(self._watch(applied, plan.steady_acts))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(plan.steady_acts):
                    group.create_task(self._timed(answered, took))
                    await asyncio.sleep(plan.steady_interval)
            seen = await asyncio.wait_for(watching, _PATIENCE_S)
        except TimeoutError:
            raise LagUnmeasured("not every change came to the agency") from None
        finally:
            watching.cancel()
        lags = [max(0.0, seen[code] - at) for code, at in answered.items()]
        return Steady(
            acts=len(lags),
            p50_ms=percentile(lags, 0.5) * 1000,
            p99_ms=percentile(lags, 0.99) * 1000,
            act_p50_ms=percentile(took, 0.5) * 1000,
        )

    async def drain(self, plan: Plan) -> Drain:
        """Takes the agency down, queues changes, starts it, and times how they arrive."""
        events = plan.backlog // HOUSEHOLD * HOUSEHOLD
        before: int = await self._agency.fetchval(_APPLIED)
        relayed: int = await self._prefecture.fetchval(_RELAYED)
        await self._federation.stop_node(AGENCY)
        began = time.perf_counter()
        await self._make(events)
        await self._until(self._prefecture, _RELAYED, relayed + events)
        made = events / (time.perf_counter() - began)
        entries: int = await self._agency.fetchval(_LOG_SIZE)
        started = await self._federation.start_node(AGENCY)
        up = time.perf_counter()
        first = await self._until(self._agency, _APPLIED, before + 1)
        first_at = time.perf_counter()
        await self._until(self._agency, _APPLIED, before + events)
        rest = before + events - first
        return Drain(
            events=events,
            made_per_second=made,
            drained_per_second=rest / (time.perf_counter() - first_at) if rest else float("nan"),
            resumed_seconds=first_at - up,
            started_seconds=started,
            log_entries=entries,
        )

    async def _make(self, events: int) -> None:
        households = iter(range(events // HOUSEHOLD))

        async def work() -> None:
            for _ in households:
                await self._act(HOUSEHOLD)

        async with asyncio.TaskGroup() as group:
            for _ in range(_COUNTERS):
                group.create_task(work())

    async def _timed(self, answered: dict[str, float], took: list[float]) -> None:
        began = time.perf_counter()
        response = await self._act(1)
        at = time.perf_counter()
        took.append(at - began)
        answered[response.residents[0].resident_code] = at

    async def _act(self, people: int) -> register_pb.ReportMoveInResponse:
        numbers = list(itertools.islice(self._numbers, people))
        response: register_pb.ReportMoveInResponse = await self._stub.ReportMoveIn(
            move_in(numbers, self._day), timeout=_ACT_SECONDS
        )
        return response

    async def _watch(self, position: int, count: int) -> dict[str, float]:
        """Returns when each resident's change was first seen in the agency's tables."""
        seen: dict[str, float] = {}
        while len(seen) < count:
            rows = await self._agency.fetch(_NEWLY_APPLIED, position)
            now = time.perf_counter()
            for row in rows:
                position = row["position"]
                seen[row["resident_code"]] = now
            await asyncio.sleep(_POLL_S)
        return seen

    async def _until(self, connection: asyncpg.Connection[asyncpg.Record], query: str, wanted: int) -> int:
        """Returns the query's number as soon as it is `wanted` or more; raises LagUnmeasured."""
        deadline = time.perf_counter() + _PATIENCE_S
        while time.perf_counter() < deadline:
            found: int = await connection.fetchval(query)
            if found >= wanted:
                return found
            await asyncio.sleep(_POLL_S)
        raise LagUnmeasured(f"the count stands at {found} of {wanted}")


@asynccontextmanager
async def counter(federation: Federation) -> AsyncIterator[Counter]:
    """Opens the counter's terminal once its municipality has a pool of codes."""
    node = federation.topology.node(MUNICIPAL)
    municipality = await asyncpg.connect(federation.app_url(MUNICIPAL))
    try:
        await _filled(municipality)
    finally:
        await municipality.close()
    agency = await asyncpg.connect(federation.app_url(AGENCY))
    prefecture = await asyncpg.connect(federation.app_url(PREFECTURE))
    try:
        async with open_channel(federation.layout, federation.counter, node) as channel:
            stub: register_grpc.RegisterServiceAsyncStub = register_grpc.RegisterServiceStub(channel)
            yield Counter(federation, stub, agency, prefecture)
    finally:
        await agency.close()
        await prefecture.close()


async def _filled(municipality: asyncpg.Connection[asyncpg.Record]) -> None:
    deadline = time.perf_counter() + _PATIENCE_S
    while not await municipality.fetchval(_FREE_CODES):
        if time.perf_counter() > deadline:
            raise LagUnmeasured("the municipality got no codes")
        await asyncio.sleep(0.1)
