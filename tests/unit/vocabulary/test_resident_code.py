"""Resident codes: what passes, what is refused, and which slips of the hand the check lets through."""

import csv
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.vocabulary.malformed import Malformed
from services.vocabulary.resident_code import ResidentCode, check_digit, digit_of_remainder

VECTORS = Path(__file__).parents[2] / "vectors" / "codes" / "resident_codes.csv"
ROWS = list(csv.DictReader(VECTORS.read_text("utf-8").splitlines()))
WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)

bodies = st.text("0123456789", min_size=10, max_size=10)
places = st.integers(0, 9)


def remainder(body: str) -> int:
    return sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11


def passes(digits: str) -> bool:
    try:
        ResidentCode(digits)
    except Malformed as refused:
        if refused.reason != "RESIDENT_CODE_CHECK_DIGIT":
            raise
        return False
    return True


def exchanged(digits: str, one: int, other: int) -> str:
    swapped = list(digits)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    return "".join(swapped)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["code"])
def test_official_samples_pass_and_a_raised_check_digit_does_not(row: dict[str, str]) -> None:
    assert passes(row["code"]) is (row["passes"] == "yes")


def test_remainders_nought_and_one_are_both_written_nought() -> None:
    assert [digit_of_remainder(remainder) for remainder in range(11)] == [0, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1]


@given(bodies)
def test_a_completed_body_passes(body: str) -> None:
    assert ResidentCode.from_body(body).digits[:10] == body


@given(bodies, st.integers(1, 9))
def test_a_wrong_check_digit_never_passes(body: str, slip: int) -> None:
    assert not passes(f"{body}{(check_digit(body) + slip) % 10}")


@given(bodies, places, st.integers(1, 9))
def test_a_wrong_body_digit_passes_only_between_remainders_nought_and_one(body: str, place: int, slip: int) -> None:
    wrong = body[:place] + str((int(body[place]) + slip) % 10) + body[place + 1 :]

    assert passes(f"{wrong}{check_digit(body)}") is ({remainder(body), remainder(wrong)} == {0, 1})


def test_a_wrong_body_digit_that_passes_exists() -> None:
    assert passes("00000000000")
    assert passes("00000200000"), "two at weight six gives twelve, which leaves one"


@given(bodies, st.integers(0, 8))
def test_exchanged_neighbours_pass_only_between_remainders_nought_and_one(body: str, place: int) -> None:
    assume(body[place] != body[place + 1])
    wrong = exchanged(body, place, place + 1)

    assert passes(f"{wrong}{check_digit(body)}") is ({remainder(body), remainder(wrong)} == {0, 1})


@given(bodies)
def test_the_check_digit_exchanged_with_its_neighbour_passes_only_between_01_and_10(body: str) -> None:
    code = ResidentCode.from_body(body).digits
    assume(code[9] != code[10])

    let_through = code[9:] == "01" or (code[9:] == "10" and remainder(body) == 1)
    assert passes(exchanged(code, 9, 10)) is let_through


def test_both_endings_of_the_exchange_that_passes_exist() -> None:
    assert passes("00000020001"), "remainder ten, check digit one"
    assert passes("00000020010"), "remainder one, check digit nought"


@given(bodies, st.integers(0, 3))
def test_digits_exchanged_six_places_apart_always_pass(body: str, place: int) -> None:
    assert passes(f"{exchanged(body, place, place + 6)}{check_digit(body)}")


@pytest.mark.parametrize(
    "digits", ["", "2472705960", "247270596080", "2472705960x", "２４７２７０５９６０８", "24727-59608", "2472705960²"]
)
def test_anything_but_eleven_half_width_digits_is_refused(digits: str) -> None:
    with pytest.raises(Malformed) as refused:
        ResidentCode(digits)

    assert refused.value.reason == "RESIDENT_CODE_NOT_ELEVEN_DIGITS"


@pytest.mark.parametrize("body", ["", "123456789", "12345678901", "123456789x", "１２３４５６７８９０"])
def test_a_body_of_anything_but_ten_digits_is_refused(body: str) -> None:
    with pytest.raises(Malformed) as refused:
        ResidentCode.from_body(body)

    assert refused.value.reason == "RESIDENT_CODE_BODY_NOT_TEN_DIGITS"


@given(bodies)
def test_no_code_is_shown_by_its_repr_or_its_refusal(body: str) -> None:
    code = ResidentCode.from_body(body)
    assert body not in repr(code) + str(code)

    with pytest.raises(Malformed) as refused:
        ResidentCode(f"{body}{(check_digit(body) + 1) % 10}")
    assert body not in str(refused.value) + refused.value.advice


@given(bodies, st.integers(0, 10))
def test_every_truncation_of_a_code_is_refused(body: str, length: int) -> None:
    with pytest.raises(Malformed) as refused:
        ResidentCode(ResidentCode.from_body(body).digits[:length])

    assert refused.value.reason == "RESIDENT_CODE_NOT_ELEVEN_DIGITS"
