"""The comparison of the four attributes."""

from dataclasses import replace

import pytest

from services.vocabulary.attributes import AttributeComparison, FourAttributes, Verdict, compare
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, PersonName

HELD = FourAttributes(PersonName("髙橋 花子"), CivilDate(1985, 4, 1), Sex.FEMALE, Address("千代田一丁目１番１号"))
"""A synthetic resident."""


def test_what_is_written_alike_is_the_same() -> None:
    again = FourAttributes(PersonName("髙橋 花子"), CivilDate(1985, 4, 1), Sex.FEMALE, Address("千代田一丁目１番１号"))

    compared = compare(again, HELD)

    assert compared == AttributeComparison(Verdict.SAME, Verdict.SAME, Verdict.SAME, Verdict.SAME)
    assert compared.all_match
    assert compared.all_same


def test_what_is_equal_only_when_folded_matches_and_says_so() -> None:
    compared = compare(replace(HELD, name=PersonName("高橋花子"), address=Address("千代田1-1-1")), HELD)

    assert compared == AttributeComparison(Verdict.SAME_FOLDED, Verdict.SAME, Verdict.SAME, Verdict.SAME_FOLDED)
    assert compared.all_match
    assert not compared.all_same


@pytest.mark.parametrize(
    ("asked", "attribute"),
    [
        (replace(HELD, name=PersonName("髙橋 花")), "name"),
        (replace(HELD, birth_date=CivilDate(1985, 4, 2)), "birth_date"),
        (replace(HELD, birth_date=CivilDate(1985, 4)), "birth_date"),
        (replace(HELD, sex=Sex.UNKNOWN), "sex"),
        (replace(HELD, address=Address("千代田一丁目１番２号")), "address"),
    ],
)
def test_one_attribute_that_differs_is_named_and_nothing_matches(asked: FourAttributes, attribute: str) -> None:
    compared = compare(asked, HELD)

    names = ("name", "birth_date", "sex", "address")
    assert {name for name in names if getattr(compared, name) is Verdict.DIFFERENT} == {attribute}
    assert not compared.all_match
    assert not compared.all_same


def test_no_attribute_is_shown_by_the_repr() -> None:
    assert all(personal not in repr(HELD) for personal in ("花子", "1985", "FEMALE", "千代田"))
