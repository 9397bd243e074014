"""Registers synthetic residents as a counter's terminal would: over mutual TLS, one move-in a household."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import grpc
import grpc.aio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from deploy.local.layout import Layout
from deploy.local.links import open_channel
from deploy.local.refusals import NodeUnreachable
from deploy.local.residents import Arrival, arrivals
from deploy.local.topology import Node, Topology
from deploy.local.wire import move_in_request
from juki.municipal.v1 import register_service_pb2_grpc as register_grpc
from services.foundation.identity import Tier
from services.foundation.refusals import Refusal
from services.foundation.rpc.status import refusal_of

JAPAN = timezone(timedelta(hours=9))
_CALL_S = 20.0
_PATIENCE_S = 60.0
"""How long a counter waits for a code pool to be filled, or for a node that was killed to come back."""
_PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to load: `count` residents a municipality, from one seed, as of one day.

    The day stays the same for the life of a run's state, because it is part of each request: so a load that was
    broken off, or is asked for again, sends the same requests and the registers answer as they did the first time.
    """

    seed: int
    anchor: date
    count: int
    loaded: int = 0
    """How many a municipality are known to be registered."""

    def of(self, node: Node) -> Iterator[Arrival]:
        """Yields the households of a municipality."""
        return arrivals(node.identity.code, node.title, self.count, self.seed, self.anchor)


def plan(layout: Layout, count: int, seed: int = 2002) -> Load:
    """Returns the load of this run's state, larger if more residents are wanted now, and remembers it."""
    remembered = _remembered(layout.residents)
    load = Load(
        seed=remembered.seed if remembered else seed,
        anchor=remembered.anchor if remembered else datetime.now(JAPAN).date(),
        count=max(count, remembered.count if remembered else 0),
        loaded=remembered.loaded if remembered else 0,
    )
    remember(layout, load)
    return load


def remember(layout: Layout, load: Load) -> None:
    """Writes down what is being loaded, and how much of it is known to be registered; nobody's name."""
    content = {**asdict(load), "anchor": load.anchor.isoformat(), "synthetic": True}
    layout.residents.write_text(json.dumps(content), encoding="utf-8")


async def load_all(layout: Layout, topology: Topology, load: Load, console: Console, concurrency: int = 32) -> float:
    """Registers the whole load at every municipality at once; returns residents a second."""
    began, municipalities = time.monotonic(), topology.of_tier(Tier.MUNICIPAL)
    text, rate = TextColumn("  {task.description}"), TextColumn("{task.fields[rate]}")
    with Progress(text, BarColumn(24), MofNCompleteColumn(), rate, TimeElapsedColumn(), console=console) as progress:
        async with asyncio.TaskGroup() as group:
            for node in municipalities:
                bar = progress.add_task(node.title, total=load.count, rate="")
                share = max(1, concurrency // len(municipalities))
                group.create_task(_load_one(layout, topology, node, load, _Bar(progress, bar, began), share))
    return load.count * len(municipalities) / (time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class _Bar:
    progress: Progress
    task: TaskID
    began: float

    def advance(self, people: int) -> None:
        """Shows that so many more are registered, and how many a second that makes."""
        self.progress.advance(self.task, people)
        done = self.progress.tasks[self.task].completed
        self.progress.update(self.task, rate=f"{done / (time.monotonic() - self.began):,.0f} residents/s")


async def _load_one(layout: Layout, topology: Topology, node: Node, load: Load, bar: _Bar, concurrency: int) -> None:
    """Registers one municipality's share; its workers take the next household as they are free."""
    households = load.of(node)
    async with open_channel(layout, topology.counter_of(node), node) as channel, asyncio.TaskGroup() as group:
        stub = register_grpc.RegisterServiceStub(channel)

        async def work() -> None:
            for arrival in households:
                await _move_in(stub, arrival)
                bar.advance(len(arrival.people))

        for _ in range(concurrency):
            group.create_task(work())


async def _move_in(stub: register_grpc.RegisterServiceAsyncStub, arrival: Arrival) -> None:
    """Registers a household; waits out what passes; a household that is there already is left as it is."""
    deadline, delay = time.monotonic() + _PATIENCE_S, 0.1
    while True:
        try:
            await stub.ReportMoveIn(move_in_request(arrival), timeout=_CALL_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.ALREADY_EXISTS:
                return
            if error.code() not in _PASSING or time.monotonic() > deadline:
                raise told(error) from error
        else:
            return
        await asyncio.sleep(delay)
        delay = min(delay * 2, 2.0)


def told(error: grpc.aio.AioRpcError) -> Refusal:
    """Returns a failed call as the refusal that the node meant; one that carries none is told as unreachable."""
    return refusal_of(error) or NodeUnreachable("see `make status` and the node's log", code=error.code().name)


def _remembered(path: Path) -> Load | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        anchor = date.fromisoformat(content["anchor"])
        return Load(seed=content["seed"], anchor=anchor, count=content["count"], loaded=content["loaded"])
    except (FileNotFoundError, ValueError, KeyError):
        return None
