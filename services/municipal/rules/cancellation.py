"""What it takes to undo the newest event of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from services.municipal import refusals
from services.municipal.rules.days import check_event
from services.municipal.rules.record import Change, Record, Stamp, State
from services.municipal.rules.situation import Decision, Situation, Target
from services.vocabulary.change import ChangeKind, ChangeReason, effect_of

_CANCELLATIONS = frozenset({
    ChangeReason.EVENT_CANCELLED_RESTORING,
    ChangeReason.EVENT_CANCELLED_REMOVING,
    ChangeReason.EVENT_CANCELLED_CORRECTING,
})  # fmt: skip


def check_cancellable(record: Record) -> None:
    """Refuses NOTHING_TO_CANCEL after a cancellation, and NOT_CANCELLABLE for a change of code.

    A former code is never given back: it may be known to those because of whom it was changed.
    """
    if record.reason in _CANCELLATIONS:
        raise refusals.NothingToCancel("report the event anew where the cancellation was wrong")
    if effect_of(record.reason).kind is ChangeKind.CODE:
        raise refusals.NotCancellable("change the code again where the change was wrong")


def cancel(
    situation: Situation, target: Target, of_act: Sequence[UUID], former: Mapping[UUID, Record], stamp: Stamp
) -> Decision:
    """Undoes the newest event of a record: the values of the row before return, in a row of their own.

    Of the act that made the event the smallest part is undone that leaves every household with one head and one
    address: the target's row alone; with it the rows that gave a household another head; or the whole act. `of_act`
    names the residents whom the act touched, `former` has the row before the newest of each. Refuses
    RESIDENT_NOT_FOUND, RECORD_CHANGED, NOTHING_TO_CANCEL, NOT_CANCELLABLE and DATE_IN_FUTURE.
    """
    record = situation.seen(target)
    check_cancellable(record)
    for part in _parts(situation, record, of_act):
        if any(one.stamp.act != record.stamp.act for one in part):
            break
        try:
            changes = [_undone(one, former.get(one.resident), stamp) for one in part]
            for change in changes:
                check_event(change.after.reason, stamp.dates, change.after.attributes.birth_date)
            return situation.settle(changes, changes[0].after.reason, stamp)
        except (refusals.HeadTaken, refusals.HeadLeftBehind, refusals.AddressDiffers):
            continue
    raise refusals.NotCancellable("correct the record instead: later events build upon this one")


def _parts(situation: Situation, record: Record, of_act: Sequence[UUID]) -> list[list[Record]]:
    """Returns what may be undone together, smallest first, each beginning with `record`."""
    others = [situation.records[one] for one in sorted(of_act) if one != record.resident]
    if effect_of(record.reason).kind is ChangeKind.HOUSEHOLD:
        return [[record, *others]]
    heads = [one for one in others if one.reason is ChangeReason.HEAD_CHANGE]
    return [[record], [record, *heads], [record, *others]]


def _undone(record: Record, former: Record | None, stamp: Stamp) -> Change:
    """Returns the row that undoes the newest one; an undone first entry leaves a removed record."""
    values = former or replace(record, state=State.REMOVED)
    after = replace(values, revision=record.revision + 1, stamp=stamp, cancels=record.revision)
    return Change(record, replace(after, reason=_reason(record.state, after.state)))


def _reason(before: State, after: State) -> ChangeReason:
    if before is after:
        return ChangeReason.EVENT_CANCELLED_CORRECTING
    return ChangeReason.EVENT_CANCELLED_RESTORING if after is State.LIVE else ChangeReason.EVENT_CANCELLED_REMOVING
