"""What a look-up comes to: what was asked against what is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.confirmation.rules.record import Held, Record, State
from services.vocabulary.attributes import AttributeComparison, FourAttributes, Verdict
from services.vocabulary.text import Address, PersonName


class Outcome(StrEnum):
    """What a look-up came to; see the enumeration of the same name in the proto."""

    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    MOVED = "MOVED"
    DECEASED = "DECEASED"
    NOT_FOUND = "NOT_FOUND"
    SEVERAL_CANDIDATES = "SEVERAL_CANDIDATES"
    REMOVED = "REMOVED"
    CODE_CHANGED = "CODE_CHANGED"


_OF_STATE = {
    State.MOVED_OUT: Outcome.MOVED,
    State.MOVED_ABROAD: Outcome.MOVED,
    State.DECEASED: Outcome.DECEASED,
    State.REMOVED: Outcome.REMOVED,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A decided look-up: the outcome, the verdicts, and the record if it is certain whose it is."""

    outcome: Outcome
    verdicts: AttributeComparison | None = None
    record: Record | None = None
    """The record from which items may be released; None when nobody was identified."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record with the asked name, date of birth and sex, now or at a former time."""

    record: Record
    formerly: bool = False
    """The asked name and address are former ones that stood together."""


def compare_held(asked: FourAttributes, held: Held) -> AttributeComparison:
    """Compares what is `asked` with what is `held`, as the vocabulary compares two sets of attributes."""
    return AttributeComparison(
        name=_text(asked.name, held.name, held.name_folded),
        birth_date=Verdict.SAME if asked.birth_date.iso() == held.birth_date else Verdict.DIFFERENT,
        sex=Verdict.SAME if asked.sex == held.sex else Verdict.DIFFERENT,
        address=_text(asked.address, held.address, held.address_folded),
    )


def match_code(record: Record | None, asked: FourAttributes | None, *, renamed: bool = False) -> Finding:
    """Decides a look-up by code; `renamed` says that the code led to another one before."""
    if record is None:
        return Finding(Outcome.CODE_CHANGED if renamed else Outcome.NOT_FOUND)
    verdicts = None if asked is None else compare_held(asked, record.held)
    if record.state is not State.LIVE:
        return Finding(_OF_STATE[record.state], verdicts, record)
    agrees = verdicts is None or verdicts.all_match
    return Finding(Outcome.MATCH if agrees else Outcome.MISMATCH, verdicts, record)


def match_attributes(asked: FourAttributes, candidates: Sequence[Candidate]) -> Finding:
    """Decides a look-up by the four attributes; each candidate's record comes once.

    Whoever agrees in all four is found; a live record goes before those of people who left. Failing that, whoever had
    the asked name and address together at a former time has moved. One person alone who differs in the address is a
    mismatch: the answer says so, and no more, since nobody was identified.
    """
    whole = [one.record for one in candidates if compare_held(asked, one.record.held).all_match]
    live = [record for record in whole if record.state is State.LIVE]
    if whole:
        return _only(asked, live or whole)
    formerly = [one.record for one in candidates if one.formerly]
    if formerly:
        return _moved(asked, formerly)
    if len(candidates) == 1 and candidates[0].record.state is State.LIVE:
        return Finding(Outcome.MISMATCH, compare_held(asked, candidates[0].record.held))
    return Finding(Outcome.SEVERAL_CANDIDATES if len(candidates) > 1 else Outcome.NOT_FOUND)


def _only(asked: FourAttributes, records: list[Record]) -> Finding:
    if len(records) > 1:
        return Finding(Outcome.SEVERAL_CANDIDATES)
    return match_code(records[0], asked)


def _moved(asked: FourAttributes, records: list[Record]) -> Finding:
    if len(records) > 1:
        return Finding(Outcome.SEVERAL_CANDIDATES)
    record = records[0]
    return Finding(_OF_STATE.get(record.state, Outcome.MOVED), compare_held(asked, record.held), record)


def _text(asked: PersonName | Address, held: str, held_folded: str) -> Verdict:
    if asked.text == held:
        return Verdict.SAME
    return Verdict.SAME_FOLDED if asked.folded == held_folded else Verdict.DIFFERENT
