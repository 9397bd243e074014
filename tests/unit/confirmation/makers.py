"""Synthetic residents, changes and purposes, with good defaults."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from services.confirmation.rules.purposes import Affair, Grant, Item, PurposeTable, Way
from services.confirmation.rules.record import Record, ReportedChange, State, held_of
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, PersonName

CHIYODA = "131016"
HACHIOJI = "132012"
YOKOHAMA = "141003"

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """An instant of processing, that many minutes into the story; all lie before NOW."""
    return datetime(2026, 11, 1, 1, 0, tzinfo=UTC) + timedelta(minutes=minutes)


def code(number: int = 1) -> str:
    return ResidentCode.from_body(f"{number:010}").digits


def attributes(
    *,
    name: str = "試験 太郎",
    birth_date: str = "1985-04-01",
    sex: Sex = Sex.MALE,
    address: str = "東京都千代田区九段南一丁目1番1号",
) -> FourAttributes:
    return FourAttributes(PersonName(name), CivilDate.parse_iso(birth_date), sex, Address(address))


def change(
    reason: ChangeReason,
    municipality: str = CHIYODA,
    *,
    minutes: float = 0,
    about: str | None = None,
    former_code: str | None = None,
    held: FourAttributes | None = None,
    former: FourAttributes | None = None,
    event_date: str = "2026-11-01",
) -> ReportedChange:
    return ReportedChange(
        municipality=LocalGovernmentCode(municipality),
        resident_code=ResidentCode(about or code()),
        former_resident_code=None if former_code is None else ResidentCode(former_code),
        reason=reason,
        attributes=held or attributes(),
        former_attributes=former,
        event_date=CivilDate.parse_iso(event_date),
        processed_at=at(minutes),
    )


def record(
    state: State = State.LIVE,
    municipality: str = CHIYODA,
    *,
    number: int = 1,
    entered: float = 0,
    held: FourAttributes | None = None,
    open_elsewhere: frozenset[str] = frozenset(),
) -> Record:
    return Record(
        resident_code=code(number),
        held=held_of(held or attributes()),
        municipality_code=municipality,
        state=state,
        entered_at=at(entered),
        last_reason=ChangeReason.MOVE_IN,
        last_event_date="2026-11-01",
        open_elsewhere=open_elsewhere,
    )


def affair(affair_id: str = "b1-19", since: date = date(2003, 4, 1), until: date | None = None) -> Affair:
    return Affair(affair_id, "事務", "機関", "住民基本台帳法第三十条の九", "national", since, until)


def grant(
    *,
    body: str = "relying/local-pension",
    of: Affair | None = None,
    items: frozenset[Item] = frozenset(Item),
    ways: frozenset[Way] = frozenset(Way),
    quota: int | None = None,
    pace: float | None = None,
    burst: int = 1,
    domain: str = "general",
) -> Grant:
    return Grant(
        body,
        of or affair(),
        items,
        ways,
        quota_per_day=quota,
        pace_per_second=pace,
        pace_burst=burst,
        domain=domain,
    )


def purposes(*grants: Grant, beside: tuple[Affair, ...] = ()) -> PurposeTable:
    held = grants or (grant(),)
    affairs = {one.affair.affair_id: one.affair for one in held} | {one.affair_id: one for one in beside}
    return PurposeTable(affairs, {(one.body, one.affair.affair_id): one for one in held}, "0" * 64)
