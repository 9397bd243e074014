"""What a card may hold, and which PINs it has."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.card.rules.profile import (
    PHOTOGRAPH_LIMIT,
    OperatorCard,
    PinName,
    ResidentCard,
    check_pins,
    check_profile,
    years_after,
)
from services.foundation.refusals import Refusal
from services.vocabulary.resident_code import ResidentCode

_TODAY = date(2026, 4, 1)
_JPEG = b"\xff\xd8\xff\xe0 picture \xff\xd9"


def _card(expires_on: date = _TODAY, photograph: bytes = b"", *, jpki: bool = False) -> ResidentCard:
    return ResidentCard(ResidentCode("12345678903"), expires_on, photograph, jpki)


def _reason(card: ResidentCard) -> str:
    with pytest.raises(Refusal) as refused:
        check_profile(card, _TODAY)
    return refused.value.reason


@given(st.dates(date(2020, 1, 1), date(2045, 1, 1)))
def test_a_card_is_good_from_today_to_ten_years_ahead(last: date) -> None:
    if _TODAY <= last <= date(2036, 4, 1):
        check_profile(_card(last), _TODAY)
    else:
        assert _reason(_card(last)) == "CARD_EXPIRED"


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_ten_years_after_any_day_there_is_a_day(day: date) -> None:
    after = years_after(day, 10)

    assert (after.year, after.month) == (day.year + 10, day.month)
    assert day.day - after.day in (0, 1)
    assert abs((after - day) - timedelta(days=3652)) <= timedelta(days=2)


def test_a_photograph_is_a_whole_jpeg_of_bounded_size() -> None:
    largest = _JPEG[:4] + bytes(PHOTOGRAPH_LIMIT - 6) + _JPEG[-2:]
    for good in (b"", _JPEG, largest):
        check_profile(_card(photograph=good), _TODAY)
    for bad in (_JPEG[:-1], _JPEG[1:], largest[:4] + b"\0" + largest[4:], b"GIF89a"):
        assert _reason(_card(photograph=bad)) == "PHOTOGRAPH_MALFORMED"


def test_an_operators_card_holds_nothing_of_a_resident() -> None:
    check_profile(OperatorCard(), _TODAY)

    assert OperatorCard().pins == {PinName.OPERATOR}


def test_a_residents_card_has_the_pins_of_its_areas() -> None:
    assert _card().pins == {PinName.JUKI_NET}
    assert _card(jpki=True).pins == {PinName.JUKI_NET, PinName.AUTHENTICATION, PinName.SIGNATURE}


@given(st.sets(st.sampled_from(PinName)), st.sets(st.sampled_from(PinName)))
def test_exactly_the_pins_of_the_card_are_given(card: set[PinName], given_pins: set[PinName]) -> None:
    if card == given_pins:
        check_pins(card, given_pins)
        return
    with pytest.raises(Refusal) as refused:
        check_pins(card, given_pins)

    assert refused.value.reason == "PIN_MISSING"
    assert PinName(refused.value.facts["pin"]) in card ^ given_pins


def test_a_profile_shows_nothing_of_the_resident() -> None:
    assert "12345678903" not in repr(_card(photograph=_JPEG))
