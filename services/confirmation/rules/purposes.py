"""Who may ask for what, for which affair, in which way: the gate before every look-up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from services.confirmation.refusals import (
    CaseNumberMalformed,
    HandOverNotGranted,
    PurposeNotGranted,
    PurposeNotInForce,
    PurposeSwitchedOff,
    PurposeUnknown,
    WayNotGranted,
)
from services.foundation.refusals import Refusal

_CASE_NUMBER = re.compile(r"[A-Za-z0-9._/-]{1,64}")


class Item(StrEnum):
    """A data item of identity-confirmation information."""

    NAME = "name"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    ADDRESS = "address"
    RESIDENT_CODE = "resident_code"
    CHANGE = "change"


class Way(StrEnum):
    """A way of asking."""

    BY_CODE = "by_code"
    BY_ATTRIBUTES = "by_attributes"
    BULK = "bulk"
    CHANGES = "changes"


NATIONAL = "national"
PREFECTURAL = "prefecture"
DOMAIN = "general"
"""Domain of a body's pairwise identifiers where its grant names none."""


@dataclass(frozen=True, slots=True)
class Affair:
    """A statutory affair (事務) as the tables attached to the Act (別表) list it."""

    affair_id: str
    """Table and item, `b1-19`."""
    text: str
    """The affair in the words of the table, Japanese."""
    recipient: str
    """The body that the table names, Japanese; empty while nobody has filled it in, and then nothing may be granted."""
    article: str
    """The article that grants the provision, Japanese."""
    level: str
    """`national` or `prefecture`."""
    effective_from: date
    """First day on which it may be used."""
    effective_until: date | None = None
    """Last day on which it may be used; None while no end is known."""
    prefectures: frozenset[str] = frozenset()
    """Of a prefectural affair, the prefectures (two digits) that have switched it on."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one body may receive for one affair, and how it may ask."""

    body: str
    """Short name of the body, `relying/local-pension`."""
    affair: Affair
    items: frozenset[Item]
    """Items whose values are told; none where verdicts must do."""
    ways: frozenset[Way]
    effective_from: date | None = None
    """First day of the grant; None for the affair's."""
    effective_until: date | None = None
    """Last day of the grant; None for the affair's."""
    quota_per_day: int | None = None
    """Residents that may be asked about in a day of Japan."""
    pace_per_second: float | None = None
    """Residents that may be asked about in a second, in the long run."""
    pace_burst: int = 1
    """Residents that may be asked about at once after a rest."""
    domain: str = DOMAIN
    """Domain of the pairwise identifiers: affairs of one domain share them."""
    hand_over: frozenset[str] = frozenset()
    """Bodies for which an identifier of theirs may be had."""

    @property
    def first_day(self) -> date:
        """First day on which it may be used."""
        return max(self.affair.effective_from, self.effective_from or date.min)

    @property
    def last_day(self) -> date | None:
        """Last day on which it may be used; None while no end is known."""
        ends = [day for day in (self.affair.effective_until, self.effective_until) if day is not None]
        return min(ends, default=None)

    @property
    def verdicts_only(self) -> bool:
        """Whether match or mismatch is all that is told of an attribute."""
        return not self.items


