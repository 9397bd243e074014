"""What happened to a reader follows from two looks at it."""

from __future__ import annotations

import pytest

from services.card.readers.events import changes
from services.card.readers.protocol import Change, Presence, Reader

EMPTY, FULL, MUTE = (Reader("r", presence) for presence in Presence)
ADDED, REMOVED = Change.READER_ADDED, Change.READER_REMOVED
IN, OUT = Change.CARD_INSERTED, Change.CARD_REMOVED


@pytest.mark.parametrize(
    ("before", "after", "exchanged", "told"),
    [
        (None, EMPTY, False, [ADDED]),
        (None, FULL, False, [ADDED, IN]),
        (EMPTY, MUTE, False, [IN]),
        (FULL, EMPTY, False, [OUT]),
        (FULL, None, False, [OUT, REMOVED]),
        (EMPTY, None, False, [REMOVED]),
        (FULL, FULL, False, []),
        (FULL, FULL, True, [OUT, IN]),
        (EMPTY, EMPTY, True, []),
        (EMPTY, FULL, True, [IN]),
        (FULL, EMPTY, True, [OUT]),
    ],
)
def test_each_change_is_told_once_and_in_order(
    before: Reader | None, after: Reader | None, exchanged: bool, told: list[Change]
) -> None:
    assert [event.change for event in changes(before, after, exchanged=exchanged)] == told
