"""Which dates, times and municipalities a change may have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.confirmation.refusals import ChangeRefused
from services.confirmation.rules.admission import check_change, check_relay
from services.confirmation.rules.record import ReportedChange
from services.vocabulary.change import ChangeReason
from services.vocabulary.local_government_code import LocalGovernmentCode
from tests.unit.confirmation.makers import CHIYODA, NOW, at, attributes, change


def reason_of(reported: ReportedChange, now: datetime = NOW) -> str:
    with pytest.raises(ChangeRefused) as refused:
        check_change(reported, reported.municipality.digits, now)
    return refused.value.reason


def test_a_birth_tomorrow_is_refused() -> None:
    assert reason_of(change(ChangeReason.BIRTH, event_date="2026-11-02")) == "CHANGE_DATE_IMPOSSIBLE"


def test_a_move_out_tomorrow_is_planned() -> None:
    check_change(change(ChangeReason.MOVE_OUT, event_date="2026-11-02"), CHIYODA, NOW)


def test_a_change_before_the_birth_is_refused() -> None:
    early = change(ChangeReason.RELOCATION, event_date="2026-10-01", held=attributes(birth_date="2026-10-15"))

    assert reason_of(early) == "CHANGE_DATE_IMPOSSIBLE"


def test_a_death_of_which_only_the_month_is_known_passes() -> None:
    check_change(change(ChangeReason.DEATH, event_date="2026-11"), CHIYODA, NOW)


def test_a_death_in_a_month_to_come_is_refused() -> None:
    assert reason_of(change(ChangeReason.DEATH, event_date="2026-12")) == "CHANGE_DATE_IMPOSSIBLE"


def test_a_change_of_no_known_date_is_refused() -> None:
    assert reason_of(change(ChangeReason.DEATH, event_date="unknown")) == "CHANGE_DATE_IMPOSSIBLE"


def test_the_day_of_processing_is_that_of_japan() -> None:
    # 16:00 in UTC on the 1st is the 2nd in Tokyo.
    late = change(ChangeReason.BIRTH, minutes=15 * 60, event_date="2026-11-02")

    check_change(late, CHIYODA, NOW)


def test_a_clock_that_is_ahead_is_refused() -> None:
    reported = change(ChangeReason.BIRTH)

    assert reason_of(reported, at(0) - timedelta(minutes=11)) == "PROCESS_TIME_IN_FUTURE"
    check_change(reported, CHIYODA, at(0) - timedelta(minutes=9))


def test_a_municipality_that_the_directory_does_not_have_is_refused() -> None:
    unknown = LocalGovernmentCode.from_body("13999").digits

    assert reason_of(change(ChangeReason.BIRTH, unknown)) == "MUNICIPALITY_UNKNOWN"


def test_a_ward_of_a_designated_city_keeps_no_register() -> None:
    assert reason_of(change(ChangeReason.BIRTH, "141011")) == "MUNICIPALITY_UNKNOWN"


def test_a_municipality_that_was_abolished_is_refused() -> None:
    # 保谷市 became part of 西東京市 in 2001.
    assert reason_of(change(ChangeReason.BIRTH, LocalGovernmentCode.from_body("13216").digits)) == (
        "MUNICIPALITY_ABOLISHED"
    )


def test_an_event_older_than_the_municipality_passes() -> None:
    # 西東京市 was founded in 2001.
    old = change(ChangeReason.BIRTH, LocalGovernmentCode.from_body("13229").digits, event_date="1985-04-01")

    check_change(old, old.municipality.digits, NOW)


def test_a_municipality_processes_nothing_before_its_foundation() -> None:
    young = LocalGovernmentCode.from_body("13229").digits
    processed = datetime(1999, 4, 1, tzinfo=UTC)
    early = change(ChangeReason.BIRTH, young, event_date="1999-04-01")

    assert reason_of(replace(early, processed_at=processed)) == "MUNICIPALITY_NOT_YET"


@pytest.mark.parametrize(("municipality", "prefecture"), [("141003", "13"), ("130001", "13")])
def test_a_prefecture_relays_its_own_municipalities_only(municipality: str, prefecture: str) -> None:
    with pytest.raises(ChangeRefused) as refused:
        check_relay(LocalGovernmentCode(municipality), prefecture)

    assert refused.value.reason == "MUNICIPALITY_OUTSIDE_PREFECTURE"
