"""What a reported change makes of a record, or why it cannot be applied.

What a municipality's change does to its own resident's record, by the state in which the record stands:

| Reason                                        | none    | LIVE         | MOVED_*      | REMOVED  | DECEASED |
|-----------------------------------------------|---------|--------------|--------------|----------|----------|
| BIRTH                                         | LIVE    | registered   | registered   | LIVE     | deceased |
| MOVE_IN, MOVE_IN_FROM_ABROAD, ENTRY_BY_OFFICE | LIVE    | registered   | LIVE         | LIVE     | deceased |
| EVENT_CANCELLED_RESTORING                     | unknown | registered   | LIVE         | LIVE     | LIVE     |
| MOVE_OUT                                      | unknown | MOVED_OUT    | not live     | not live | deceased |
| MOVE_OUT_ABROAD                               | unknown | MOVED_ABROAD | not live     | not live | deceased |
| DEATH                                         | unknown | DECEASED     | not live     | not live | deceased |
| REMOVAL_BY_OFFICE, EVENT_CANCELLED_REMOVING   | unknown | REMOVED      | not live     | not live | deceased |
| corrections                                   | unknown | LIVE         | not live     | not live | deceased |
| code changes                                  | unknown | LIVE         | not live     | not live | deceased |

(registered = RESIDENT_ALREADY_REGISTERED, unknown = RECORD_UNKNOWN, not live = RESIDENT_NOT_LIVE, deceased =
RESIDENT_DECEASED; CODE_ENTERED_BY_OFFICE without a former code enters a record.)

A superseding change may say again what is known: an entry of a LIVE resident, a removal of a removed one and a death
of a DECEASED one correct the record, and a code change that was made changes nothing.

A municipality that does not have the resident may only enter them: a live record answers RESIDENT_LIVE_ELSEWHERE, which
passes when the departure arrives. Everything else of its is CHANGE_OF_ANOTHER_MUNICIPALITY.

Municipalities' streams are in order each, not between them, so a former municipality's changes may arrive after the
entry that followed them. They are told by the times at which the entries were processed, are kept as history, and touch
neither state nor attributes. The former stay is remembered, by the municipality and the code that it knows, until its
report of the departure arrives; a municipality may have had the resident several times. So a municipality that lies can
add lines, under its own signature, to another's resident's history, and change nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from services.confirmation.refusals import (
    ChangeMalformed,
    ChangeOfAnotherMunicipality,
    RecordUnknown,
    ResidentAlreadyRegistered,
    ResidentCodeChanged,
    ResidentCodeTaken,
    ResidentDeceased,
    ResidentLiveElsewhere,
    ResidentNotLive,
)
from services.confirmation.rules.admission import check_change
from services.confirmation.rules.record import (
    FormerPair,
    Held,
    Record,
    ReportedChange,
    State,
    differing_items,
    held_of,
    stay_of,
)
from services.vocabulary.change import ChangeKind, ChangeReason, effect_of

ALL_ITEMS = ("name", "birth_date", "sex", "address", "resident_code")
_CODE_ITEM = ("resident_code",)

_REMOVED_TO = {
    ChangeReason.MOVE_OUT: State.MOVED_OUT,
    ChangeReason.MOVE_OUT_ABROAD: State.MOVED_ABROAD,
    ChangeReason.DEATH: State.DECEASED,
    ChangeReason.REMOVAL_BY_OFFICE: State.REMOVED,
    ChangeReason.EVENT_CANCELLED_REMOVING: State.REMOVED,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What the node holds under the codes that a change names."""

    record: Record | None = None
    """The record that the change is about."""
    renamed: bool = False
    """It was found under a code that the resident no longer has."""
    taker: Record | None = None
    """At a change of the code: the record that has, or had, the new code."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One line of a resident's change history (変更情報)."""

    resident_code: str
    reason: ChangeReason
    event_date: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a change made: the record as it stands now, and what is added to its history."""

    record: Record
    rows: tuple[ChangeRow, ...]
    former: FormerPair | None = None
    """The name and address that no longer are, or never were, the record's present ones."""
    renamed_from: str = ""
    """Code that leads to the record's code from now on; empty unless the change is of the code."""
    opens: bool = False
    """Other changes of this resident may be possible now: the record is new, has a new code, or is live no more."""


