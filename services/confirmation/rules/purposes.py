"""Who may ask for what, for which affair, in which way: the gate before every look-up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.confirmation.refusals import (
    CaseNumberMalformed,
    PurposeNotGranted,
    PurposeNotInForce,
    PurposeUnknown,
    WayNotGranted,
)

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


@dataclass(frozen=True, slots=True)
class Affair:
    """A statutory affair (事務) as the tables attached to the Act (別表) list it."""

    affair_id: str
    """Table and item, `b1-19`."""
    text: str
    """The affair in the words of the table, Japanese."""
    recipient: str
    """The body that the table names, Japanese."""
    article: str
    """The article that grants the provision, Japanese."""
    level: str
    """`national` or `prefecture`."""
    effective_from: date
    """First day on which it may be used."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one body may receive for one affair, and how it may ask."""

    body: str
    """Short name of the body, `relying/local-pension`."""
    affair: Affair
    items: frozenset[Item]
    ways: frozenset[Way]


@dataclass(frozen=True, slots=True)
class PurposeTable:
    """The grants that hold at one node."""

    affairs: Mapping[str, Affair]
    grants: Mapping[tuple[str, str], Grant]
    """By body and affair id."""
    version: str
    """SHA-256 of the files that it was read from, hexadecimal."""

    def of(self, body: str) -> list[Grant]:
        """Lists the grants of one body, by affair id."""
        return sorted(
            (grant for (holder, _), grant in self.grants.items() if holder == body),
            key=lambda grant: grant.affair.affair_id,
        )


def decide(table: PurposeTable, caller: str, affair_id: str, way: Way, day: date) -> Grant:
    """Returns the grant under which `caller` asks for an affair in this way on `day`.

    Refuses PURPOSE_UNKNOWN, PURPOSE_NOT_GRANTED, PURPOSE_NOT_IN_FORCE, WAY_NOT_GRANTED.
    """
    affair = table.affairs.get(affair_id)
    if affair is None:
        raise PurposeUnknown("name an affair of the table; ListPurposes lists yours")
    article = affair.article
    grant = table.grants.get((caller, affair_id))
    if grant is None:
        raise PurposeNotGranted("ask for an affair that ListPurposes lists", affair=affair_id, article=article)
    if day < affair.effective_from:
        since = affair.effective_from.isoformat()
        raise PurposeNotInForce("wait for the day", affair=affair_id, article=article, effective_from=since)
    if way not in grant.ways:
        ways = " ".join(sorted(grant.ways))
        raise WayNotGranted("ask in one of the ways granted", affair=affair_id, article=article, ways=ways)
    return grant


def check_case_number(case_number: str) -> str:
    """Returns the case number, or refuses CASE_NUMBER_MALFORMED."""
    if _CASE_NUMBER.fullmatch(case_number) is None:
        raise CaseNumberMalformed("give 1 to 64 letters, digits, '.', '_', '/' or '-', never a name")
    return case_number
