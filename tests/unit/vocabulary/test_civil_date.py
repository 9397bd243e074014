"""Civil dates: what is one, what it compares to, how it is written."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vocabulary.civil_date import CivilDate
from services.vocabulary.malformed import Malformed

days = st.dates(date(1868, 1, 1), date(2200, 12, 31))
partial = st.one_of(
    st.just(CivilDate.unknown()),
    st.builds(CivilDate, st.integers(1868, 2200)),
    st.builds(CivilDate, st.integers(1868, 2200), st.integers(1, 12)),
)
civil_dates = st.one_of(partial, days.map(CivilDate.of))


@given(days)
def test_every_day_of_the_calendar_is_a_full_date(day: date) -> None:
    assert CivilDate.of(day).is_full
    assert CivilDate.of(day).to_date() == day
    assert CivilDate.of(day).earliest() == CivilDate.of(day).latest() == day


@given(civil_dates)
def test_what_is_written_is_read_back(when: CivilDate) -> None:
    assert CivilDate.parse_iso(when.iso()) == when


@given(civil_dates)
def test_a_date_lies_between_its_earliest_and_latest_day(when: CivilDate) -> None:
    assert when.earliest() <= when.latest()
    assert (when.earliest() == when.latest()) is when.is_full


@given(partial)
def test_a_partly_known_date_is_no_day(when: CivilDate) -> None:
    with pytest.raises(Malformed) as refused:
        when.to_date()

    assert refused.value.reason == "DATE_PARTIAL"


@pytest.mark.parametrize(
    ("when", "first", "last"),
    [
        (CivilDate(1985, 2), date(1985, 2, 1), date(1985, 2, 28)),
        (CivilDate(1984, 2), date(1984, 2, 1), date(1984, 2, 29)),
        (CivilDate(1985), date(1985, 1, 1), date(1985, 12, 31)),
        (CivilDate.unknown(), date(1868, 1, 1), date(2200, 12, 31)),
    ],
)
def test_a_partly_known_date_spans_what_it_may_be(when: CivilDate, first: date, last: date) -> None:
    assert (when.earliest(), when.latest()) == (first, last)


@pytest.mark.parametrize(
    "parts",
    [
        (2023, 2, 29),
        (1900, 2, 29),
        (1985, 4, 31),
        (1985, 13, 1),
        (1985, 0),
        (1985, 1, 0),
        (1985, None, 1),
        (0, 1),
        (0, None, 1),
    ],
)
def test_what_no_calendar_has_is_refused(parts: tuple[int, ...]) -> None:
    with pytest.raises(Malformed) as refused:
        CivilDate(*parts)

    assert refused.value.reason == "DATE_IMPOSSIBLE"


def test_leap_days_are_dates() -> None:
    assert CivilDate(2000, 2, 29).is_full
    assert CivilDate(2024, 2, 29).is_full


@pytest.mark.parametrize("year", [-1, 1, 1867, 2201, 10_000])
def test_other_years_are_refused(year: int) -> None:
    with pytest.raises(Malformed) as refused:
        CivilDate(year, 1, 1)

    assert refused.value.reason == "DATE_YEAR_OUT_OF_RANGE"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1985-4-1",
        "19850401",
        "1985-04-",
        "85-04-01",
        "Unknown",
        "0000",
        "1985-04-01 ",
        "１９８５",
        "1985/04/01",
        "1985-04-01\n",
    ],
)
def test_other_writings_are_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        CivilDate.parse_iso(text)

    assert refused.value.reason == "DATE_UNREADABLE"


@given(civil_dates, civil_dates)
def test_dates_match_when_the_same_parts_are_known_and_agree(one: CivilDate, other: CivilDate) -> None:
    assert one.matches(one)
    assert one.matches(other) is (one.iso() == other.iso())


@given(days)
def test_a_year_does_not_match_a_day_of_that_year(day: date) -> None:
    assert not CivilDate(day.year).matches(CivilDate.of(day))


def test_a_date_of_birth_is_not_shown_by_its_repr() -> None:
    assert "1985" not in repr(CivilDate(1985, 4, 1))
