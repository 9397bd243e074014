"""Which municipality a code stands for on a day."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib import resources

from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed


class MunicipalityKind(StrEnum):
    """What kind of body a code stands for."""

    DESIGNATED_CITY = "designated-city"
    """政令指定都市"""
    CITY = "city"
    """市"""
    SPECIAL_WARD = "special-ward"
    """特別区"""
    TOWN = "town"
    """町"""
    VILLAGE = "village"
    """村"""
    NORTHERN_VILLAGE = "northern-village"
    """One of the six villages that have a code and no administration."""
    WARD = "ward"
    """行政区: part of a designated city, which alone is the body that keeps the register."""


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality as it was on a day; `kana` is empty for names that the directory knows from history only."""

    code: LocalGovernmentCode
    name: str
    kana: str
    prefecture_name: str
    kind: MunicipalityKind

    @property
    def keeps_register(self) -> bool:
        """True for a body that keeps a resident register: neither a ward of a city nor a village without office."""
        return self.kind not in (MunicipalityKind.WARD, MunicipalityKind.NORTHERN_VILLAGE)


@dataclass(frozen=True, slots=True)
class _Period:
    """The days [since, until) during which a code stood for one municipality under one name; None is an open end."""

    municipality: Municipality
    since: date | None
    until: date | None
    successors: tuple[LocalGovernmentCode, ...]

    def lasts_beyond(self, day: date) -> bool:
        """True when the period ends after `day` or not at all."""
        return self.until is None or day < self.until


def municipality_at(code: LocalGovernmentCode, day: date) -> Municipality:
    """Finds the municipality of `code` on `day`.

    Raises `Malformed`: MUNICIPALITY_UNKNOWN, MUNICIPALITY_ABOLISHED (the advice names the codes that stand for it on
    that day) or MUNICIPALITY_NOT_YET. The directory reaches back to 1970 and takes what it does not know to have begun
    later as having been there before; days after its last edition are answered by that edition.
    """
    periods = _periods_of(code)
    first = periods[0].since
    if first is not None and day < first:
        raise Malformed("MUNICIPALITY_NOT_YET", f"{code} exists since {first}: use the code before it")
    for period in periods:
        if period.lasts_beyond(day):
            return period.municipality
    heirs = " or ".join(heir.digits for heir in _heirs(code, day))
    raise Malformed("MUNICIPALITY_ABOLISHED", f"{code} was abolished on {periods[-1].until}: use {heirs}")


def successor_chain(code: LocalGovernmentCode) -> tuple[LocalGovernmentCode, ...]:
    """Lists the codes that followed `code`, nearest first, each once; empty while the code is in force.

    Where a municipality was divided, every part is listed. Raises `Malformed` with MUNICIPALITY_UNKNOWN.
    """
    chain: dict[LocalGovernmentCode, None] = {}
    following = list(_periods_of(code)[-1].successors)
    while following:
        chain |= dict.fromkeys(following)
        following = [heir for one in following for heir in _periods_of(one)[-1].successors if heir not in chain]
    return tuple(chain)


def _heirs(code: LocalGovernmentCode, day: date) -> tuple[LocalGovernmentCode, ...]:
    """Lists the codes that stand on `day` for what `code` stood for."""
    last = _periods_of(code)[-1]
    if last.lasts_beyond(day):
        return (code,)
    return tuple(dict.fromkeys(heir for one in last.successors for heir in _heirs(one, day)))


def _periods_of(code: LocalGovernmentCode) -> tuple[_Period, ...]:
    try:
        return _directory()[code.digits]
    except KeyError:
        advice = f"{code} is no municipality's code: look it up in the directory"
        raise Malformed("MUNICIPALITY_UNKNOWN", advice) from None


def prefecture_name(prefecture: str) -> str:
    """Gives the name of a prefecture by its two digits (JIS X 0401); raises `Malformed` with PREFECTURE_UNKNOWN."""
    try:
        return _prefectures()[prefecture]
    except KeyError:
        raise Malformed("PREFECTURE_UNKNOWN", "give the two digits of a prefecture, 01 to 47") from None


@cache
def _directory() -> dict[str, tuple[_Period, ...]]:
    periods: dict[str, tuple[_Period, ...]] = {}
    for row in _rows("municipalities.csv"):
        periods[row["code"]] = (*periods.get(row["code"], ()), _period(row))
    return periods


def _period(row: dict[str, str]) -> _Period:
    code = LocalGovernmentCode(row["code"])
    return _Period(
        Municipality(code, row["name"], row["kana"], prefecture_name(code.prefecture), MunicipalityKind(row["kind"])),
        date.fromisoformat(row["since"]) if row["since"] else None,
        date.fromisoformat(row["until"]) if row["until"] else None,
        tuple(LocalGovernmentCode(successor) for successor in row["successors"].split()),
    )


@cache
def _prefectures() -> dict[str, str]:
    return {row["code"]: row["name"] for row in _rows("prefectures.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
