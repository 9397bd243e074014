"""A small tamper drill: everything is found, and the control shows that the drill could fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from tests.databases import DatabaseUrls, MakeDatabase
from tools.drill.kinds import KINDS
from tools.drill.run import Outcome, Tally, drill, prepare

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def urls(make_database: MakeDatabase) -> DatabaseUrls:
    urls = make_database("drill")

    async def make() -> None:
        owner = await asyncpg.connect(urls.owner)
        await prepare(owner, urls.app_role)
        await owner.close()

    asyncio.run(make())
    return urls


def test_sixty_edits_of_every_kind_are_found_and_the_control_misses_what_it_must(
    urls: DatabaseUrls, tmp_path: Path
) -> None:
    outcome = asyncio.run(drill(urls.owner, urls.app, tmp_path, 60, 3, seed=7))

    assert (outcome.edits, outcome.missed, outcome.false_alarms) == (60, 0, 0)
    assert len(outcome.kinds) == len(KINDS) >= 12
    assert outcome.kinds["rolled back, re-signed"].without == outcome.kinds["forked, re-signed"].without == 0
    assert outcome.passed


@pytest.mark.parametrize(
    ("name", "tally", "passed"),
    [
        ("forked, re-signed", Tally(2, 2, 0), True),
        ("forked, re-signed", Tally(2, 1, 0), False),
        ("forked, re-signed", Tally(2, 2, 1), False),
        ("entry edited", Tally(2, 2, 2), True),
        ("entry edited", Tally(2, 2, 1), False),
    ],
)
def test_a_drill_fails_when_something_is_missed_or_its_control_does_not_hold(
    name: str, tally: Tally, passed: bool
) -> None:
    assert Outcome(1, {name: tally}).passed is passed
    assert not Outcome(1, {name: tally}, clean=1, false_alarms=1).passed
