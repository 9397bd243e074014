"""Group commit under load, failure, cancellation and shutdown."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.foundation.batching import Batcher
from services.foundation.refusals import Refusal


class Flush:
    """A flush that squares numbers, fails for batches with a negative one, and remembers what it saw."""

    def __init__(self, turns: int = 1) -> None:
        self.turns = turns
        self.batches: list[list[int]] = []
        self.running = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            for _ in range(self.turns):
                await asyncio.sleep(0)
            if min(items) < 0:
                raise ConnectionError("lost")
            return [item * item for item in items]
        finally:
            self.running -= 1


@settings(max_examples=50)
@given(st.lists(st.integers(-3, 1000), max_size=300), st.integers(1, 4), st.integers(1, 50), st.integers(0, 3))
async def test_every_item_is_flushed_once_and_gets_its_own_answer(
    items: list[int], lanes: int, limit: int, turns: int
) -> None:
    flush = Flush(turns)
    batcher = Batcher(flush, lanes=lanes, limit=limit)

    answers = await asyncio.gather(*(batcher.submit(item) for item in items), return_exceptions=True)
    await batcher.close()

    failed = [item for batch in flush.batches if min(batch) < 0 for item in batch]
    assert sorted(item for batch in flush.batches for item in batch) == sorted(items)
    assert all(0 < len(batch) <= limit for batch in flush.batches)
    assert flush.most <= lanes
    assert sum(isinstance(answer, ConnectionError) for answer in answers) == len(failed)
    assert all(answer == item * item for item, answer in zip(items, answers, strict=True) if isinstance(answer, int))


async def test_a_lone_item_does_not_wait_for_company() -> None:
    flush = Flush()
    batcher = Batcher(flush, lanes=1, limit=10)

    assert await batcher.submit(3) == 9
    assert flush.batches == [[3]]


async def test_what_arrives_while_the_lane_is_busy_goes_out_together() -> None:
    flush = Flush()
    flush.gate.clear()
    batcher = Batcher(flush, lanes=1, limit=10)

    first = asyncio.create_task(batcher.submit(1))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(batcher.submit(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0.01)
    flush.gate.set()

    assert await asyncio.gather(first, *others) == [1, 4, 9, 16]
    assert flush.batches == [[1], [2, 3, 4]]


async def test_a_failing_flush_fails_its_items_and_no_others() -> None:
    flush = Flush()
    flush.gate.clear()
    batcher = Batcher(flush, lanes=1, limit=10)
    first = asyncio.create_task(batcher.submit(-1))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(batcher.submit(2))
    await asyncio.sleep(0.01)
    flush.gate.set()

    with pytest.raises(ConnectionError):
        await first
    assert await second == 4


async def test_an_item_whose_caller_left_is_not_flushed() -> None:
    flush = Flush()
    flush.gate.clear()
    batcher = Batcher(flush, lanes=1, limit=10)
    first, second, third = (asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = asyncio.create_task(batcher.submit(4))
    await asyncio.sleep(0)
    for task in (second, late):
        task.cancel()
    flush.gate.set()

    assert await first == 1
    assert await third == 9
    await batcher.close()
    assert flush.batches == [[1, 2, 3]]


async def test_a_caller_who_leaves_a_failing_batch_disturbs_nobody() -> None:
    flush = Flush()
    flush.gate.clear()
    batcher = Batcher(flush, lanes=1, limit=10)
    stays, leaves = (asyncio.create_task(batcher.submit(item)) for item in (-1, 2))
    await asyncio.sleep(0.01)
    leaves.cancel()
    flush.gate.set()

    with pytest.raises(ConnectionError):
        await stays
    assert leaves.cancelled()


async def test_a_flush_that_answers_too_few_fails_its_items() -> None:
    async def short(items: list[int]) -> list[int]:
        return items[1:]

    batcher = Batcher(short, lanes=1, limit=10)

    with pytest.raises(ValueError, match="shorter"):
        await asyncio.wait_for(batcher.submit(1), 1)


async def test_a_cancelled_flush_cancels_its_items() -> None:
    async def cancelled(items: list[int]) -> list[int]:
        raise asyncio.CancelledError

    batcher = Batcher(cancelled, lanes=1, limit=10)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(batcher.submit(1), 1)


async def test_closing_answers_what_was_submitted_and_refuses_the_rest() -> None:
    flush = Flush(turns=5)
    batcher = Batcher(flush, lanes=2, limit=3)
    tasks = [asyncio.create_task(batcher.submit(item)) for item in range(20)]
    await asyncio.sleep(0)

    await batcher.close()

    assert await asyncio.gather(*tasks) == [item * item for item in range(20)]
    with pytest.raises(Refusal) as refused:
        await batcher.submit(1)
    assert refused.value.reason == "SHUTTING_DOWN"


@pytest.mark.parametrize(("lanes", "limit"), [(0, 1), (1, 0)])
def test_a_batcher_without_lanes_or_room_is_not_made(lanes: int, limit: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Batcher(Flush(), lanes=lanes, limit=limit)


async def test_a_busy_lane_lets_items_gather_before_it_goes_on() -> None:
    flush = Flush()
    batcher = Batcher(flush, lanes=1, limit=10, pause=0.01)
    flush.gate.clear()
    first = asyncio.create_task(batcher.submit(1))
    await asyncio.sleep(0)
    second = asyncio.create_task(batcher.submit(2))
    await asyncio.sleep(0)

    flush.gate.set()
    await first
    third = asyncio.create_task(batcher.submit(3))
    await asyncio.gather(second, third)

    assert flush.batches == [[1], [2, 3]]
