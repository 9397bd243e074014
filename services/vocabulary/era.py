"""How a civil date is written in the Japanese calendar."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from services.vocabulary.civil_date import CivilDate
from services.vocabulary.malformed import Malformed
from services.vocabulary.numerals import KANJI_NUMERALS, kanji_number


@dataclass(frozen=True, slots=True)
class Era:
    """An era (元号): its digit in the certificates' dates, its name, its letter, and its first and last day."""

    digit: int
    name: str
    letter: str
    first: date
    last: date


ERAS = (
    Era(1, "明治", "M", date(1868, 1, 25), date(1912, 7, 29)),
    Era(2, "大正", "T", date(1912, 7, 30), date(1926, 12, 24)),
    Era(3, "昭和", "S", date(1926, 12, 25), date(1989, 1, 7)),
    Era(4, "平成", "H", date(1989, 1, 8), date(2019, 4, 30)),
    Era(5, "令和", "R", date(2019, 5, 1), date.max),
)
"""The eras since the edict of one era a reign; the day of a change belongs to the new era.

The lunar calendar was in force until Meiji 5, December 2, and the next day was January 1, 1873. Days before that are
read here as days of the Gregorian calendar, so a lunar date has to be converted before it comes here.
"""

_BY_NAME = {key: era for era in ERAS for key in (era.name, era.letter)}
_NUMBER = rf"([0-9]{{1,2}}|[{KANJI_NUMERALS}]{{1,4}})"
_YEAR = rf"({'|'.join(_BY_NAME)})(元|[0-9]{{1,2}}|[{KANJI_NUMERALS}]{{1,4}})"
_FORMS = (
    re.compile(rf"{_YEAR}年{_NUMBER}月{_NUMBER}日"),
    re.compile(rf"{_YEAR}[./\-]{_NUMBER}[./\-]{_NUMBER}"),
    re.compile(rf"{_YEAR}年{_NUMBER}月日不詳"),
    re.compile(rf"{_YEAR}年月日不詳"),
)
_UNKNOWN = "年月日不詳"
_JPKI = re.compile(r"([0-5])([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)


def format_era(when: CivilDate) -> str:
    """Writes 昭和60年4月1日, with 元年 for a first year and 日不詳, 月日不詳 or 年月日不詳 for what is not known.

    A partly known date in a year or month of two eras is written in the later one. Raises `Malformed` with
    ERA_DATE_OUTSIDE for days before the first era.
    """
    if when.is_unknown:
        return _UNKNOWN
    era = _era_of(when)
    if era is None:
        raise Malformed("ERA_DATE_OUTSIDE", "dates before 1868-01-25 have no era here: write them in Gregorian years")
    number = when.year - era.first.year + 1
    year = f"{era.name}{'元' if number == 1 else number}年"
    if when.month is None:
        return f"{year}月日不詳"
    return f"{year}{when.month}月" + ("日不詳" if when.day is None else f"{when.day}日")


def parse_era(text: str) -> CivilDate:
    """Reads what `format_era` writes, and S60.4.1, S60/4/1 and S60-4-1, in either width, with kanji numbers too.

    Raises `Malformed`: ERA_UNREADABLE for another form, ERA_DATE_OUTSIDE for a day that its era does not have,
    DATE_IMPOSSIBLE for a day that no calendar has.
    """
    plain = "".join(unicodedata.normalize("NFKC", text).split()).upper()
    if plain == _UNKNOWN:
        return CivilDate.unknown()
    read = next((found for form in _FORMS if (found := form.fullmatch(plain))), None)
    if read is None:
        raise Malformed("ERA_UNREADABLE", "write a date as 昭和60年4月1日 or S60.4.1")
    name, *numbers = read.groups()
    era = _BY_NAME[name]
    year, *rest = (_number(number) for number in numbers)
    if year < 1:
        raise Malformed("ERA_DATE_OUTSIDE", "the years of an era begin with 1")
    return _within(era, CivilDate(era.first.year + year - 1, *rest))


def to_jpki(when: CivilDate) -> str:
    """Writes the nine digits EYYYYMMDD of the resident certificates: E the era 1 to 5, YYYY Gregorian.

    Unknown parts are zeros, and E is 0 where the era is not known. (Digits: attribute 1.2.392.200149.8.5.5.4.)
    """
    era = None if when.is_unknown else _era_of(when)
    return f"{era.digit if era else 0}{when.year:04}{when.month or 0:02}{when.day or 0:02}"


def from_jpki(digits: str) -> CivilDate:
    """Reads what `to_jpki` writes.

    Raises `Malformed`: JPKI_DATE_UNREADABLE for another form, and as `parse_era` for a day outside of its era.
    """
    read = _JPKI.fullmatch(digits)
    if read is None:
        raise Malformed("JPKI_DATE_UNREADABLE", "write nine digits: era 0 to 5, year, month, day")
    era, year, month, day = (int(part) for part in read.groups())
    when = CivilDate(year, month or None, day or None)
    if era == 0:
        return when
    return _within(ERAS[era - 1], when)


def _era_of(when: CivilDate) -> Era | None:
    latest = when.latest()
    return next((era for era in reversed(ERAS) if era.first <= latest), None)


def _within(era: Era, when: CivilDate) -> CivilDate:
    if when.is_unknown or when.latest() < era.first or when.earliest() > era.last:
        raise Malformed("ERA_DATE_OUTSIDE", f"the era runs from {era.first} to {era.last}: correct the era or the date")
    return when


def _number(text: str) -> int:
    if text == "元":
        return 1
    if text.isascii():
        return int(text)
    number = kanji_number(text)
    if number is None:
        raise Malformed("ERA_UNREADABLE", "write the numbers of a date in digits")
    return number
