"""Synthetic residents are sound records, each with a code of its own, and say that they are synthetic."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from services.municipal.wire import parse
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, PersonName
from tools.bench.synthetic import address_of, code_of, move_in, name_of, records

_DAY = date(2026, 4, 1)


def test_every_record_has_a_sound_code_of_its_own() -> None:
    codes = [row[0] for row in records(3_000)]

    assert codes == [ResidentCode(code_of(place)).digits for place in range(3_000)]
    assert len(set(codes)) == 3_000


def test_a_record_is_held_as_the_vocabulary_folds_it() -> None:
    for row in records(50):
        _, name, name_folded, born, sex, address, address_folded, *_ = row
        held = FourAttributes(PersonName(name), CivilDate.parse_iso(born), Sex.of(sex), Address(address))

        assert (held.name.folded, held.address.folded) == (name_folded, address_folded)


@given(st.integers(0, 10**9))
def test_names_and_addresses_are_admitted_and_say_that_they_are_synthetic(number: int) -> None:
    assert PersonName(name_of(number)).text.startswith("合成")
    assert "合成" in Address(address_of(number)).text


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=20, unique=True))
def test_a_household_that_moves_in_is_one_the_register_can_read(numbers: list[int]) -> None:
    request = move_in(numbers, _DAY)

    assert parse.act(request.act).event_on == _DAY
    assert [entrant.relation == "世帯主" for entrant in request.entrants] == [True, *[False] * (len(numbers) - 1)]
    assert len({entrant.name for entrant in request.entrants}) == len(numbers)
