"""Who heads those who stay when others leave a household."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.municipal import refusals
from services.municipal.rules.record import HEAD, Change, Record, Stamp, follow
from services.municipal.rules.situation import Situation
from services.vocabulary.change import ChangeReason


def head_those_who_stay(
    situation: Situation, leavers: Sequence[Record], new_head: UUID | None, stamp: Stamp
) -> list[Change]:
    """Returns the change that makes a member the head where the head is among the leavers, or none.

    The only one who stays becomes head without being named (Act, art. 25: who that is leaves no doubt). Refuses
    HEAD_LEFT_BEHIND, NOT_A_MEMBER for a new head who does not stay, and HEAD_STAYS for one who is not needed.
    """
    changes: list[Change] = []
    for household in sorted({one.household for one in leavers}):
        stayers = [one for one in situation.members(household) if one not in leavers]
        if stayers and not stayers[0].is_head:
            changes.append(_promote(stayers, new_head, stamp))
    if new_head is not None and not changes:
        raise refusals.HeadStays("leave new_head out, or report a change of head as an act of its own")
    return changes


def _promote(stayers: list[Record], new_head: UUID | None, stamp: Stamp) -> Change:
    if new_head is None:
        if len(stayers) > 1:
            raise refusals.HeadLeftBehind("name in new_head who heads those who stay", staying=len(stayers))
        new_head = stayers[0].resident
    for one in stayers:
        if one.resident == new_head:
            return follow(one, ChangeReason.HEAD_CHANGE, stamp, relation=HEAD)
    raise refusals.NotAMember("name somebody who stays in the household")
