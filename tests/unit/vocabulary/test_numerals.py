"""Numbers in kanji, both ways of writing them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vocabulary.numerals import kanji_number

DIGITS = "〇一二三四五六七八九"


def with_units(number: int) -> str:
    written = ""
    for unit, power in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit = number // power % 10
        if digit:
            written += unit if digit == 1 and unit else DIGITS[digit] + unit
    return written


@given(st.integers(1, 9999))
def test_numbers_with_units_are_read(number: int) -> None:
    assert kanji_number(with_units(number)) == number


@given(st.integers(0, 99999))
def test_numbers_by_digits_are_read(number: int) -> None:
    assert kanji_number("".join(DIGITS[int(digit)] for digit in str(number))) == number


@pytest.mark.parametrize(("text", "number"), [("壱百弐拾参", 123), ("一千一百一十一", 1111), ("零", 0), ("伍", 5)])
def test_the_forms_of_documents_are_read(text: str, number: int) -> None:
    assert kanji_number(text) == number


@pytest.mark.parametrize("text", ["", "山", "一山", "十百", "十十", "一二十", "十二三", "〇十", "十〇", "12"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert kanji_number(text) is None
