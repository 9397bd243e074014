"""Who leaves the register: by moving out, by death, by office."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.municipal.rules.days import check_event, check_since_entry
from services.municipal.rules.leaving import head_those_who_stay
from services.municipal.rules.record import Stamp, State, follow
from services.municipal.rules.situation import Decision, Situation, Target
from services.vocabulary.change import ChangeReason
from services.vocabulary.text import Address


def remove(
    situation: Situation,
    targets: Sequence[Target],
    reason: ChangeReason,
    stamp: Stamp,
    *,
    new_head: UUID | None = None,
    destination: Address | None = None,
) -> Decision:
    """Removes the targets' records, and gives those who stay a head.

    Refuses RESIDENT_NOT_FOUND, RECORD_CHANGED, RECORD_REMOVED, LISTED_TWICE, HEAD_LEFT_BEHIND, HEAD_STAYS,
    NOT_A_MEMBER, DATE_BEFORE_ENTRY and what is wrong with the dates.
    """
    leavers = situation.targets(targets)
    for leaver in leavers:
        check_event(reason, stamp.dates, leaver.attributes.birth_date)
        check_since_entry(leaver, stamp.dates.event_on)
    changes = [follow(one, reason, stamp, state=State.REMOVED, destination_address=destination) for one in leavers]
    changes += head_those_who_stay(situation, leavers, new_head, stamp)
    return situation.settle(changes, reason, stamp)
