"""What a look-up comes to, and which items go out with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.confirmation.rules.matching import Candidate, Finding, Outcome, compare_held, match_attributes, match_code
from services.confirmation.rules.purposes import Item
from services.confirmation.rules.record import State, held_of
from services.confirmation.rules.release import release
from services.vocabulary.attributes import FourAttributes, Verdict, compare
from services.vocabulary.sex import Sex
from tests.unit.confirmation.makers import attributes, record

OF_STATE = {
    State.LIVE: Outcome.MATCH,
    State.MOVED_OUT: Outcome.MOVED,
    State.MOVED_ABROAD: Outcome.MOVED,
    State.DECEASED: Outcome.DECEASED,
    State.REMOVED: Outcome.REMOVED,
}
ASKED = st.builds(
    attributes,
    name=st.sampled_from(["試験 太郎", "試験太郎", "試驗 太郎", "別人 花子"]),
    birth_date=st.sampled_from(["1985-04-01", "1985-04", "unknown"]),
    sex=st.sampled_from(list(Sex)),
    address=st.sampled_from(["東京都千代田区九段南一丁目1番1号", "東京都千代田区九段南1-1-1", "東京都八王子市1-1"]),
)


@given(ASKED, ASKED)
def test_what_is_held_compares_as_the_vocabulary(asked: FourAttributes, held: FourAttributes) -> None:
    assert compare_held(asked, held_of(held)) == compare(asked, held)


@pytest.mark.parametrize("state", list(State))
def test_by_code_the_state_is_told(state: State) -> None:
    assert match_code(record(state), None).outcome is OF_STATE[state]


@pytest.mark.parametrize(
    ("item", "asked"),
    [
        ("name", attributes(name="別人 花子")),
        ("birth_date", attributes(birth_date="1990-01-01")),
        ("sex", attributes(sex=Sex.FEMALE)),
        ("address", attributes(address="東京都八王子市1-1")),
    ],
)
def test_by_code_a_differing_attribute_is_named(item: str, asked: FourAttributes) -> None:
    finding = match_code(record(), asked)

    assert finding.outcome is Outcome.MISMATCH
    verdicts = {one: getattr(finding.verdicts, one) for one in ("name", "birth_date", "sex", "address")}
    assert [one for one, verdict in verdicts.items() if verdict is Verdict.DIFFERENT] == [item]


def test_another_way_of_writing_is_a_match_and_said_to_be_folded() -> None:
    finding = match_code(record(), attributes(name="試験太郎", address="東京都千代田区九段南1-1-1"))

    assert finding.outcome is Outcome.MATCH
    assert finding.verdicts is not None
    assert (finding.verdicts.name, finding.verdicts.address) == (Verdict.SAME_FOLDED, Verdict.SAME_FOLDED)


def test_a_code_that_nobody_has_is_not_found() -> None:
    assert match_code(None, attributes()) == Finding(Outcome.NOT_FOUND)


def test_a_code_that_was_given_up_is_said_to_be_changed_and_no_more() -> None:
    assert match_code(None, attributes(), renamed=True) == Finding(Outcome.CODE_CHANGED)


@pytest.mark.parametrize("state", list(State))
def test_by_attributes_the_state_is_told(state: State) -> None:
    assert match_attributes(attributes(), [Candidate(record(state))]).outcome is OF_STATE[state]


def test_two_residents_with_the_same_attributes_are_not_told_apart() -> None:
    twins = [Candidate(record(number=number)) for number in (1, 2)]

    assert match_attributes(attributes(), twins) == Finding(Outcome.SEVERAL_CANDIDATES)


def test_a_live_record_goes_before_that_of_who_left() -> None:
    both = [Candidate(record(State.REMOVED)), Candidate(record(number=2))]

    finding = match_attributes(attributes(), both)

    assert (finding.outcome, finding.record) == (Outcome.MATCH, record(number=2))


def test_a_former_address_means_moved() -> None:
    moved = Candidate(record(held=attributes(address="東京都八王子市1-1")), formerly=True)

    finding = match_attributes(attributes(), [moved])

    assert (finding.outcome, finding.record) == (Outcome.MOVED, moved.record)


def test_a_former_address_of_who_died_means_deceased() -> None:
    dead = Candidate(record(State.DECEASED, held=attributes(address="東京都八王子市1-1")), formerly=True)

    assert match_attributes(attributes(), [dead]).outcome is Outcome.DECEASED


def test_two_with_the_same_former_address_are_not_told_apart() -> None:
    held = attributes(address="東京都八王子市1-1")
    both = [Candidate(record(number=number, held=held), formerly=True) for number in (1, 2)]

    assert match_attributes(attributes(), both) == Finding(Outcome.SEVERAL_CANDIDATES)


def test_one_person_at_another_address_is_a_mismatch_that_identifies_nobody() -> None:
    finding = match_attributes(attributes(), [Candidate(record(held=attributes(address="東京都八王子市1-1")))])

    assert (finding.outcome, finding.record) == (Outcome.MISMATCH, None)


def test_namesakes_at_other_addresses_are_several() -> None:
    held = attributes(address="東京都八王子市1-1")

    found = match_attributes(attributes(), [Candidate(record(number=number, held=held)) for number in (1, 2)])

    assert found == Finding(Outcome.SEVERAL_CANDIDATES)


def test_who_left_from_another_address_is_not_found() -> None:
    gone = Candidate(record(State.MOVED_OUT, held=attributes(address="東京都八王子市1-1")))

    assert match_attributes(attributes(), [gone]).outcome is Outcome.NOT_FOUND


@given(st.sampled_from(list(State)), st.frozensets(st.sampled_from(list(Item))))
def test_nothing_goes_out_that_is_not_granted(state: State, granted: frozenset[Item]) -> None:
    released = release(match_code(record(state), None), granted)

    assert released.items <= granted
    assert released.items == (granted & {Item.CHANGE} if state is State.REMOVED else granted)
    assert released.fields == tuple(sorted(released.items))


@pytest.mark.parametrize("outcome", [Outcome.NOT_FOUND, Outcome.SEVERAL_CANDIDATES, Outcome.CODE_CHANGED])
def test_nothing_goes_out_when_nobody_was_identified(outcome: Outcome) -> None:
    assert release(Finding(outcome), frozenset(Item)).items == frozenset()
