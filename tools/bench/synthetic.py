"""Synthetic residents, made from numbers: every name says so, and none of them exists."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from juki.common.v1 import civil_date_pb2, person_pb2
from juki.municipal.v1 import register_service_pb2 as register_pb
from juki.municipal.v1 import resident_pb2
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.text import Address, PersonName

MUNICIPALITY = "131016"
"""The municipality that keeps them, Chiyoda."""

_NUMERALS = "〇一二三四五六七八九"
_KANA = ("レイ", "イチ", "ニ", "サン", "ヨン", "ゴ", "ロク", "ナナ", "ハチ", "キュウ")
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_BODIES = 10**10
_FIRST, _STEP = 1_234_567, 7_368_787
"""The step has no factor in common with the number of codes, so that no code comes twice."""
_TEXTS = 2_000
"""Different names, and different addresses."""
_EPOCH = date(1930, 1, 1)
_DAYS = 30_000
_ENTERED = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

_RECORD_COLUMNS = (
    "resident_code",
    "name",
    "name_folded",
    "birth_date",
    "sex",
    "address",
    "address_folded",
    "municipality_code",
    "state",
    "entered_at",
    "last_reason",
    "last_event_date",
    "open_elsewhere",
    "position",
)


def code_of(place: int) -> str:
    """Returns the resident code of the synthetic record with this number."""
    return ResidentCode.from_body(f"{(_FIRST + place * _STEP) % _BODIES:010d}").digits


def records(count: int) -> Iterator[tuple[Any, ...]]:
    """Yields rows of `identity_record`."""
    names = [PersonName(name_of(number)) for number in range(_TEXTS)]
    addresses = [Address(address_of(number)) for number in range(_TEXTS)]
    for place in range(count):
        name, address = names[place % _TEXTS], addresses[place * 7 % _TEXTS]
        born = _EPOCH + timedelta(days=place * 31 % _DAYS)
        yield (
            code_of(place),
            name.text,
            name.folded,
            born.isoformat(),
            1 + place % 2,
            address.text,
            address.folded,
            MUNICIPALITY,
            "LIVE",
            _ENTERED,
            "MOVE_IN",
            "2026-01-05",
            [],
            0,
        )


async def seed(owner_url: str, count: int) -> None:
    """Fills the agency's empty tables with `count` records, whose codes count as allotted."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.copy_records_to_table(
            "identity_record", schema_name="public", columns=_RECORD_COLUMNS, records=records(count)
        )
        await connection.copy_records_to_table(
            "allotted_code",
            schema_name="public",
            columns=("resident_code", "municipality"),
            records=((code_of(place), f"municipal/{MUNICIPALITY}") for place in range(count)),
        )
        await connection.execute("VACUUM (ANALYZE) public.identity_record")
        await connection.execute("VACUUM (ANALYZE) public.allotted_code")
    finally:
        await connection.close()


def move_in(numbers: Sequence[int], day: date) -> register_pb.ReportMoveInRequest:
    """Returns the move-in of a synthetic household with one person for each number, which must be new."""
    return register_pb.ReportMoveInRequest(
        act=resident_pb2.Act(request_id=str(uuid.uuid4()), event_date=_day(day)),
        entrants=[_entrant(number, head=place == 0) for place, number in enumerate(numbers)],
        address=address_of(numbers[0] % _TEXTS),
        former_municipality_code="472018",
        former_address="沖縄県那覇市合成",
    )


def name_of(number: int) -> str:
    """Returns a name that says that it is synthetic."""
    return "合成　" + "".join(_NUMERALS[int(digit)] for digit in str(number))


def address_of(number: int) -> str:
    """Returns an address that says that it is synthetic."""
    return f"東京都千代田区合成町{number % 9 + 1}丁目{number}番{number % 17 + 1}号".translate(_FULL_WIDTH)


def _entrant(number: int, *, head: bool) -> resident_pb2.Entrant:
    return resident_pb2.Entrant(
        name=name_of(number),
        kana="ゴウセイ　" + "".join(_KANA[int(digit)] for digit in str(number)),
        birth_date=_day(_EPOCH + timedelta(days=number * 31 % _DAYS)),
        sex=person_pb2.SEX_MALE if number % 2 else person_pb2.SEX_FEMALE,
        relation="世帯主" if head else "同居人",
    )


def _day(day: date) -> civil_date_pb2.CivilDate:
    return civil_date_pb2.CivilDate(year=day.year, month=day.month, day=day.day)
