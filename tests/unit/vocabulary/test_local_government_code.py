"""Local government codes: the published ones pass, others are refused."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vocabulary.local_government_code import LocalGovernmentCode, local_check_digit
from services.vocabulary.malformed import Malformed

VECTORS = Path(__file__).parents[2] / "vectors" / "codes" / "local_government_codes.csv"
ROWS = list(csv.DictReader(VECTORS.read_text("utf-8").splitlines()))

bodies = st.builds("{:02}{:03}".format, st.integers(1, 47), st.integers(0, 999))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["code"])
def test_published_codes_pass_and_others_do_not(row: dict[str, str]) -> None:
    if row["passes"] == "yes":
        assert LocalGovernmentCode(row["code"]).digits == row["code"]
        return
    with pytest.raises(Malformed) as refused:
        LocalGovernmentCode(row["code"])
    assert refused.value.reason == "LOCAL_GOVERNMENT_CODE_CHECK_DIGIT"


@given(bodies, st.integers(1, 9))
def test_a_wrong_check_digit_never_passes(body: str, slip: int) -> None:
    with pytest.raises(Malformed) as refused:
        LocalGovernmentCode(f"{body}{(local_check_digit(body) + slip) % 10}")

    assert refused.value.reason == "LOCAL_GOVERNMENT_CODE_CHECK_DIGIT"


@given(bodies)
def test_a_completed_body_passes_and_names_its_prefecture(body: str) -> None:
    code = LocalGovernmentCode.from_body(body)

    assert (str(code)[:5], code.prefecture) == (body, body[:2])
    assert code.is_prefecture is body.endswith("000")


@pytest.mark.parametrize("digits", ["", "13101", "1310166", "13101x", "１３１０１６"])
def test_anything_but_six_half_width_digits_is_refused(digits: str) -> None:
    with pytest.raises(Malformed) as refused:
        LocalGovernmentCode(digits)

    assert refused.value.reason == "LOCAL_GOVERNMENT_CODE_NOT_SIX_DIGITS"


@pytest.mark.parametrize("body", ["00101", "48101", "99999"])
def test_a_prefecture_that_does_not_exist_is_refused(body: str) -> None:
    with pytest.raises(Malformed) as refused:
        LocalGovernmentCode.from_body(body)

    assert refused.value.reason == "LOCAL_GOVERNMENT_CODE_PREFECTURE"


@pytest.mark.parametrize("body", ["1310", "131016", "1310x", "１３１０１"])
def test_a_body_of_anything_but_five_digits_is_refused(body: str) -> None:
    with pytest.raises(Malformed) as refused:
        local_check_digit(body)

    assert refused.value.reason == "LOCAL_GOVERNMENT_CODE_BODY_NOT_FIVE_DIGITS"


def test_codes_sort_by_their_digits() -> None:
    assert sorted([LocalGovernmentCode("131016"), LocalGovernmentCode("011002")])[0].digits == "011002"