@dataclass(frozen=True, slots=True)
class PurposeTable:
    """The grants that hold at one node."""

    affairs: Mapping[str, Affair]
    grants: Mapping[tuple[str, str], Grant]
    """By body and affair id."""
    version: str
    """SHA-256 of the table for all nodes, hexadecimal."""
    number: int = 0
    """Number of the order by which it was adopted."""
    prefecture: str = ""
    """Two digits of the prefecture that answers; empty at the agency."""
    keys: Mapping[str, bytes] = field(default_factory=dict)
    """Bodies' public keys for what is handed over to them: X25519, 32 bytes."""

    def of(self, body: str) -> list[Grant]:
        """Lists the grants of one body, by affair id."""
        return sorted(
            (grant for (holder, _), grant in self.grants.items() if holder == body),
            key=lambda grant: grant.affair.affair_id,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the gate sees it."""

    caller: str
    affair_id: str
    way: Way
    day: date
    """The day in Japan."""


def decide(table: PurposeTable, caller: str, affair_id: str, way: Way, day: date) -> Grant:
    """Returns the grant under which `caller` asks for an affair in this way on `day`.

    Refuses PURPOSE_UNKNOWN, PURPOSE_NOT_GRANTED, PURPOSE_SWITCHED_OFF, PURPOSE_NOT_IN_FORCE, WAY_NOT_GRANTED.
    """
    asked = Asked(caller, affair_id, way, day)
    for _, check in CHECKS:
        check(table, asked)
    return table.grants[caller, affair_id]


def explain(table: PurposeTable, asked: Asked) -> Iterator[tuple[str, Refusal | None]]:
    """Yields the name of each check in order, with its refusal; ends with the first that refuses."""
    for name, check in CHECKS:
        try:
            check(table, asked)
        except Refusal as refusal:
            yield name, refusal
            return
        yield name, None


def check_case_number(case_number: str) -> str:
    """Returns the case number, or refuses CASE_NUMBER_MALFORMED."""
    if _CASE_NUMBER.fullmatch(case_number) is None:
        raise CaseNumberMalformed("give 1 to 64 letters, digits, '.', '_', '/' or '-', never a name")
    return case_number


def check_hand_over(grant: Grant, receiver: Grant | None, to: str) -> Grant:
    """Returns the receiver's grant if an identifier of theirs may be handed to the asker; HAND_OVER_NOT_GRANTED."""
    if to not in grant.hand_over or receiver is None:
        facts = {"affair": grant.affair.affair_id, "article": grant.affair.article}
        raise HandOverNotGranted("hand over only to a body that your row of the table names", **facts)
    return receiver


def _known(table: PurposeTable, asked: Asked) -> None:
    if asked.affair_id not in table.affairs:
        raise PurposeUnknown("name an affair of the table; ListPurposes lists yours")


def _granted(table: PurposeTable, asked: Asked) -> None:
    if (asked.caller, asked.affair_id) not in table.grants:
        raise PurposeNotGranted("ask for an affair that ListPurposes lists", **_facts(table, asked))


def _switched_on(table: PurposeTable, asked: Asked) -> None:
    affair = table.affairs[asked.affair_id]
    if affair.level == PREFECTURAL and table.prefecture not in affair.prefectures:
        raise PurposeSwitchedOff("ask the prefecture to switch the affair on", **_facts(table, asked))


def _in_force(table: PurposeTable, asked: Asked) -> None:
    grant = table.grants[asked.caller, asked.affair_id]
    if asked.day < grant.first_day:
        since = grant.first_day.isoformat()
        raise PurposeNotInForce("wait for the day", **_facts(table, asked), effective_from=since)
    if grant.last_day is not None and asked.day > grant.last_day:
        until = grant.last_day.isoformat()
        raise PurposeNotInForce("it has ended: ask for no more", **_facts(table, asked), effective_until=until)


def _in_this_way(table: PurposeTable, asked: Asked) -> None:
    grant = table.grants[asked.caller, asked.affair_id]
    if asked.way not in grant.ways:
        ways = " ".join(sorted(grant.ways))
        raise WayNotGranted("ask in one of the ways granted", **_facts(table, asked), ways=ways)


def _facts(table: PurposeTable, asked: Asked) -> dict[str, str]:
    return {"affair": asked.affair_id, "article": table.affairs[asked.affair_id].article}


CHECKS: tuple[tuple[str, Callable[[PurposeTable, Asked], None]], ...] = (
    ("affair", _known),
    ("body", _granted),
    ("prefecture", _switched_on),
    ("days", _in_force),
    ("way", _in_this_way),
)
"""What the gate checks, in order; the first that refuses is the answer."""