def apply(found: Found, change: ReportedChange, sender: str, now: datetime) -> Settled:
    """Applies a change that the municipality `sender` (six digits) signed; raises a `ChangeRefused`.

    See the table at the head of this file.
    """
    check_change(change, sender, now)
    if effect_of(change.reason).kind is ChangeKind.CODE:
        return _change_code(found, change)
    record = found.record
    if record is None:
        if not _begins(change.reason):
            raise RecordUnknown("report the entry of this resident first")
        return _first_entry(change)
    if _stay(change) in record.open_elsewhere:
        return _late_change(record, change)
    if record.municipality_code != sender:
        return _from_elsewhere(record, change, renamed=found.renamed)
    if found.renamed:
        return _under_a_former_code(record, change)
    decide = restated_state if change.restates else next_state
    return _changed(record, change, decide(record.state, change.reason))


def restated_state(state: State, reason: ChangeReason) -> State:
    """Returns the state after a superseding change, which may say again what this node has applied before.

    A municipality supersedes what some tier could not apply; another tier may have. So an entry of a resident who is
    live, and a removal of one who is removed, correct what is known instead of being refused.
    """
    kind = effect_of(reason).kind
    if kind is ChangeKind.ENTRY and state is State.LIVE:
        return State.LIVE
    if kind is ChangeKind.REMOVAL and state is not State.LIVE and state is not State.DECEASED:
        return _REMOVED_TO[reason]
    if reason is ChangeReason.DEATH and state is State.DECEASED:
        return State.DECEASED
    return next_state(state, reason)


def next_state(state: State, reason: ChangeReason) -> State:
    """Returns the state after `reason`, by the table above, of a record that its own municipality changes."""
    restoring = reason is ChangeReason.EVENT_CANCELLED_RESTORING
    if effect_of(reason).kind is ChangeKind.ENTRY:
        if state is State.DECEASED and not restoring:
            raise ResidentDeceased("cancel the death first, if it was recorded in error")
        again = reason is ChangeReason.BIRTH and state is not State.REMOVED
        if state is State.LIVE or again:
            raise ResidentAlreadyRegistered("the resident has a record: report what changed in it")
        return State.LIVE
    if state is State.DECEASED:
        raise ResidentDeceased("cancel the death first, if it was recorded in error")
    if state is not State.LIVE:
        raise ResidentNotLive("enter the resident, or cancel the removal, before reporting further changes")
    return _REMOVED_TO.get(reason, State.LIVE)


def _begins(reason: ChangeReason) -> bool:
    """Tells whether `reason` may be the first that is heard of a resident."""
    return effect_of(reason).kind is ChangeKind.ENTRY and reason is not ChangeReason.EVENT_CANCELLED_RESTORING


def _first_entry(change: ReportedChange) -> Settled:
    code = change.resident_code.digits
    record = Record(
        resident_code=code,
        held=held_of(change.attributes),
        municipality_code=change.municipality.digits,
        state=State.LIVE,
        entered_at=change.processed_at,
        last_reason=change.reason,
        last_event_date=change.event_date.iso(),
    )
    return Settled(record, (_row(code, change, ALL_ITEMS),), opens=True)


def _changed(record: Record, change: ReportedChange, state: State) -> Settled:
    """Applies a change of the present, by the municipality that has the resident or gets them now."""
    held = held_of(change.attributes)
    enters = effect_of(change.reason).kind is ChangeKind.ENTRY and record.state is not State.LIVE
    after = replace(
        record,
        resident_code=change.resident_code.digits,
        held=held,
        municipality_code=change.municipality.digits,
        state=state,
        entered_at=change.processed_at if enters else record.entered_at,
        last_reason=change.reason,
        last_event_date=change.event_date.iso(),
    )
    return Settled(
        after,
        (_row(after.resident_code, change, differing_items(record.held, held)),),
        former=_pair(record.held) if _pair(record.held) != _pair(held) else None,
        opens=record.state is State.LIVE and state is not State.LIVE,
    )


def _from_elsewhere(record: Record, change: ReportedChange, *, renamed: bool) -> Settled:
    """Decides on a change by a municipality that does not have the resident."""
    if effect_of(change.reason).kind is not ChangeKind.ENTRY:
        return _refuse_foreign()
    if _came_before(change, record):
        return _late(record, change, record.open_elsewhere | {_stay(change)})
    if renamed:
        raise ResidentCodeTaken("the code was given up and is never given again: enter the resident with theirs")
    if record.state is State.LIVE:
        raise ResidentLiveElsewhere("wait for the other municipality's report of the departure")
    if record.state is State.DECEASED:
        raise ResidentDeceased("the municipality that recorded the death must cancel it first, if it is an error")
    return _changed(record, change, next_state(record.state, change.reason))


