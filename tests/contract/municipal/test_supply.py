"""How the pool of resident codes is filled, and what a crash between two steps does to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from services.foundation.refusals import Kind, Refusal
from services.municipal.rules.pool import Allotment
from services.municipal.rules.record import follow
from services.municipal.rules.situation import Decision
from services.municipal.store.unit import Store
from services.municipal.supply import CodeSupply
from services.vocabulary.change import ChangeReason
from services.vocabulary.resident_code import ResidentCode
from tests.counters import Desk, fill_pool, make_codes, make_entrant, make_move_in

_EVERYTHING = 10**6
"""A pool is always low below this."""


class Away(Refusal):
    """The agency does not answer."""

    kind = Kind.UNREACHABLE
    reason = "AWAY"


@dataclass
class Agency:
    """Allots codes once for each request id; `lose` makes it lose so many answers after allotting."""

    lose: int = 0
    allotted: dict[UUID, list[ResidentCode]] = field(default_factory=dict)

    async def allot(self, allotment: Allotment) -> list[ResidentCode]:
        codes = self.allotted.setdefault(allotment.request_id, make_codes(allotment.count))
        if self.lose:
            self.lose -= 1
            raise Away("ask again")
        return codes


def make_supply(store: Store, agency: Agency, low: int = _EVERYTHING) -> CodeSupply:
    return CodeSupply(store, agency, low=low, batch=7, seconds=0.01)


async def free(store: Store) -> int:
    async with store.begin() as unit:
        return (await unit.codes.counts()).free


async def test_a_low_pool_is_filled_by_a_batch(store: Store) -> None:
    before = await free(store)

    added = await make_supply(store, Agency()).top_up()

    assert added == 7
    assert await free(store) == before + 7


async def test_a_pool_that_is_not_low_is_left_alone(store: Store) -> None:
    agency = Agency()

    assert await make_supply(store, agency, low=1).top_up() == 0
    assert not agency.allotted


async def test_the_supply_goes_on_when_the_agency_was_away(store: Store) -> None:
    agency = Agency(lose=2)
    before = await free(store)
    supply = make_supply(store, agency, low=before + 1)

    running = asyncio.create_task(supply.run())
    for _ in range(200):
        await asyncio.sleep(0.01)
        if await free(store) > before:
            break
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert await free(store) == before + 7
    assert len(agency.allotted) == 1


async def test_a_lost_answer_loses_no_codes(store: Store) -> None:
    agency = Agency(lose=1)
    before = await free(store)
    with pytest.raises(Away):
        await make_supply(store, agency).top_up()

    await make_supply(store, agency).top_up()

    (codes,) = agency.allotted.values()
    async with store.begin() as unit:
        assert set(await unit.codes.unissued(codes)) == set(codes)
    assert await free(store) == before + 7


async def test_undrawn_codes_are_counted_up_to_what_is_asked(store: Store) -> None:
    everything = await free(store)

    async with store.begin() as unit:
        assert await unit.codes.free(3) == min(3, everything)
        assert await unit.codes.free(everything + 10) == everything


async def test_codes_received_twice_are_in_the_pool_once(store: Store) -> None:
    agency = Agency()
    await make_supply(store, agency).top_up()
    (request_id,) = agency.allotted
    before = await free(store)

    async with store.begin() as unit:
        await unit.codes.receive(Allotment(request_id, 7), agency.allotted[request_id])

    assert await free(store) == before


async def test_a_drawn_code_is_not_drawn_again_when_it_is_received_again(desk: Desk) -> None:
    agency = Agency()
    await make_supply(desk.store, agency).top_up()
    async with desk.store.begin() as unit:
        drawn = set(await unit.codes.draw((await unit.codes.counts()).free, desk.clock.now()))
    (request_id,) = agency.allotted
    assert set(agency.allotted[request_id]) <= drawn

    async with desk.store.begin() as unit:
        await unit.codes.receive(Allotment(request_id, 7), agency.allotted[request_id])

    assert await free(desk.store) == 0


async def test_a_code_that_a_resident_has_is_not_drawn_when_it_is_allotted_here_later(desk: Desk) -> None:
    (brought, other) = make_codes(2)
    await desk.move_in(make_entrant(resident_code=brought.digits))
    async with desk.store.begin() as unit:
        await unit.codes.draw((await unit.codes.counts()).free, desk.clock.now())

    await fill_pool(desk.store, [brought, other])

    assert await free(desk.store) == 1
    answer = await desk.bring(make_move_in())
    assert answer.residents[0].resident_code == other.digits


async def test_a_code_brought_along_while_its_allotment_arrives_poisons_no_pool(desk: Desk) -> None:
    (brought,) = make_codes(1)
    (resident,) = await desk.move_in()
    async with desk.store.begin() as unit:
        await unit.codes.draw((await unit.codes.counts()).free, desk.clock.now())
    await fill_pool(desk.store, [brought])
    async with desk.store.begin() as unit:
        record = await unit.residents.find(UUID(resident.name.removeprefix("residents/")))
        assert record is not None
        change = follow(record, ChangeReason.CODE_CHANGE_REQUESTED, record.stamp, code=brought)
        await unit.residents.write(Decision([change], []))

    assert await free(desk.store) == 0
    assert await desk.refusal(make_move_in()) == "CODE_POOL_EMPTY"
