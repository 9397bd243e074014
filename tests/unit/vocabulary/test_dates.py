"""The dates of a notification: which are refused, which are late."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vocabulary.change import ChangeReason, effect_of
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.dates import EventDates, check_dates, is_late
from services.vocabulary.malformed import Malformed

TODAY = date(2003, 8, 25)
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)

ordered_days = st.lists(st.dates(date(1970, 1, 1), date(2100, 1, 1)), min_size=3, max_size=3).map(sorted)


def refusal(reason: ChangeReason, dates: EventDates, born: CivilDate | None = None) -> str:
    with pytest.raises(Malformed) as refused:
        check_dates(reason, dates, born=born)
    return refused.value.reason


@given(st.sampled_from(ChangeReason), ordered_days)
def test_an_event_then_its_notification_then_its_processing_pass(reason: ChangeReason, days: list[date]) -> None:
    check_dates(reason, EventDates(*days))
    check_dates(reason, EventDates(days[0], None, days[2]), born=CivilDate.of(days[0]))


@pytest.mark.parametrize("reason", ChangeReason)
def test_an_event_of_tomorrow_is_refused_unless_it_may_be_planned(reason: ChangeReason) -> None:
    dates = EventDates(TOMORROW, None, TODAY)

    if effect_of(reason).planned_ahead:
        check_dates(reason, dates)
    else:
        assert refusal(reason, dates) == "DATE_IN_FUTURE"


def test_a_move_out_is_notified_before_it_happens() -> None:
    check_dates(ChangeReason.MOVE_OUT, EventDates(TOMORROW, YESTERDAY, TODAY))


@pytest.mark.parametrize(
    "reason",
    [
        ChangeReason.BIRTH, ChangeReason.MOVE_IN, ChangeReason.MOVE_IN_FROM_ABROAD,
        ChangeReason.RELOCATION, ChangeReason.DEATH,
    ],
)  # fmt: skip
def test_what_must_have_happened_is_not_notified_before(reason: ChangeReason) -> None:
    assert refusal(reason, EventDates(TODAY, YESTERDAY, TODAY)) == "DATE_NOTIFIED_BEFORE_EVENT"


def test_a_notification_of_tomorrow_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        EventDates(TODAY, TOMORROW, TODAY)

    assert refused.value.reason == "DATE_NOTIFIED_IN_FUTURE"


@pytest.mark.parametrize("born", [CivilDate(2003, 8, 25), CivilDate(2003, 9), CivilDate(2004)])
def test_an_event_before_every_day_the_birth_may_be_on_is_refused(born: CivilDate) -> None:
    dates = EventDates(YESTERDAY, TODAY, TODAY)

    assert refusal(ChangeReason.MOVE_IN, dates, born) == "DATE_BEFORE_BIRTH"


@pytest.mark.parametrize(
    "born", [CivilDate(2003, 8, 24), CivilDate(2003, 8), CivilDate(2003), CivilDate.unknown(), None]
)
def test_an_event_on_a_day_the_birth_may_be_on_passes(born: CivilDate | None) -> None:
    check_dates(ChangeReason.MOVE_IN, EventDates(YESTERDAY, TODAY, TODAY), born=born)


@pytest.mark.parametrize(
    ("reason", "last_day"),
    [
        (ChangeReason.MOVE_IN, 14),
        (ChangeReason.MOVE_IN_FROM_ABROAD, 14),
        (ChangeReason.RELOCATION, 14),
        (ChangeReason.HEAD_CHANGE, 14),
        (ChangeReason.BIRTH, 13),
    ],
)
def test_a_notification_is_late_after_its_last_day(reason: ChangeReason, last_day: int) -> None:
    in_time, late = (TODAY + timedelta(days=days) for days in (last_day, last_day + 1))

    assert not is_late(reason, EventDates(TODAY, in_time, late))
    assert is_late(reason, EventDates(TODAY, late, late))


def test_what_has_no_period_or_no_notification_is_never_late() -> None:
    long_after = TODAY + timedelta(days=1000)

    assert not is_late(ChangeReason.MOVE_OUT, EventDates(TODAY, long_after, long_after))
    assert not is_late(ChangeReason.MOVE_IN, EventDates(TODAY, None, long_after))


def test_no_date_is_shown_by_the_repr() -> None:
    assert "2003" not in repr(EventDates(TODAY, TODAY, TODAY))
