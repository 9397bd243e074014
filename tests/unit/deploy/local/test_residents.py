"""Are synthetic residents the same each time, well-formed, and as many as asked for?"""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.names import FAMILY, VARIANT_FAMILY, given_names
from deploy.local.residents import Arrival, arrivals
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.text import Address, Kana, PersonName

_ANCHOR = date(2026, 4, 1)


def _make(code: str, count: int, seed: int) -> list[Arrival]:
    return list(arrivals(code, "東京都千代田区", count, seed, _ANCHOR))


def test_a_seed_always_gives_the_same_people() -> None:
    assert _make("131016", 200, 1) == _make("131016", 200, 1)
    assert _make("131016", 200, 1) != _make("131016", 200, 2)
    assert _make("131016", 200, 1) != _make("131041", 200, 1)


def test_a_longer_list_begins_with_the_shorter_one_up_to_its_last_household() -> None:
    assert _make("131016", 300, 1)[:50] == _make("131016", 400, 1)[:50]


@given(st.sampled_from(["131016", "131041", "141003", "142018", "131032"]), st.integers(1, 60), st.integers(0, 10**6))
def test_people_are_well_formed_and_as_many_as_asked_for(code: str, count: int, seed: int) -> None:
    made = _make(code, count, seed)

    assert sum(len(arrival.people) for arrival in made) == count
    for arrival in made:
        LocalGovernmentCode(arrival.former_municipality_code)
        Address(arrival.address)
        Address(arrival.former_address)
        assert arrival.people[0].relation == "世帯主"
        assert [person.relation for person in arrival.people].count("世帯主") == 1
        for person in arrival.people:
            PersonName(person.name)
            Kana(person.kana)
            assert date(1920, 1, 1) < person.birth < arrival.moved_on < _ANCHOR


def test_there_are_names_enough_and_some_in_variant_characters() -> None:
    assert len({name.kanji for name in FAMILY}) == len(FAMILY) >= 180
    assert any("\U000e0102" in name.kanji for name in VARIANT_FAMILY)
    assert all(len(given_names(sex, year)) == 25 for sex in "男女" for year in (1930, 1960, 1990, 2020))
    names = [person.name for arrival in _make("131016", 1000, 1) for person in arrival.people]
    assert any(name.startswith(tuple(family.kanji for family in VARIANT_FAMILY)) for name in names)
