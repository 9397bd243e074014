"""Software cards on the shelf and in the embedded readers of a node."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.card.readers.embedded import EmbeddedReaders
from services.card.readers.protocol import Presence
from services.card.shelf import Hand, Shelf, reader_name
from services.foundation.refusals import Refusal
from tests.cards import NUMBER, key_set

_NAME = NUMBER.hex().upper()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "cards")
    shelf.prepare()
    return shelf


@pytest.fixture
async def readers(shelf: Shelf) -> AsyncIterator[EmbeddedReaders]:
    readers = EmbeddedReaders([reader_name(0), reader_name(1)])
    hand = asyncio.create_task(Hand(shelf, readers, 2).run())
    yield readers
    hand.cancel()
    await asyncio.gather(hand, return_exceptions=True)


async def _presence(readers: EmbeddedReaders, slot: int, wanted: Presence) -> None:
    async with asyncio.timeout(5):
        while (await readers.list())[slot].presence is not wanted:  # noqa: ASYNC110 - the slot is seen by looking
            await asyncio.sleep(0.02)


def _reason(refused: pytest.ExceptionInfo[Refusal]) -> str:
    return refused.value.reason


async def test_a_card_put_into_a_slot_is_in_the_reader_until_it_is_taken_out(
    shelf: Shelf, readers: EmbeddedReaders
) -> None:
    shelf.make_blank(NUMBER, key_set())
    shelf.insert(1, _NAME)
    await _presence(readers, 1, Presence.PRESENT)
    assert (await readers.list())[0].presence is Presence.EMPTY

    shelf.remove(1)
    await _presence(readers, 1, Presence.EMPTY)
    shelf.insert(0, _NAME)
    await _presence(readers, 0, Presence.PRESENT)


async def test_a_card_that_is_damaged_is_in_no_reader(shelf: Shelf, readers: EmbeddedReaders, tmp_path: Path) -> None:
    shelf.make_blank(NUMBER, key_set())
    (tmp_path / "cards" / "cards" / f"{_NAME}.card").write_bytes(b"torn")
    shelf.insert(0, _NAME)
    await asyncio.sleep(0.5)

    assert (await readers.list())[0].presence is Presence.EMPTY


def test_the_shelf_is_private(shelf: Shelf, tmp_path: Path) -> None:
    shelf.make_blank(NUMBER, key_set())

    for path in (tmp_path / "cards").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_what_the_hand_cannot_do_is_refused(shelf: Shelf) -> None:
    shelf.make_blank(NUMBER, key_set())
    shelf.insert(0, _NAME)
    with pytest.raises(Refusal) as twice_made:
        shelf.make_blank(NUMBER, key_set())
    with pytest.raises(Refusal) as occupied:
        shelf.insert(0, _NAME)
    with pytest.raises(Refusal) as unknown:
        shelf.insert(1, "00" * 10)
    with pytest.raises(Refusal) as empty:
        shelf.remove(1)

    reasons = [_reason(each) for each in (twice_made, occupied, unknown, empty)]
    assert reasons == ["CARD_PRESENT", "CARD_PRESENT", "CARD_UNKNOWN", "CARD_ABSENT"]
    assert shelf.numbers() == [_NAME]


def test_a_slot_holds_a_number_and_nothing_else(shelf: Shelf, tmp_path: Path) -> None:
    for content in ("../../secret", "ab" * 10, "", "x" * 100):
        (tmp_path / "cards" / "slots" / "0").write_text(content, "ascii")
        assert shelf.inserted(0) == ""
