"""How much may be asked in a day and in a second, whatever the clock does."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.confirmation.rules.quota import Meter
from services.foundation.refusals import Refusal
from services.foundation.rpc.status import status_of
from tests.unit.confirmation.makers import affair, grant

JST = timezone(timedelta(hours=9))
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=JST)


def taken(meter: Meter, count: int, at: datetime = NOON, **limits: float) -> str:
    """Takes, and returns the reason of the refusal, empty for none."""
    quota = int(limits["quota"]) if "quota" in limits else None
    try:
        meter.take(grant(quota=quota, pace=limits.get("pace"), burst=int(limits.get("burst", 1))), count, at)
    except Refusal as refusal:
        return refusal.reason
    return ""


@given(st.integers(1, 500), st.lists(st.integers(1, 100), max_size=40))
def test_no_more_is_let_through_in_a_day_than_the_quota(quota: int, counts: list[int]) -> None:
    meter, through = Meter(), 0

    for count in counts:
        refused = taken(meter, count, quota=quota)
        assert (refused == "QUOTA_EXHAUSTED") == (through + count > quota)
        through += 0 if refused else count

    assert meter.left_of(grant(quota=quota), NOON) == quota - through


def test_the_next_day_of_japan_begins_anew() -> None:
    meter = Meter()
    before, after = NOON.replace(hour=23, minute=59), NOON.replace(hour=0, minute=0) + timedelta(days=1)
    assert taken(meter, 5, before, quota=5) == ""
    assert taken(meter, 1, before, quota=5) == "QUOTA_EXHAUSTED"

    assert taken(meter, 5, after, quota=5) == ""
    assert taken(meter, 1, before, quota=5) == "QUOTA_EXHAUSTED", "a clock put back opens no new day"


def test_what_was_asked_before_the_start_counts() -> None:
    meter = Meter()
    meter.restore(date(2026, 11, 24), {("relying/local-pension", "b1-19"): 4})

    assert taken(meter, 2, quota=5) == "QUOTA_EXHAUSTED"
    assert taken(meter, 1, quota=5) == ""


def test_each_body_and_affair_has_its_own_quota() -> None:
    meter = Meter()
    for row in (grant(quota=1), grant(quota=1, body="relying/other"), grant(quota=1, of=affair("b1-20"))):
        meter.take(row, 1, NOON)
        with pytest.raises(Refusal):
            meter.take(row, 1, NOON)


@given(st.lists(st.floats(0, 3, allow_nan=False), max_size=60), st.integers(1, 5), st.integers(1, 10))
def test_no_more_comes_through_than_burst_and_pace_allow(pauses: list[float], pace: int, burst: int) -> None:
    meter, at, through = Meter(), NOON, 0

    for pause in pauses:
        at += timedelta(seconds=pause)
        through += not taken(meter, 1, at, pace=pace, burst=burst)
        # A rest refills the bucket to its burst and no further, so this bound is the loosest that holds.
        assert through <= burst + pace * (at - NOON).total_seconds() + 1


def test_whoever_asks_too_fast_is_told_when_to_come_again() -> None:
    meter, row = Meter(), grant(pace=0.5)
    meter.take(row, 1, NOON)

    with pytest.raises(Refusal) as refused:
        meter.take(row, 1, NOON)

    assert (refused.value.reason, refused.value.facts["retry_seconds"]) == ("PACE_EXCEEDED", "2")
    assert "RetryInfo" in str(status_of(refused.value, "agency.juki.example"))
    assert taken(meter, 1, NOON + timedelta(seconds=2), pace=0.5) == ""


def test_a_large_question_is_let_through_once_and_paid_for_after() -> None:
    meter = Meter()

    assert taken(meter, 100, pace=10) == ""
    assert taken(meter, 1, NOON + timedelta(seconds=9.8), pace=10) == "PACE_EXCEEDED"
    assert taken(meter, 1, NOON + timedelta(seconds=10), pace=10) == ""


def test_a_refusal_counts_nothing() -> None:
    meter = Meter()
    assert taken(meter, 1, pace=1, quota=10) == ""
    assert taken(meter, 1, pace=1, quota=10) == "PACE_EXCEEDED"

    assert meter.left_of(grant(quota=10), NOON) == 9


def test_without_limits_nothing_is_counted() -> None:
    meter = Meter()

    assert taken(meter, 10**9) == ""
    assert meter.left_of(grant(), NOON) is None