def _under_a_former_code(record: Record, change: ReportedChange) -> Settled:
    """Decides on a change by the municipality that has the resident, under a code from before: of a former stay there.

    Its entry waited for another municipality while the stream went on to the present stay.
    """
    if not _came_before(change, record):
        raise ResidentCodeChanged("report the change with the resident's present code")
    if effect_of(change.reason).kind is not ChangeKind.ENTRY:
        raise RecordUnknown("report the entry of this resident first")
    return _late(record, change, record.open_elsewhere | {_stay(change)})


def _late_change(record: Record, change: ReportedChange) -> Settled:
    """Keeps what a former municipality reports of the time before the present entry."""
    kind = effect_of(change.reason).kind
    if kind is ChangeKind.ENTRY:
        raise ResidentAlreadyRegistered("the resident has a record: report what changed in it")
    if change.reason is ChangeReason.DEATH:
        # Registered elsewhere after their death: one of the two is in error, and people must find out which.
        raise ResidentLiveElsewhere("clear up with the municipality that has the resident now which of you is in error")
    gone = frozenset({_stay(change)}) if kind is ChangeKind.REMOVAL else frozenset()
    return _late(record, change, record.open_elsewhere - gone)


def _late(record: Record, change: ReportedChange, open_elsewhere: frozenset[str]) -> Settled:
    held = held_of(change.attributes)
    items = differing_items(held_of(change.former_attributes), held) if change.former_attributes else ()
    return Settled(
        replace(record, open_elsewhere=open_elsewhere),
        (_row(change.resident_code.digits, change, items),),
        former=_pair(held) if _pair(held) != _pair(record.held) else None,
    )


def _change_code(found: Found, change: ReportedChange) -> Settled:
    former, record, sender = change.former_resident_code, found.record, change.municipality.digits
    if former is None:
        if change.reason is not ChangeReason.CODE_ENTERED_BY_OFFICE:
            raise ChangeMalformed("name the code before the change", field="former_resident_code", form="MISSING")
        if record is not None:
            raise ResidentCodeTaken("enter another code: this one is, or was, a resident's")
        return _first_entry(change)
    if former == change.resident_code:
        raise ChangeMalformed("name two different codes", field="former_resident_code", form="UNCHANGED")
    if record is None:
        raise RecordUnknown("report the entry of this resident first")
    if record.municipality_code != sender:
        _refuse_foreign()
    if found.renamed:
        if change.restates and record.resident_code == change.resident_code.digits:
            return Settled(record, ())
        raise ResidentCodeChanged("report the change with the resident's present code")
    next_state(record.state, change.reason)
    rows = tuple(_row(code, change, _CODE_ITEM) for code in (former.digits, change.resident_code.digits))
    if found.taker is None:
        return replace(_changed(record, change, State.LIVE), rows=rows, renamed_from=former.digits, opens=True)
    return _joined(record, found.taker, change, rows)


def _joined(record: Record, taker: Record, change: ReportedChange, rows: tuple[ChangeRow, ...]) -> Settled:
    """Joins a record to the one by which the resident, with the new code, was entered later, at whichever place."""
    if not _came_before(change, taker):
        raise ResidentCodeTaken("change to another code: this one is, or was, a resident's")
    stay = stay_of(record.municipality_code, change.resident_code.digits)
    open_elsewhere = taker.open_elsewhere | record.open_elsewhere | {stay}
    return Settled(
        replace(taker, open_elsewhere=open_elsewhere),
        rows,
        former=_pair(record.held) if _pair(record.held) != _pair(taker.held) else None,
        renamed_from=record.resident_code,
        opens=True,
    )


def _came_before(change: ReportedChange, record: Record) -> bool:
    """Tells whether the change belongs to the time before the record's present entry.

    A person must leave one municipality before another enters them, so the times lie far enough apart for two
    municipalities' clocks; a clock that is ahead is refused with PROCESS_TIME_IN_FUTURE.
    """
    return change.processed_at < record.entered_at


def _stay(change: ReportedChange) -> str:
    return stay_of(change.municipality.digits, change.about)


def _refuse_foreign() -> Settled:
    raise ChangeOfAnotherMunicipality("only the municipality that has the resident may report their changes")


def _row(code: str, change: ReportedChange, items: tuple[str, ...]) -> ChangeRow:
    return ChangeRow(code, change.reason, change.event_date.iso(), items)


def _pair(held: Held) -> FormerPair:
    return FormerPair(held.name_folded, held.address_folded)
