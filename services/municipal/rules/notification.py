"""What the prefecture is told of a change: the four attributes, the code and change information, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from services.municipal.refusals import ReasonNotNotified, ReasonNotOfRecord
from services.municipal.rules.record import Change, Record
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeKind, ChangeReason, effect_of
from services.vocabulary.resident_code import ResidentCode

_IN_ITS_PLACE = {
    ChangeKind.ENTRY: frozenset({
        ChangeReason.MOVE_IN, ChangeReason.MOVE_IN_FROM_ABROAD, ChangeReason.ENTRY_BY_OFFICE,
    }),
    ChangeKind.REMOVAL: frozenset({
        ChangeReason.MOVE_OUT, ChangeReason.MOVE_OUT_ABROAD, ChangeReason.REMOVAL_BY_OFFICE,
    }),
    ChangeKind.CORRECTION: frozenset({
        ChangeReason.CORRECTION_BY_OFFICE, ChangeReason.ERROR_CORRECTION, ChangeReason.NAME_CHANGE,
    }),
    ChangeKind.CODE: frozenset(),
}  # fmt: skip
"""By what a change does, the reasons that may be told of it later; births, deaths, relocations and cancellations are
acts of their own, which nothing but such an act makes true, and a death is nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Notification:
    """A notification to the prefecture (本人確認情報の通知) of one change of one resident."""

    code: ResidentCode
    former_code: ResidentCode | None
    """None unless the change is of the code."""
    reason: ChangeReason
    attributes: FourAttributes
    former_attributes: FourAttributes | None
    event_on: date
    processed_at: datetime

    def __repr__(self) -> str:
        return f"Notification({self.reason})"


def notification(change: Change) -> Notification:
    """Writes the notification of a change that goes up."""
    before, after = change.before, change.after
    return Notification(
        code=after.code,
        former_code=before.code if before is not None and before.code != after.code else None,
        reason=after.reason,
        attributes=after.attributes,
        former_attributes=before.attributes if before is not None else None,
        event_on=after.stamp.dates.event_on,
        processed_at=after.stamp.processed_at,
    )


def superseding(first: Notification, record: Record, reason: ChangeReason | None) -> Notification:
    """Writes what takes the place of `first`: its change, with the attributes as the record has them now.

    The codes stay those of `first`, since a later change of code waits behind it. `reason`, when given, replaces its
    reason, with another of the same effect; a change of a live person whom the prefecture never heard of is sent again
    as an entry by office. Refuses REASON_NOT_NOTIFIED for one that stays in the municipality, and REASON_NOT_OF_RECORD
    for one that says what did not happen.
    """
    reason = reason or first.reason
    if not effect_of(reason).goes_up:
        raise ReasonNotNotified("give a reason that the prefecture is notified of", field="reason")
    if _is_of_a_former_stay(first, record) or not _is_of(record, first.reason, reason):
        raise ReasonNotOfRecord("perform the act that has this reason, or give one of the same effect", field="reason")
    return replace(first, attributes=record.attributes, reason=reason)


def _is_of_a_former_stay(first: Notification, record: Record) -> bool:
    """Tells whether `first` removed somebody who was entered anew since, and would be removed again above."""
    removed = effect_of(first.reason).kind is ChangeKind.REMOVAL
    return removed and record.is_live and record.resident_since >= first.event_on


def _is_of(record: Record, first: ChangeReason, reason: ChangeReason) -> bool:
    """Tells whether the register bears out that a change notified as `first` has `reason`."""
    if reason is first:
        return True
    was, becomes = effect_of(first).kind, effect_of(reason).kind
    if was is not becomes:
        return record.is_live and was is not ChangeKind.REMOVAL and reason is ChangeReason.ENTRY_BY_OFFICE
    if becomes is ChangeKind.REMOVAL and (record.is_live or first is ChangeReason.DEATH):
        return False
    return reason in _IN_ITS_PLACE[becomes]
