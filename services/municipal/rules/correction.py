"""How a record is corrected, and how its code is replaced."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.municipal import refusals
from services.municipal.rules.days import check_event
from services.municipal.rules.record import Change, Record, Stamp, follow
from services.municipal.rules.situation import Decision, Situation, Target
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.text import Kana

_COVERED = {
    ChangeReason.CORRECTION_BY_OFFICE: frozenset({"name", "birth_date", "sex", "address"}),
    ChangeReason.ERROR_CORRECTION: frozenset({"name", "birth_date", "sex", "address"}),
    # A minor correction leaves certificates valid, so it may touch nothing that identifies the person (art. 11-3-2).
    ChangeReason.MINOR_CORRECTION: frozenset({"address"}),
    ChangeReason.NAME_CHANGE: frozenset({"name"}),
}
"""The reasons of corrections, each with the attributes that it may change."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Correction:
    """A record as it shall be."""

    reason: ChangeReason
    attributes: FourAttributes
    kana: Kana | None = None
    """None leaves it."""
    relation: str = ""
    """Empty leaves it."""

    def __repr__(self) -> str:
        return f"Correction({self.reason})"


def correct(situation: Situation, target: Target, correction: Correction, stamp: Stamp) -> Decision:
    """Corrects a record; a corrected address is that of the household, so the other members get it too.

    Refuses REASON_NOT_A_CORRECTION, REASON_DOES_NOT_COVER, NOTHING_CHANGED, HEAD_TAKEN, HEAD_LEFT_BEHIND, what is wrong
    with the target, and what is wrong with the dates.
    """
    record = situation.target(target)
    _check_reason(record.attributes, correction)
    check_event(correction.reason, stamp.dates, correction.attributes.birth_date)
    change = follow(
        record,
        correction.reason,
        stamp,
        attributes=correction.attributes,
        kana=correction.kana or record.kana,
        relation=correction.relation or record.relation,
    )
    if _content(change.after) == _content(record):
        raise refusals.NothingChanged("correct something, or leave the record as it is")
    changes = [change, *_follow_address(situation, change, stamp)]
    return situation.settle(changes, correction.reason, stamp)


def change_code(situation: Situation, target: Target, code: ResidentCode, stamp: Stamp) -> Decision:
    """Gives a resident the drawn `code` in the place of the present one.

    Refuses what is wrong with the target, and DATE_IN_FUTURE.
    """
    record = situation.target(target)
    reason = ChangeReason.CODE_CHANGE_REQUESTED
    check_event(reason, stamp.dates, record.attributes.birth_date)
    return situation.settle([follow(record, reason, stamp, code=code)], reason, stamp)


def _check_reason(held: FourAttributes, correction: Correction) -> None:
    covered = _COVERED.get(correction.reason)
    if covered is None:
        raise refusals.ReasonNotACorrection("give the reason of a correction, or report the event as what it is")
    for name in ("name", "birth_date", "sex", "address"):
        if getattr(held, name) != getattr(correction.attributes, name) and name not in covered:
            raise refusals.ReasonDoesNotCover("give the reason that covers it", attribute=name)


def _content(record: Record) -> tuple[object, ...]:
    return (record.attributes, record.kana, record.relation)


def _follow_address(situation: Situation, change: Change, stamp: Stamp) -> list[Change]:
    """Returns the rows of the other members when the correction changes their common address."""
    address = change.after.attributes.address
    return [
        follow(one, change.after.reason, stamp, attributes=replace(one.attributes, address=address))
        for one in situation.members(change.after.household)
        if one.resident != change.after.resident
        and change.before is not None
        and change.before.attributes.address != address
    ]
