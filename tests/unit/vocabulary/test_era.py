"""The Japanese calendar, in and out, at every change of era."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vocabulary.civil_date import CivilDate
from services.vocabulary.era import ERAS, format_era, from_jpki, parse_era, to_jpki
from services.vocabulary.malformed import Malformed

days = st.dates(date(1868, 1, 25), date(2117, 12, 31)).map(CivilDate.of)
years = st.integers(1868, 2117)
civil_dates = st.one_of(
    days,
    st.just(CivilDate.unknown()),
    st.builds(CivilDate, years),
    st.builds(CivilDate, years, st.integers(1, 12)),
)


@pytest.mark.parametrize(
    ("iso", "written"),
    [
        ("1868-01-25", "明治元年1月25日"),
        ("1912-07-29", "明治45年7月29日"),
        ("1912-07-30", "大正元年7月30日"),
        ("1926-12-24", "大正15年12月24日"),
        ("1926-12-25", "昭和元年12月25日"),
        ("1989-01-07", "昭和64年1月7日"),
        ("1989-01-08", "平成元年1月8日"),
        ("2019-04-30", "平成31年4月30日"),
        ("2019-05-01", "令和元年5月1日"),
        ("1985-04-01", "昭和60年4月1日"),
        ("1985-04", "昭和60年4月日不詳"),
        ("1985", "昭和60年月日不詳"),
        ("1989-01", "平成元年1月日不詳"),
        ("1989", "平成元年月日不詳"),
        ("unknown", "年月日不詳"),
    ],
)
def test_dates_are_written_in_their_era_and_read_back(iso: str, written: str) -> None:
    when = CivilDate.parse_iso(iso)

    assert format_era(when) == written
    assert parse_era(written) == when


@given(civil_dates)
def test_what_is_written_is_read_back(when: CivilDate) -> None:
    assert parse_era(format_era(when)) == when
    assert from_jpki(to_jpki(when)) == when


def test_the_eras_follow_one_another_without_a_gap() -> None:
    for one, following in pairwise(ERAS):
        assert one.last + timedelta(days=1) == following.first


@pytest.mark.parametrize(
    "text",
    [
        "昭和60年4月1日", "昭和６０年４月１日", "昭和 60年 4月 1日", "昭和六十年四月一日", "S60.4.1", "s60.04.01",
        "Ｓ６０．４．１", "S60/4/1", "S60-4-1", "㍼60年4月1日", "昭和六〇年四月一日",
    ],
)  # fmt: skip
def test_every_usual_writing_is_read(text: str) -> None:
    assert parse_era(text) == CivilDate(1985, 4, 1)


def test_the_first_year_may_be_written_as_a_number() -> None:
    assert parse_era("令和1年5月1日") == parse_era("R元.5.1") == CivilDate(2019, 5, 1)


@pytest.mark.parametrize(
    "text",
    [
        "明治45年7月30日",
        "大正元年7月29日",
        "昭和64年1月8日",
        "平成元年1月7日",
        "昭和64年2月日不詳",
        "昭和65年月日不詳",
        "S0.1.1",
        "明治元年1月24日",
    ],
)
def test_a_day_that_its_era_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_era(text)

    assert refused.value.reason == "ERA_DATE_OUTSIDE"


@pytest.mark.parametrize(
    "text",
    ["", "1985年4月1日", "昭和60年4月", "昭和年4月1日", "X60.4.1", "昭和60年4月1日生", "昭和十百年4月1日", "S100.1.1"],
)
def test_other_writings_are_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_era(text)

    assert refused.value.reason == "ERA_UNREADABLE"


def test_a_day_of_no_calendar_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        parse_era("昭和60年2月30日")

    assert refused.value.reason == "DATE_IMPOSSIBLE"


def test_a_date_before_the_first_era_is_not_written_in_one() -> None:
    with pytest.raises(Malformed) as refused:
        format_era(CivilDate(1868, 1, 24))

    assert refused.value.reason == "ERA_DATE_OUTSIDE"


@pytest.mark.parametrize(
    ("iso", "digits"),
    [
        ("1985-04-01", "319850401"), ("1900-01-01", "119000101"), ("1920-01-01", "219200101"),
        ("1989-01-08", "419890108"), ("2019-05-01", "520190501"), ("1985-04", "319850400"),
        ("1985", "319850000"), ("unknown", "000000000"), ("1868-01-24", "018680124"),
    ],
)  # fmt: skip
def test_the_nine_digits_of_the_certificates(iso: str, digits: str) -> None:
    when = CivilDate.parse_iso(iso)

    assert to_jpki(when) == digits
    assert from_jpki(digits) == when


@pytest.mark.parametrize("digits", ["", "19850401", "619850401", "3198504010", "３19850401", "31985040x"])
def test_other_digits_are_refused(digits: str) -> None:
    with pytest.raises(Malformed) as refused:
        from_jpki(digits)

    assert refused.value.reason == "JPKI_DATE_UNREADABLE"


@pytest.mark.parametrize("digits", ["419890107", "319890108", "100000000", "319900000"])
def test_digits_of_another_era_are_refused(digits: str) -> None:
    with pytest.raises(Malformed) as refused:
        from_jpki(digits)

    assert refused.value.reason == "ERA_DATE_OUTSIDE"


@given(days, st.data())
def test_every_truncation_is_refused(when: CivilDate, data: st.DataObject) -> None:
    written, digits = format_era(when), to_jpki(when)

    with pytest.raises(Malformed) as refused:
        parse_era(written[: data.draw(st.integers(0, len(written) - 1))])
    assert refused.value.reason == "ERA_UNREADABLE"
    with pytest.raises(Malformed) as refused:
        from_jpki(digits[: data.draw(st.integers(0, 8))])
    assert refused.value.reason == "JPKI_DATE_UNREADABLE"
