"""National holidays of Japan (国民の祝日に関する法律) from 2003 to 2099, so that look-ups on them can be told."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

_MONDAY, _SUNDAY = 0, 6
_FIXED = ((1, 1), (2, 11), (5, 3), (5, 5), (11, 3), (11, 23))
_MOVED = {
    2019: ((4, 30), (5, 1), (5, 2), (10, 22)),
    2020: ((7, 23), (7, 24), (8, 10)),
    2021: ((7, 22), (7, 23), (8, 8)),
}
"""Days of the years in which an accession or the games moved or added holidays."""
_GAMES = (2020, 2021)


def is_holiday(day: date) -> bool:
    """Tells whether a day is a national holiday, a substitute for one, or lies between two."""
    return day in _of(day.year)


@cache
def _of(year: int) -> frozenset[date]:
    days = {date(year, month, day) for month, day in (*_FIXED, *_MOVED.get(year, ()))}
    days |= {date(year, 3, _spring(year)), date(year, 9, _autumn(year)), _monday(year, 1, 2), _monday(year, 9, 3)}
    days |= {date(year, 4, 29)} | ({date(year, 5, 4)} if year >= 2007 else set())
    if year not in _GAMES:
        days |= {_monday(year, 7, 3), _monday(year, 10, 2)} | ({date(year, 8, 11)} if year >= 2016 else set())
    if year <= 2018:
        days.add(date(year, 12, 23))
    if year >= 2020:
        days.add(date(year, 2, 23))
    return frozenset(_with_substitutes(days) | _between(days))


def _with_substitutes(days: set[date]) -> set[date]:
    """Adds the next day that is none for each that falls on a Sunday (Act, art. 3(2))."""
    found = set(days)
    for day in sorted(days):
        if day.weekday() == _SUNDAY:
            following = day + timedelta(days=1)
            while following in found:
                following += timedelta(days=1)
            found.add(following)
    return found


def _between(days: set[date]) -> set[date]:
    """Returns the days between two holidays (Act, art. 3(3)), which are holidays unless they are Sundays."""
    after = {day + timedelta(days=1) for day in days if day + timedelta(days=2) in days}
    return {day for day in after if day.weekday() != _SUNDAY}


def _monday(year: int, month: int, which: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(_MONDAY - first.weekday()) % 7 + 7 * (which - 1))


def _spring(year: int) -> int:
    """Returns the day of March on which the equinox falls in Japan, right for 1980 to 2099."""
    return int(20.8431 + 0.242194 * (year - 1980)) - (year - 1980) // 4


def _autumn(year: int) -> int:
    """Returns the day of September on which the equinox falls in Japan, right for 1980 to 2099."""
    return int(23.2488 + 0.242194 * (year - 1980)) - (year - 1980) // 4
