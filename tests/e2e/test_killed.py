"""Whatever is killed, and whenever: nothing is lost, nothing is there twice, and every log is whole."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.callers import Callers
from tests.e2e.federation import AGENCY, CHIYODA, TOKYO
from tests.e2e.load import Load

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("victim", [f"municipal/{CHIYODA}", TOKYO, AGENCY, "postgres"])
async def test_a_process_killed_in_the_middle_of_a_load_loses_and_doubles_nothing(
    callers: Callers, victim: str
) -> None:
    load = Load(callers.counter(CHIYODA))
    before = callers.federation.processes[victim].restarts

    async def blow() -> None:
        await asyncio.to_thread(callers.federation.kill, victim)

    await load.while_under_way(blow)
    await load.settled(callers)

    assert callers.federation.processes[victim].restarts == before + 1
    assert len(load.residents) > 2


@pytest.mark.parametrize("neighbour", [TOKYO, AGENCY])
async def test_a_neighbour_that_is_away_for_the_whole_load_gets_all_of_it_later(
    callers: Callers, neighbour: str
) -> None:
    load = Load(callers.counter(CHIYODA))

    with callers.federation.away(neighbour):
        for _ in range(12):
            await load.one()

    await load.settled(callers)
    assert len(load.residents) == 12


async def test_everything_killed_one_after_the_other_in_one_load_loses_and_doubles_nothing(callers: Callers) -> None:
    load = Load(callers.counter(CHIYODA))
    victims = [AGENCY, "postgres", TOKYO, f"municipal/{CHIYODA}"]

    async def blow() -> None:
        for victim in victims:
            await asyncio.to_thread(callers.federation.kill, victim)
            await asyncio.sleep(0.4)

    await load.while_under_way(blow)
    await load.settled(callers)

    assert len(load.residents) > 2
