"""What a civil date is when its day, its month or all of it may be unknown."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

from services.vocabulary.malformed import Malformed

FIRST_YEAR = 1868
LAST_YEAR = 2200

_ISO = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


@dataclass(frozen=True, slots=True, repr=False)
class CivilDate:
    """A date of the civil calendar, known wholly, to the month, to the year, or not at all (日不詳, 月日不詳, 不詳).

    `year` is Gregorian, 1868 to 2200, or 0 when nothing is known. Raises `Malformed` with DATE_IMPOSSIBLE for what no
    calendar has, with DATE_YEAR_OUT_OF_RANGE for other years. Two dates are equal when the same parts are known and are
    the same; a partly known date has no order, so `earliest` and `latest` give the days it may lie between.
    """

    year: int
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        year, month, day = self.year, self.month, self.day
        if year == 0:
            if month is not None or day is not None:
                raise Malformed("DATE_IMPOSSIBLE", "a month or day is of use only with its year")
            return
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise Malformed("DATE_YEAR_OUT_OF_RANGE", f"give a Gregorian year from {FIRST_YEAR} to {LAST_YEAR}")
        if month is None:
            if day is not None:
                raise Malformed("DATE_IMPOSSIBLE", "a day is of use only with its month")
        elif not 1 <= month <= 12 or not (day is None or 1 <= day <= calendar.monthrange(year, month)[1]):
            raise Malformed("DATE_IMPOSSIBLE", "no calendar has that day: compare it with the document")

    @classmethod
    def of(cls, day: date) -> CivilDate:
        """Makes the fully known date of `day`."""
        return cls(day.year, day.month, day.day)

    @classmethod
    def unknown(cls) -> CivilDate:
        """Makes the date of which nothing is known."""
        return cls(0)

    @classmethod
    def parse_iso(cls, text: str) -> CivilDate:
        """Reads what `iso` writes; raises `Malformed` with DATE_UNREADABLE for any other form."""
        if text == "unknown":
            return cls(0)
        read = _ISO.fullmatch(text)
        if read is None or read[1] == "0000":
            raise Malformed("DATE_UNREADABLE", "write a date as 1985-04-01, 1985-04, 1985 or unknown")
        return cls(*(None if part is None else int(part) for part in read.groups()))  # type: ignore[arg-type] # the year is there

    def iso(self) -> str:
        """Writes `1985-04-01`, `1985-04`, `1985` or `unknown`."""
        if self.year == 0:
            return "unknown"
        if self.month is None:
            return f"{self.year:04}"
        return f"{self.year:04}-{self.month:02}" + ("" if self.day is None else f"-{self.day:02}")

    @property
    def is_full(self) -> bool:
        """True when year, month and day are known."""
        return self.day is not None

    @property
    def is_unknown(self) -> bool:
        """True when nothing is known."""
        return self.year == 0

    def to_date(self) -> date:
        """Gives the calendar day; raises `Malformed` with DATE_PARTIAL when it is not fully known."""
        if self.month is None or self.day is None:
            raise Malformed("DATE_PARTIAL", "a full date is needed here: complete month and day")
        return date(self.year, self.month, self.day)

    def earliest(self) -> date:
        """Gives the first day this may be."""
        return date(self.year or FIRST_YEAR, self.month or 1, self.day or 1)

    def latest(self) -> date:
        """Gives the last day this may be."""
        year, month = self.year or LAST_YEAR, self.month or 12
        return date(year, month, self.day or calendar.monthrange(year, month)[1])

    def matches(self, other: CivilDate) -> bool:
        """True when both know the same parts and these agree.

        A year alone does not match a full date of that year: a match must not come easier for lack of knowledge. Two
        wholly unknown dates do match, since that is what both registers hold.
        """
        return self == other

    def __repr__(self) -> str:
        return "CivilDate(********)"
