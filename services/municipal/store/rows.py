"""How rows of the register are written and read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from services.municipal.rules.record import Record, Stamp, State
from services.municipal.rules.situation import Household
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.dates import EventDates
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, Kana, PersonName


def revision_values(record: Record) -> dict[str, Any]:
    """Returns the row of `resident_revision` that is `record`."""
    attributes, dates = record.attributes, record.stamp.dates
    return {
        "resident": record.resident,
        "number": record.revision,
        "state": record.state.value,
        "resident_code": record.code.digits,
        "name": attributes.name.original,
        "kana": record.kana.original,
        "birth_date": attributes.birth_date.iso(),
        "sex": int(attributes.sex),
        "address": attributes.address.original,
        "household": record.household,
        "relation": record.relation,
        "resident_since": record.resident_since,
        "former_address": _original(record.former_address),
        "destination_address": _original(record.destination_address),
        "reason": record.reason.value,
        "event_on": dates.event_on,
        "notified_on": dates.notified_on,
        "processed_on": dates.processed_on,
        "processed_at": record.stamp.processed_at,
        "act": record.stamp.act,
        "ground": record.stamp.ground,
        "cancels": record.cancels,
    }


def resident_values(record: Record) -> dict[str, Any]:
    """Returns the row of `resident` that finds `record`."""
    attributes = record.attributes
    return {
        "id": record.resident,
        "revision": record.revision,
        "state": record.state.value,
        "household": record.household,
        "resident_code": record.code.digits,
        "name_folded": attributes.name.folded,
        "kana_folded": record.kana.folded,
        "address_folded": attributes.address.folded,
        "birth_date": attributes.birth_date.iso(),
        "sex": int(attributes.sex),
    }


def record_of(row: RowMapping) -> Record:
    """Reads a row of `resident_revision`."""
    return Record(
        resident=row["resident"],
        revision=row["number"],
        state=State(row["state"]),
        code=ResidentCode(row["resident_code"]),
        attributes=FourAttributes(
            PersonName(row["name"]),
            CivilDate.parse_iso(row["birth_date"]),
            Sex(row["sex"]),
            Address(row["address"]),
        ),
        kana=Kana(row["kana"]),
        household=row["household"],
        relation=row["relation"],
        resident_since=row["resident_since"],
        former_address=_address(row["former_address"]),
        destination_address=_address(row["destination_address"]),
        reason=ChangeReason(row["reason"]),
        stamp=Stamp(
            act=row["act"],
            dates=EventDates(row["event_on"], row["notified_on"], row["processed_on"]),
            processed_at=row["processed_at"],
            ground=row["ground"],
        ),
        cancels=row["cancels"],
    )


def household_values(household: Household) -> dict[str, Any]:
    """Returns the row of `household` that is the newest state of `household`."""
    return {
        "id": household.id,
        "revision": household.revision,
        "head": household.head,
        "address": household.address.original,
    }


def household_revision_values(household: Household) -> dict[str, Any]:
    """Returns the row of `household_revision` that is `household`, which an act has written."""
    if household.stamp is None or household.reason is None:
        raise ValueError("a household's row says by which act it came about")
    return {
        "household": household.id,
        "number": household.revision,
        "head": household.head,
        "address": household.address.original,
        "reason": household.reason.value,
        "event_on": household.stamp.dates.event_on,
        "processed_at": household.stamp.processed_at,
        "act": household.stamp.act,
    }


def household_of(row: RowMapping) -> Household:
    """Reads a row of `household`."""
    household: UUID = row["id"]
    return Household(id=household, revision=row["revision"], address=Address(row["address"]), head=row["head"])


def _original(address: Address | None) -> str | None:
    return address.original if address is not None else None


def _address(text: str | None) -> Address | None:
    return Address(text) if text is not None else None
