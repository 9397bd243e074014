"""Who enters the register: by birth, by moving in, by office."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from services.municipal import refusals
from services.municipal.rules.days import check_event
from services.municipal.rules.record import HEAD, Change, Record, Stamp, State
from services.municipal.rules.situation import Decision, Household, Situation
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, Kana, PersonName


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Entrant:
    """A person to enter."""

    name: PersonName
    kana: Kana
    birth_date: CivilDate
    sex: Sex
    relation: str
    code: ResidentCode | None = None
    """The code that the person has already."""

    def attributes(self, address: Address) -> FourAttributes:
        """Returns the four attributes that the person has at `address`."""
        return FourAttributes(self.name, self.birth_date, self.sex, address)

    def __repr__(self) -> str:
        return "Entrant(****)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """What the store found about the codes of those who enter."""

    drawn: Sequence[ResidentCode] = ()
    """Codes drawn from the pool, one for each entrant without a code."""
    holders: Mapping[ResidentCode, UUID] = field(default_factory=dict)
    """Records here that have, or had, a code that an entrant brings."""
    unissued: Collection[ResidentCode] = ()
    """Codes that an entrant brings and that lie in this municipality's pool, given out to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The act by which people enter, and the place."""

    reason: ChangeReason
    stamp: Stamp
    address: Address
    household: UUID | None
    """Household entered; a new one is made when None."""
    former_address: Address | None = None


def enter(
    situation: Situation, arrival: Arrival, entrants: Sequence[Entrant], codes: Codes, new_id: Callable[[], UUID]
) -> Decision:
    """Enters people into a household, or into a new one, whose head comes first.

    A person who comes back with the code of a removed record goes on in that record. Refuses HOUSEHOLD_NOT_FOUND,
    HEAD_MISSING, HEAD_TAKEN, ADDRESS_DIFFERS, RESIDENT_ALREADY_REGISTERED, RESIDENT_CODE_TAKEN and what is wrong with
    the dates.
    """
    _refuse_doubles(entrants, arrival.address)
    household = _household_entered(situation, arrival, entrants, new_id)
    drawn = iter(codes.drawn)
    changes = []
    for entrant in entrants:
        check_event(arrival.reason, arrival.stamp.dates, entrant.birth_date)
        former = _former_record(situation, codes, entrant)
        code = entrant.code or next(drawn)
        resident = former.resident if former else new_id()
        after = _row(arrival, entrant, code, resident, household.id, former.revision + 1 if former else 1)
        changes.append(Change(former, after))
    return situation.settle(changes, arrival.reason, arrival.stamp, household)


def check_birth(entrant: Entrant, born_on: date) -> None:
    """Refuses DATE_NOT_OF_BIRTH unless the day of the event is the child's date of birth."""
    if entrant.birth_date != CivilDate.of(born_on):
        raise refusals.DateNotOfBirth("give the date of birth as the day of the event", field="act.event_date")


def identity(attributes: FourAttributes) -> tuple[str, str, int, str]:
    """Returns what two records of one person have in common: the four attributes under the folding."""
    born = attributes.birth_date.iso()
    return (attributes.name.folded, born, int(attributes.sex), attributes.address.folded)


def _refuse_doubles(entrants: Sequence[Entrant], address: Address) -> None:
    codes = [one.code for one in entrants if one.code is not None]
    people = {identity(one.attributes(address)) for one in entrants}
    if len(set(codes)) < len(codes) or len(people) < len(entrants):
        raise refusals.ResidentAlreadyRegistered("name each person once")


def _household_entered(
    situation: Situation, arrival: Arrival, entrants: Sequence[Entrant], new_id: Callable[[], UUID]
) -> Household:
    if arrival.household is not None:
        return situation.household(arrival.household)
    if entrants[0].relation != HEAD:
        raise refusals.HeadMissing(f"name the head first, with the relation {HEAD}")
    return Household(id=new_id(), revision=0, address=arrival.address, head=None)


def _former_record(situation: Situation, codes: Codes, entrant: Entrant) -> Record | None:
    """Returns the removed record in which the entrant goes on, or None for one who was never here."""
    if entrant.code is None:
        return None
    if entrant.code in codes.unissued:
        raise refusals.ResidentCodeTaken("compare the code with the document: nobody was given it yet")
    holder = situation.records[codes.holders[entrant.code]] if entrant.code in codes.holders else None
    if holder is None:
        return None
    if holder.is_live and holder.code == entrant.code:
        raise refusals.ResidentAlreadyRegistered("search for the code: its record is live")
    same_person = (holder.attributes.birth_date, holder.attributes.sex) == (entrant.birth_date, entrant.sex)
    if holder.code != entrant.code or holder.reason is ChangeReason.DEATH or not same_person:
        raise refusals.ResidentCodeTaken("search for the code: it stands in another person's record, or was replaced")
    return holder


def _row(
    arrival: Arrival, entrant: Entrant, code: ResidentCode, resident: UUID, household: UUID, revision: int
) -> Record:
    return Record(
        resident=resident,
        revision=revision,
        state=State.LIVE,
        code=code,
        attributes=entrant.attributes(arrival.address),
        kana=entrant.kana,
        household=household,
        relation=entrant.relation,
        resident_since=arrival.stamp.dates.event_on,
        former_address=arrival.former_address,
        reason=arrival.reason,
        stamp=arrival.stamp,
    )
