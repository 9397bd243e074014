"""What identity-confirmation information is, as a node holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.resident_code import ResidentCode

_ATTRIBUTES = ("name", "birth_date", "sex", "address")


class State(StrEnum):
    """Where a record stands; only a live one is a resident's."""

    LIVE = "LIVE"
    """Registered at its municipality."""
    MOVED_OUT = "MOVED_OUT"
    """Left for elsewhere in Japan and not yet registered there."""
    MOVED_ABROAD = "MOVED_ABROAD"
    """Left the country."""
    DECEASED = "DECEASED"
    """Died."""
    REMOVED = "REMOVED"
    """Removed by office, or the entry was cancelled."""


_PLANNED = frozenset({State.MOVED_OUT, State.MOVED_ABROAD})


class Held(NamedTuple):
    """The four attributes as held: texts as written and folded, the date in ISO form, sex as 1, 2 or 9."""

    name: str
    name_folded: str
    birth_date: str
    sex: int
    address: str
    address_folded: str

    def __repr__(self) -> str:
        return "Held(****)"


class FormerPair(NamedTuple):
    """A name and an address, folded, that stood together in a resident's record at some time."""

    name_folded: str
    address_folded: str

    def __repr__(self) -> str:
        return "FormerPair(****)"


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """One resident's record."""

    resident_code: str
    """Eleven digits."""
    held: Held
    municipality_code: str
    """Municipality that keeps, or last kept, the record; six digits."""
    state: State
    entered_at: datetime
    """When that municipality processed the entry; it tells which of two municipalities had the resident later."""
    last_reason: ChangeReason
    last_event_date: str
    """ISO form; the month or day may be unknown."""
    open_elsewhere: frozenset[str] = frozenset()
    """Stays, as `stay_of` names them, that ended before, and of which the report of the departure is under way."""

    def __repr__(self) -> str:
        return f"Record(***, {self.state})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReportedChange:
    """A change as its municipality reports it (本人確認情報の通知)."""

    municipality: LocalGovernmentCode
    resident_code: ResidentCode
    """The code after the change."""
    former_resident_code: ResidentCode | None
    """The code before a change of it."""
    reason: ChangeReason
    attributes: FourAttributes
    former_attributes: FourAttributes | None
    """As the municipality had them before; None at a first entry."""
    event_date: CivilDate
    processed_at: datetime
    restates: bool = False
    """Whether it takes the place of one that was reported before, and so may say what is known already."""

    @property
    def about(self) -> str:
        """Digits of the code under which the record stood before the change."""
        return (self.former_resident_code or self.resident_code).digits

    def __repr__(self) -> str:
        return f"ReportedChange({self.municipality}, {self.reason})"


def standing_on(record: Record, day: date) -> Record:
    """Returns the record as it stands on `day`, Japan's: whose move-out is planned for a later day lives there still.

    A municipality reports a move-out before its day (Act, art. 24), so that the destination may enter the person, who
    is the former one's resident until the day comes. What is applied next goes by the state that was reported.
    """
    if record.state is State.LIVE or record.state not in _PLANNED or record.last_event_date <= day.isoformat():
        return record
    return replace(record, state=State.LIVE)


def stay_of(municipality: str, code: str) -> str:
    """Names a former stay of a resident: the municipality, and the code that the resident has in its register."""
    return f"{municipality}/{code}"


def held_of(attributes: FourAttributes) -> Held:
    """Returns the four attributes in the form in which they are held."""
    return Held(
        attributes.name.text,
        attributes.name.folded,
        attributes.birth_date.iso(),
        int(attributes.sex),
        attributes.address.text,
        attributes.address.folded,
    )


def differing_items(before: Held, after: Held) -> tuple[str, ...]:
    """Lists the names of the attributes that differ, in the order of the register."""
    return tuple(item for item in _ATTRIBUTES if getattr(before, item) != getattr(after, item))
