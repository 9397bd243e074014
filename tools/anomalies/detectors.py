"""What is worth an explanation: each detector looks for one pattern, and says in words what it found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import TypeVar

from tools.anomalies.holidays import is_holiday
from tools.anomalies.lookups import BULK, Lookup

_SATURDAY = 5
_SHOWN = 5
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on something is told."""

    mass_least: int = 200
    """Single look-ups of one body or operator for one affair in a day, below which nothing is a mass."""
    mass_factor: float = 5.0
    """How many times the median of the other days makes a mass."""
    bulk_factor: float = 3.0
    """The same for bulk confirmations."""
    off_hours_least: int = 5
    """Single look-ups in a night or on a day off."""
    opens_at: int = 7
    """Hour of Japan at which a working day begins."""
    closes_at: int = 21
    """Hour of Japan at which it ends."""
    burst_count: int = 30
    """Single look-ups within `burst_seconds`."""
    burst_seconds: float = 60.0
    many_least: int = 4
    """Bodies or operators that looked one resident up."""
    again_least: int = 4
    """Cases under which one body or operator looked one resident up."""
    refused_least: int = 10
    """Refused calls of one body or operator in a day."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should explain."""

    kind: str
    who: str
    day: date
    count: int
    explanation: str
    places: tuple[int, ...]
    """Indices of the first entries that it rests on."""


def find(
    lookups: Sequence[Lookup], limits: Limits, about: Mapping[int, Sequence[Lookup]] | None = None
) -> list[Finding]:
    """Returns everything that is told, the newest day first; `about` has the look-ups of watched residents."""
    answered = [one for one in lookups if not one.refused]
    single = [one for one in answered if one.action != BULK]
    found = [
        *_mass(single, "MASS_LOOK_UPS", "look-ups", limits.mass_factor, limits),
        *_mass([one for one in answered if one.action == BULK], "MASS_BULK", "bulk", limits.bulk_factor, limits),
        *_off_hours(single, limits),
        *_bursts(single, limits),
        *_refused([one for one in lookups if one.refused], limits),
        *(one for place, held in (about or {}).items() for one in _of_resident(place, held, limits)),
    ]
    return sorted(found, key=lambda one: (one.day, one.kind, one.who), reverse=True)


def _mass(lookups: Iterable[Lookup], kind: str, what: str, factor: float, limits: Limits) -> Iterator[Finding]:
    by_day: dict[tuple[str, str], dict[date, list[Lookup]]] = defaultdict(lambda: defaultdict(list))
    for one in lookups:
        by_day[one.who, one.affair][one.at.date()].append(one)
    for (who, affair), days in by_day.items():
        for day, held in days.items():
            others = [len(each) for other, each in days.items() if other != day]
            usual = median(others) if others else 0
            if len(held) < limits.mass_least or len(held) < factor * usual:
                continue
            text = f"{len(held)} {what} for {affair}; on the other days {usual:g}" if others else ""
            yield _finding(kind, who, day, held, text or f"{len(held)} {what} for {affair} on the only day there is")


def _off_hours(lookups: Iterable[Lookup], limits: Limits) -> Iterator[Finding]:
    for (who, day), held in _grouped(lookups, lambda one: (one.who, one.at.date())):
        off_day = day.weekday() >= _SATURDAY or is_holiday(day)
        outside = [one for one in held if off_day or not limits.opens_at <= one.at.hour < limits.closes_at]
        if len(outside) >= limits.off_hours_least:
            hours = f"from {outside[0].at:%H:%M} to {outside[-1].at:%H:%M}"
            when = "on a weekend" if day.weekday() >= _SATURDAY else "on a holiday" if off_day else "at night"
            yield _finding("OFF_HOURS", who, day, outside, f"{len(outside)} look-ups {when}, {hours}")


def _bursts(lookups: Iterable[Lookup], limits: Limits) -> Iterator[Finding]:
    span = timedelta(seconds=limits.burst_seconds)
    for (who, day), held in _grouped(lookups, lambda one: (one.who, one.at.date())):
        times = sorted(held, key=lambda one: one.at)
        begin, most = 0, times[:0]
        for end, one in enumerate(times):
            while one.at - times[begin].at > span:
                begin += 1
            if end + 1 - begin > len(most):
                most = times[begin : end + 1]
        if len(most) >= limits.burst_count:
            text = f"{len(most)} look-ups within {limits.burst_seconds:g} s from {most[0].at:%H:%M:%S}"
            yield _finding("BURST", who, day, most, text)


def _refused(lookups: Iterable[Lookup], limits: Limits) -> Iterator[Finding]:
    for (who, day), held in _grouped(lookups, lambda one: (one.who, one.at.date())):
        if len(held) >= limits.refused_least:
            reasons = sorted({one.refused for one in held})
            text = f"{len(held)} calls refused: {', '.join(reasons[:_SHOWN])}"
            yield _finding("REFUSED_OFTEN", who, day, held, text)


def _of_resident(place: int, lookups: Sequence[Lookup], limits: Limits) -> Iterator[Finding]:
    answered = [one for one in lookups if not one.refused and one.action != BULK]
    by_who = dict(_grouped(answered, lambda one: one.who))
    resident = f"resident {place + 1} of the list"
    if len(by_who) >= limits.many_least:
        text = f"{resident} was looked up by {len(by_who)} bodies or operators, {len(answered)} times"
        yield _finding("ONE_BY_MANY", ", ".join(sorted(by_who)[:_SHOWN]), answered[-1].at.date(), answered, text)
    for who, held in by_who.items():
        cases = {one.case for one in held}
        if len(cases) >= limits.again_least:
            text = f"{resident} was looked up {len(held)} times under {len(cases)} cases"
            yield _finding("ONE_AGAIN_AND_AGAIN", who, held[-1].at.date(), held, text)


def _grouped(lookups: Iterable[Lookup], key: Callable[[Lookup], _Key]) -> Iterable[tuple[_Key, list[Lookup]]]:
    groups: dict[_Key, list[Lookup]] = defaultdict(list)
    for one in lookups:
        groups[key(one)].append(one)
    return groups.items()


def _finding(kind: str, who: str, day: date, lookups: Sequence[Lookup], explanation: str) -> Finding:
    return Finding(kind, who, day, len(lookups), explanation, tuple(one.place for one in lookups[:_SHOWN]))
