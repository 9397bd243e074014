"""What the prefecture is told of a change: the four attributes, the code and change information, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from services.municipal.refusals import ReasonNotNotified
from services.municipal.rules.record import Change, Record
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason, effect_of
from services.vocabulary.resident_code import ResidentCode


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
    reason: a change of a person whom the prefecture never heard of is sent again as an entry. Refuses
    REASON_NOT_NOTIFIED for one that stays in the municipality.
    """
    if reason is not None and not effect_of(reason).goes_up:
        raise ReasonNotNotified("give a reason that the prefecture is notified of", field="reason")
    return replace(first, attributes=record.attributes, reason=reason or first.reason)
