"""Runs the tamper drill: harms a real log many times in many ways, and looks each time with and without the quorum."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from services.foundation.audit.table import create_audit
from services.foundation.witness.table import create_witnessing
from tools.audit_fsck import Demand, Unusable, check_log
from tools.drill.kinds import KINDS, Kind
from tools.drill.scene import FRESH, Scene

SIZES = (200, 256, 600)
"""Sizes at which the log is published."""


@dataclass
class Tally:
    """How often a kind was done, found with the quorum, and found without."""

    done: int = 0
    with_quorum: int = 0
    without: int = 0


@dataclass
class Outcome:
    """What a drill found."""

    seed: int
    kinds: dict[str, Tally] = field(default_factory=dict)
    clean: int = 0
    false_alarms: int = 0
    seconds: float = 0.0

    @property
    def edits(self) -> int:
        """How many edits were made."""
        return sum(tally.done for tally in self.kinds.values())

    @property
    def missed(self) -> int:
        """How many the quorum did not let be found."""
        return sum(tally.done - tally.with_quorum for tally in self.kinds.values())

    @property
    def control_holds(self) -> bool:
        """Whether, without the quorum, exactly what only the quorum can find was missed."""
        return all(
            self.kinds[kind.name].without == (0 if kind.quorum else self.kinds[kind.name].done)
            for kind in KINDS
            if kind.name in self.kinds
        )

    @property
    def passed(self) -> bool:
        """Whether everything was found, nothing was found in clean logs, and the control holds."""
        return self.edits > 0 and self.missed == 0 and self.false_alarms == 0 and self.control_holds


async def prepare(owner: asyncpg.Connection[asyncpg.Record], app_role: str) -> None:
    """Makes the log's tables in an empty database."""
    statements: list[str] = []
    create_audit(statements.append, app_role)
    create_witnessing(statements.append, app_role)
    for statement in statements:
        await owner.execute(statement)


async def drill(owner_url: str, app_url: str, directory: Path, edits: int, clean: int, seed: int) -> Outcome:
    """Makes `edits` edits of all kinds, in turn, and looks at the honest log `clean` times."""
    rng, outcome, began = random.Random(seed), Outcome(seed), time.monotonic()  # noqa: S311 - to be repeatable
    owner = await asyncpg.connect(owner_url)
    try:
        scene = Scene(owner, app_url, directory)
        async with asyncpg.create_pool(app_url, min_size=1, max_size=2) as pool:
            await scene.grow(pool, SIZES)
        # What the owner of the tables does who switches the guards off.
        await owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        for number in range(edits):
            await _one(scene, KINDS[number % len(KINDS)], rng, outcome)
        for _ in range(clean):
            scene.fresh_copy()
            outcome.clean += 1
            outcome.false_alarms += await _is_found(scene, quorum=True, table=True)
    finally:
        await owner.close()
    outcome.seconds = time.monotonic() - began
    return outcome


async def _one(scene: Scene, kind: Kind, rng: random.Random, outcome: Outcome) -> None:
    if kind.table:
        scene.fresh_copy()
    await kind.harm(scene, rng)
    tally = outcome.kinds.setdefault(kind.name, Tally())
    tally.done += 1
    tally.with_quorum += await _is_found(scene, quorum=True, table=kind.table)
    tally.without += await _is_found(scene, quorum=False, table=kind.table)
    if kind.table:
        await _mend(scene)


async def _is_found(scene: Scene, *, quorum: bool, table: bool) -> bool:
    database = scene.url if table else None
    if quorum:
        policy = scene.policy
        demand = Demand([*policy.logs, *policy.keys], policy, FRESH, await scene.held(), database)
    else:
        demand = Demand([scene.keys.log.verifier], database=database)
    try:
        report, _ = await check_log(scene.copy, demand)
    except Unusable:
        return True
    return bool(report.wrong)


async def _mend(scene: Scene) -> None:
    rows: Sequence[tuple[int, bytes]] = list(enumerate(scene.entries))
    await scene.owner.execute("DELETE FROM audit_entry")
    await scene.owner.executemany("INSERT INTO audit_entry (seq, body) VALUES ($1, $2)", rows)
