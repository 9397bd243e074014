"""Which dates a notification may carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.vocabulary.change import ChangeReason, effect_of
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.malformed import Malformed

_AFTER_THE_EVENT = frozenset({
    ChangeReason.BIRTH, ChangeReason.MOVE_IN, ChangeReason.MOVE_IN_FROM_ABROAD,
    ChangeReason.RELOCATION, ChangeReason.DEATH,
})  # fmt: skip
"""Reasons that can be notified only once they have happened."""

_DAYS_TO_NOTIFY = {
    # Fourteen days counted from the next day (Act, art. 22 to 25; Civil Code, art. 140).
    ChangeReason.MOVE_IN: 14,
    ChangeReason.MOVE_IN_FROM_ABROAD: 14,
    ChangeReason.RELOCATION: 14,
    ChangeReason.HOUSEHOLD_SPLIT: 14,
    ChangeReason.HOUSEHOLD_MERGE: 14,
    ChangeReason.HOUSEHOLD_CHANGE: 14,
    ChangeReason.HEAD_CHANGE: 14,
    # Fourteen days of which the day of birth is the first (Family Register Act, art. 43 and 49).
    ChangeReason.BIRTH: 13,
}


@dataclass(frozen=True, slots=True, repr=False)
class EventDates:
    """The dates of one change: when it happened (異動日), was notified (届出日) and was processed (処理日).

    `notified_on` is None for a change by office, which nobody notifies. Raises `Malformed` with
    DATE_NOTIFIED_IN_FUTURE when the notification is dated after the processing.
    """

    event_on: date
    notified_on: date | None
    processed_on: date

    def __post_init__(self) -> None:
        if self.notified_on is not None and self.notified_on > self.processed_on:
            raise Malformed("DATE_NOTIFIED_IN_FUTURE", "the notification is dated after today: correct its date")

    def __repr__(self) -> str:
        return "EventDates(****)"


def check_dates(reason: ChangeReason, dates: EventDates, *, born: CivilDate | None = None) -> None:
    """Refuses dates that `reason` cannot have; `born` is the resident's date of birth where it is known.

    Raises `Malformed`: DATE_IN_FUTURE for an event after its processing, unless it may be planned ahead (a move out);
    DATE_NOTIFIED_BEFORE_EVENT where only what has happened can be notified; DATE_BEFORE_BIRTH.
    """
    if dates.event_on > dates.processed_on and not effect_of(reason).planned_ahead:
        raise Malformed("DATE_IN_FUTURE", "this change can be recorded only once it has happened: correct its date")
    if dates.notified_on is not None and dates.notified_on < dates.event_on and reason in _AFTER_THE_EVENT:
        raise Malformed("DATE_NOTIFIED_BEFORE_EVENT", "this change is notified after it happened: correct one date")
    if born is not None and not born.is_unknown and dates.event_on < born.earliest():
        raise Malformed("DATE_BEFORE_BIRTH", "the change is dated before the birth: correct one of the two")


def is_late(reason: ChangeReason, dates: EventDates) -> bool:
    """True when the notification came after its legal period; for information, as a late one is accepted too.

    Periods that end on a holiday are not extended here, and reasons without a period are never late.
    """
    days = _DAYS_TO_NOTIFY.get(reason)
    if days is None or dates.notified_on is None:
        return False
    return (dates.notified_on - dates.event_on).days > days
