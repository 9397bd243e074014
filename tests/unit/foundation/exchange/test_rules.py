"""The rules of a stream and of its lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.exchange.envelope import NO_HASH, Opened
from services.foundation.exchange.refusals import Equivocation, HashLinkBroken, SequenceGap, SupersedesNothing
from services.foundation.exchange.rules import (
    Cursor,
    Placing,
    State,
    Target,
    Verdict,
    judge,
    place_correction,
    place_plain,
)

BEFORE, THIS, OTHER = b"b" * 32, b"t" * 32, b"o" * 32
TARGET = Target(5, State.QUARANTINED, "line", 5, "municipal/131016")


def opened(sequence: int, previous_hash: bytes = BEFORE, body_hash: bytes = THIS) -> Opened:
    return Opened(b"", b"", body_hash, b"", b"", "municipal/131016", sequence, previous_hash, 0, None, None)


@given(st.integers(0, 10**12))
def test_only_the_next_envelope_continues_a_stream(last: int) -> None:
    assert judge(Cursor(last, BEFORE), opened(last + 1), None) is Verdict.NEXT


@given(st.integers(0, 10**6), st.integers(2, 10**6))
def test_an_envelope_further_on_is_a_gap_that_says_what_is_missing(last: int, step: int) -> None:
    with pytest.raises(SequenceGap) as refused:
        judge(Cursor(last, BEFORE), opened(last + step), None)

    assert refused.value.facts["expected"] == str(last + 1)


def test_an_envelope_that_does_not_continue_the_hash_is_refused_with_evidence() -> None:
    with pytest.raises(HashLinkBroken) as refused:
        judge(Cursor(4, BEFORE), opened(5, previous_hash=OTHER), None)

    assert (refused.value.evidence.kept_hash, refused.value.evidence.refused_hash) == (BEFORE, THIS)


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_same_body_again_is_a_duplicate_and_another_is_an_equivocation(sequence: int, since: int) -> None:
    cursor = Cursor(sequence + since, BEFORE)

    assert judge(cursor, opened(sequence), THIS) is Verdict.DUPLICATE
    with pytest.raises(Equivocation) as refused:
        judge(cursor, opened(sequence), OTHER)
    assert refused.value.evidence.kept_hash == OTHER


def test_the_first_envelope_follows_the_hash_of_nothing() -> None:
    assert judge(Cursor(), opened(1, previous_hash=NO_HASH), None) is Verdict.NEXT


@given(st.integers(1, 100), st.lists(st.integers(1, 100)))
def test_an_envelope_waits_exactly_when_an_earlier_one_of_its_line_is_held(sequence: int, held: list[int]) -> None:
    waits = any(place < sequence for place in held)

    assert place_plain(sequence, held) is (Placing.HOLD if waits else Placing.TRY)


def test_a_correction_takes_the_place_of_what_it_supersedes() -> None:
    correction = place_correction(9, "line", TARGET.origin, TARGET, [5, 7])

    assert (correction.placing, correction.place, correction.replaces) == (Placing.TRY, 5, True)


def test_a_correction_of_a_waiting_envelope_waits_in_its_place() -> None:
    target = replace(TARGET, sequence=7, place=7, state=State.WAITING)

    correction = place_correction(9, "line", target.origin, target, [5, 7])

    assert (correction.placing, correction.place, correction.replaces) == (Placing.HOLD, 7, True)


def test_a_correction_in_another_line_stands_where_it_came() -> None:
    correction = place_correction(9, "other", TARGET.origin, TARGET, [])

    assert (correction.placing, correction.place, correction.replaces) == (Placing.TRY, 9, True)


@pytest.mark.parametrize("state", [State.APPLIED, State.SUPERSEDED])
def test_a_correction_of_what_was_applied_or_replaced_here_is_an_envelope_like_others(state: State) -> None:
    target = replace(TARGET, state=state)

    assert place_correction(9, "line", target.origin, target, []).replaces is False
    assert place_correction(9, "line", target.origin, target, [7]).placing is Placing.HOLD


def test_what_is_anothers_cannot_be_superseded() -> None:
    with pytest.raises(SupersedesNothing):
        place_correction(9, "line", TARGET.origin, replace(TARGET, origin="municipal/2"), [])
