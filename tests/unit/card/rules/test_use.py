"""When a card may be used, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.card.rules import use
from services.card.rules.issuing import Life
from services.card.rules.profile import KeyName
from services.foundation.refusals import Refusal


def _reason(check: Callable[[], None]) -> str:
    """Returns why a check refuses, empty when it does not."""
    try:
        check()
    except Refusal as refusal:
        return refusal.reason
    return ""


@pytest.mark.parametrize("life", Life)
def test_only_a_card_that_is_somebodys_opens_a_session(life: Life) -> None:
    assert _reason(lambda: use.check_issued(life)) == ("CARD_BLANK" if life is Life.ISSUED else "")
    assert _reason(lambda: use.check_not_ended(life)) == ("CARD_TERMINATED" if life is Life.TERMINATED else "")


def test_the_issuers_keys_are_for_its_own_cards() -> None:
    use.check_ours("131016", "131016")

    assert _reason(lambda: use.check_ours("141003", "131016")) == "CARD_NOT_OURS"
    assert _reason(lambda: use.check_not_recalled(recalled=True)) == "CARD_RECALLED"
    assert _reason(lambda: use.check_not_recalled(recalled=False)) == ""


@given(st.sampled_from(KeyName), st.sampled_from(["sha256", "sha384", "sha512"]), st.integers(0, 70))
def test_a_digest_is_as_long_as_its_algorithm_makes_it(key: KeyName, algorithm: str, size: int) -> None:
    fits = size * 8 == int(algorithm[3:]) and (key is not KeyName.OPERATOR or algorithm == "sha256")

    assert _reason(lambda: use.check_digest(key, algorithm, bytes(size))) == ("" if fits else "DIGEST_LENGTH")


@given(st.integers(0, 100))
def test_a_challenge_has_sixteen_to_sixty_four_octets(size: int) -> None:
    assert (_reason(lambda: use.check_challenge(bytes(size))) == "") == (16 <= size <= 64)


@given(st.integers(-10, 70_000))
def test_numbers_stay_in_their_ranges(number: int) -> None:
    assert (_reason(lambda: use.check_service(number)) == "") == (1 <= number <= 65_535)
    assert (_reason(lambda: use.check_quota(number)) == "") == (1 <= number <= 32_768)
    assert (_reason(lambda: use.check_file_size(number)) == "") == (1 <= number <= 32_736)
    kept = number in (0x18, 0x3F00)
    assert (_reason(lambda: use.check_file(number)) == "") == (1 <= number <= 65_534 and not kept)


@given(st.integers(-5, 33_000), st.integers(-5, 5_000))
def test_a_part_lies_within_a_file(offset: int, size: int) -> None:
    fits = offset >= 0 and offset + size <= 32_736 and 1 <= size <= 4_096

    assert (_reason(lambda: use.check_part(offset, size)) == "") == fits


@given(st.integers(-2, 20), st.integers(-2, 20), st.integers(-2, 20))
def test_a_services_pin_is_what_a_card_can_hold(minimum: int, maximum: int, tries: int) -> None:
    fits = 1 <= minimum <= maximum <= 16 and 1 <= tries <= 15

    assert (_reason(lambda: use.check_pin_rule(minimum, maximum, tries)) == "") == fits
