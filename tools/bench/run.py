"""The course of a run: everything measured once in each round, one thing after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.evidence import Evidence, collect, control, published
from tools.bench.federation import NODES, Federation
from tools.bench.figures import Rate
from tools.bench.floors import Floors, signatures
from tools.bench.load import Loader, loader
from tools.bench.plan import BATCH, IN_FLIGHT, Plan
from tools.bench.propagation import Counter, Drain, Steady, counter

PGBENCH_READ = 16
PGBENCH_DURABLE = (16, 128)
"""Clients of pgbench."""


@dataclass(slots=True)
class Found:
    """What the rounds came to, in order; keys are `<kind>/<in flight>`."""

    rates: dict[str, list[Rate]] = field(default_factory=dict)
    steady: list[Steady] = field(default_factory=list)
    drains: list[Drain] = field(default_factory=list)
    starts: dict[str, float] = field(default_factory=dict)
    """Seconds from the start of a node's process, its log empty, until it said that it serves."""
    memory_idle: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    """MiB by process, before and after the load."""
    publishing_seconds: float = 0.0
    """After the last answer, until the checkpoint covered the whole log."""
    sign_per_second: float = 0.0
    verify_per_second: float = 0.0
    evidence: Evidence | None = None

    def add(self, key: str, rate: Rate) -> None:
        """Adds one round's rate."""
        self.rates.setdefault(key, []).append(rate)

    @property
    def answers(self) -> dict[str, int]:
        """Answers that the client received in all, by kind, as the log names them."""
        received = {"look-ups": 0, "bulk look-ups": 0}
        for key, rates in self.rates.items():
            kind = {"confirm": "look-ups", "bulk": "bulk look-ups"}.get(key.partition("/")[0])
            if kind is not None:
                received[kind] += sum(rate.answers for rate in rates)
        return received


async def measure(federation: Federation, plan: Plan, scratch: Path, tell: Callable[[str], None]) -> Found:
    """Runs the whole plan on a federation that is not prepared yet; raises what the parts raise."""
    found = Found()
    tell(f"Preparing: keys, PostgreSQL, {plan.records:,} synthetic records")
    await federation.prepare(plan.records)
    floors = Floors(federation, plan.records, scratch)
    await floors.prepare()
    found.sign_per_second, found.verify_per_second = signatures(0.3)
    tell("Starting the agency, a prefecture, a municipality")
    for name in NODES:
        found.starts[name] = await federation.start_node(name)
    found.memory_idle = federation.memory()
    receipts = scratch / "receipts"
    receipts.write_bytes(b"")
    async with loader(federation, receipts) as load, counter(federation) as terminal:
        tell("Showing that a changed log would be found")
        await control(federation, scratch)
        for number in range(1, plan.rounds + 1):
            tell(f"Round {number} of {plan.rounds}")
            await _round(found, plan, load, floors, terminal)
    found.publishing_seconds = await published(federation)
    found.memory = federation.memory()
    tell("Checking that every answer is in the log")
    found.evidence = await collect(federation, found.answers, receipts)
    return found


async def _round(found: Found, plan: Plan, load: Loader, floors: Floors, terminal: Counter) -> None:
    for in_flight in IN_FLIGHT:
        timing = {"in_flight": in_flight, "seconds": plan.slot_seconds, "warm": plan.warm_seconds}
        confirm = await load.measure("confirm", plan.records, **timing)
        found.add(f"confirm/{in_flight}", confirm)
        # As large as the answers just received.
        echo = await load.measure("echo", plan.records, answer_bytes=confirm.answer_bytes, **timing)
        found.add(f"echo/{in_flight}", echo)
    found.add(f"pgbench -S/{PGBENCH_READ}", await floors.look_up(PGBENCH_READ, plan.slot_seconds))
    for clients in PGBENCH_DURABLE:
        found.add(f"pgbench durable/{clients}", await floors.durable(clients, plan.slot_seconds))
    found.add("bulk", await load.measure("bulk", plan.records, count=plan.bulk, batch=BATCH))
    found.add("bulk floor", await floors.bulk(plan.bulk))
    found.steady.append(await terminal.steady(plan))
    found.drains.append(await terminal.drain(plan))
