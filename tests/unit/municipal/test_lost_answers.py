"""What happens when a transaction fails at its commit, or succeeds and nobody is told."""

from __future__ import annotations

import pytest

from services.municipal.refusals import RecordChanged
from tests.contract.municipal.test_removals import make_death
from tests.counters import fill_pool, make_codes, make_move_in
from tests.desks import memory_desk
from tests.doubles.municipal import Fault, MemoryStore


@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_answer_is_not_a_second_act(applied: bool) -> None:
    async with memory_desk() as desk:
        await fill_pool(desk.store, make_codes(2))
        assert isinstance(desk.store, MemoryStore)
        request = make_move_in()
        desk.store.fault = Fault(ConnectionError(), applied=applied)
        with pytest.raises(ConnectionError):
            await desk.bring(request)

        (resident,) = (await desk.bring(request)).residents

        assert await desk.history(resident) == [resident]
        assert len(await desk.sent()) == 1


async def test_an_act_that_loses_its_race_leaves_nothing() -> None:
    async with memory_desk() as desk:
        await fill_pool(desk.store, make_codes(2))
        assert isinstance(desk.store, MemoryStore)
        (resident,) = await desk.move_in()
        before = await desk.count_rows()
        desk.store.fault = Fault(RecordChanged("read the record again"), applied=False)

        with pytest.raises(RecordChanged):
            await desk.bring(make_death(resident))

        assert await desk.count_rows() == before
