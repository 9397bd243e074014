"""Whoever watches the readers misses nothing, however often the watch breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.card.following import Following, Seen
from services.card.readers.embedded import EmbeddedReaders
from services.card.readers.protocol import Change
from services.card.refusals import CursorMalformed
from services.card.softcard.card import SoftCard
from services.card.softcard.production import Production, produce
from tests.cards import NUMBER, key_set
from tests.doubles.card_storage import MemoryStorage

_READER = "Embedded 00"


def _card() -> SoftCard:
    storage = MemoryStorage()
    produce(storage, Production(NUMBER, key_set()))
    return SoftCard(storage)


@pytest.fixture
async def readers() -> AsyncIterator[EmbeddedReaders]:
    readers = EmbeddedReaders([_READER])
    yield readers
    await readers.close()


@pytest.fixture
async def following(readers: EmbeddedReaders) -> AsyncIterator[Following]:
    following = Following(readers)
    running = asyncio.create_task(following.run())
    async with aclosing(following.follow("")) as followed:
        async for seen in followed:
            if seen.event is not None:
                break
    yield following
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _take(following: Following, cursor: str, count: int) -> list[Seen]:
    async with asyncio.timeout(5), aclosing(following.follow(cursor)) as followed:
        return [await anext(followed) for _ in range(count)]


def _changes(seen: list[Seen]) -> list[Change | None]:
    return [each.event.change if each.event is not None else None for each in seen]


async def test_a_watch_begins_with_what_is_there(readers: EmbeddedReaders, following: Following) -> None:
    await readers.insert(_READER, _card())
    await _take(following, "", 3)

    seen = await _take(following, "", 3)

    assert _changes(seen) == [None, Change.READER_ADDED, Change.CARD_INSERTED]


async def test_a_watch_goes_on_behind_its_cursor(readers: EmbeddedReaders, following: Following) -> None:
    last = (await _take(following, "", 2))[-1].cursor
    await readers.insert(_READER, _card())
    await readers.remove(_READER)
    await readers.insert(_READER, _card())

    first = await _take(following, last, 1)
    rest = await _take(following, first[0].cursor, 2)

    assert _changes(first + rest) == [Change.CARD_INSERTED, Change.CARD_REMOVED, Change.CARD_INSERTED]


async def test_a_cursor_of_an_earlier_life_begins_again(following: Following) -> None:
    assert _changes(await _take(following, "00000000-1", 2)) == [None, Change.READER_ADDED]


async def test_who_was_away_too_long_begins_again(readers: EmbeddedReaders, following: Following) -> None:
    last = (await _take(following, "", 2))[-1].cursor
    card = _card()
    for _ in range(200):
        await readers.insert(_READER, card)
        await readers.remove(_READER)
    await asyncio.sleep(0.05)

    assert _changes(await _take(following, last, 2)) == [None, Change.READER_ADDED]


@pytest.mark.parametrize("cursor", ["x", "a-b", "-", "a--1", "a-" + "9" * 30])
async def test_what_is_no_cursor_is_refused(following: Following, cursor: str) -> None:
    with pytest.raises(CursorMalformed):
        await _take(following, cursor, 1)
