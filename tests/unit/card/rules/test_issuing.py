"""In which steps a blank card becomes somebody's, wherever it was left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.card.refusals import CardNotBlank
from services.card.rules.issuing import OUR_KEYS, Facts, Life, Step, check_blank, next_step

_JUKI, _JPKI = b"juki", b"jpki"
_WANTED = frozenset({_JUKI, _JPKI})
_BLANK = Facts(Life.ISSUED, frozenset({1}), "", trusts_terminals=False, is_certified=False, applications=frozenset())


_AFTER: dict[Step, dict[str, Any]] = {
    Step.REPLACE_KEYS: {"key_versions": frozenset({OUR_KEYS})},
    Step.NAME_ISSUER: {"issuer": "131016"},
    Step.TRUST_TERMINALS: {"trusts_terminals": True},
    Step.MAKE_KEY: {"is_certified": True},
    Step.INSTALL: {"applications": _WANTED},
    Step.WRITE: {"life": Life.PERSONALISED, "applications": frozenset()},
    Step.HAND_OVER: {"life": Life.ACTIVE},
}
"""What the card tells after each step."""


def _steps(facts: Facts, *, handed_over: bool) -> list[Step]:
    steps = []
    while (step := next_step(facts, _WANTED, handed_over=handed_over)) is not None:
        assert step not in steps
        steps.append(step)
        facts = replace(facts, **_AFTER[step])
    return steps


def test_a_blank_card_goes_through_every_step_in_order() -> None:
    assert _steps(_BLANK, handed_over=True) == list(Step)


def test_a_card_that_is_handed_over_later_stays_personalised() -> None:
    assert _steps(_BLANK, handed_over=False) == list(Step)[:-1]


@given(st.integers(0, len(Step)))
def test_what_was_done_before_a_break_is_not_done_again(count: int) -> None:
    facts = _BLANK
    for step in list(Step)[:count]:
        facts = replace(facts, **_AFTER[step])

    assert _steps(facts, handed_over=True) == list(Step)[count:]


@given(
    st.sampled_from(Life),
    st.frozensets(st.integers(1, 127), min_size=1),
    st.sampled_from(["", "131016"]),
    st.booleans(),
    st.booleans(),
    st.frozensets(st.sampled_from([_JUKI, _JPKI])),
    st.booleans(),
)
def test_no_card_becomes_active_before_all_else_is_done(
    life: Life,
    versions: frozenset[int],
    issuer: str,
    trusts: bool,
    certified: bool,
    applications: frozenset[bytes],
    handed_over: bool,
) -> None:
    facts = Facts(life, versions, issuer, trusts_terminals=trusts, is_certified=certified, applications=applications)
    if life in (Life.LOCKED, Life.TERMINATED):
        with pytest.raises(CardNotBlank):
            next_step(facts, _WANTED, handed_over=handed_over)
        return

    step = next_step(facts, _WANTED, handed_over=handed_over)

    assert (step is Step.HAND_OVER) == (life is Life.PERSONALISED and handed_over)
    if step is Step.WRITE:
        assert OUR_KEYS in versions
        assert issuer
        assert trusts
        assert certified
        assert applications >= _WANTED


@pytest.mark.parametrize(
    "facts",
    [
        replace(_BLANK, key_versions=frozenset({OUR_KEYS})),
        replace(_BLANK, issuer="141003"),
        *(replace(_BLANK, life=life) for life in Life if life is not Life.ISSUED),
    ],
)
def test_a_card_that_somebody_has_begun_with_is_not_blank(facts: Facts) -> None:
    check_blank(_BLANK)

    with pytest.raises(CardNotBlank):
        check_blank(facts)
