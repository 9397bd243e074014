"""Which days and places an act may carry."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.refusals import Refusal
from services.municipal.rules.days import check_other_end, check_planned, japanese_day
from services.vocabulary.local_government_code import LocalGovernmentCode

_OWN = LocalGovernmentCode("131016")


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 3, 31, 14, 59, 59, tzinfo=UTC), date(2026, 3, 31)),
        (datetime(2026, 3, 31, 15, 0, 0, tzinfo=UTC), date(2026, 4, 1)),
    ],
)
def test_the_day_begins_at_midnight_in_japan(instant: datetime, day: date) -> None:
    assert japanese_day(instant) == day


@given(st.integers(0, 365), st.integers(-400, 400))
def test_a_move_out_is_planned_within_the_days_of_the_setting(most: int, ahead: int) -> None:
    today = date(2026, 4, 1)
    day = date.fromordinal(today.toordinal() + ahead)

    if ahead <= most:
        check_planned(day, today, most)
    else:
        with pytest.raises(Refusal) as refused:
            check_planned(day, today, most)
        assert refused.value.reason == "DATE_TOO_FAR_AHEAD"


@pytest.mark.parametrize(
    ("code", "day", "reason"),
    [
        ("131016", date(2026, 4, 1), "MUNICIPALITY_IS_OWN"),
        ("141992", date(2026, 4, 1), "MUNICIPALITY_UNKNOWN"),
        ("112208", date(2001, 5, 1), "MUNICIPALITY_ABOLISHED"),
        ("111007", date(2001, 4, 30), "MUNICIPALITY_NOT_YET"),
        ("141011", date(2026, 4, 1), "MUNICIPALITY_KEEPS_NO_REGISTER"),
    ],
)
def test_a_move_has_a_municipality_of_its_day_at_the_other_end(code: str, day: date, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_other_end(LocalGovernmentCode(code), _OWN, day)

    assert refused.value.reason == reason


def test_a_municipality_is_the_other_end_until_the_day_before_it_was_abolished() -> None:
    check_other_end(LocalGovernmentCode("112208"), _OWN, date(2001, 4, 30))
