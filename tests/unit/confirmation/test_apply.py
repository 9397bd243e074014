"""What each reason does to a record in each state, and whom a municipality may speak for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from services.confirmation.refusals import ChangeRefused
from services.confirmation.rules import apply as rules
from services.confirmation.rules.apply import Found, apply
from services.confirmation.rules.record import FormerPair, ReportedChange, State, stay_of
from services.vocabulary.change import ChangeKind, ChangeReason, effect_of
from tests.unit.confirmation.makers import CHIYODA, HACHIOJI, NOW, YOKOHAMA, attributes, change, code, record

REFUSED = {
    "registered": "RESIDENT_ALREADY_REGISTERED",
    "unknown": "RECORD_UNKNOWN",
    "not live": "RESIDENT_NOT_LIVE",
    "deceased": "RESIDENT_DECEASED",
}
GOES_UP = [reason for reason in ChangeReason if effect_of(reason).goes_up]
NEW_CODE = code(2)


def documented() -> dict[tuple[ChangeReason, str], str]:
    """Reads the table at the head of the module, so that it cannot say anything but what the code does."""
    lines = [line for line in (rules.__doc__ or "").splitlines() if line.startswith("|")]
    states = [cell.strip() for cell in lines[0].strip("|").split("|")][1:]
    table: dict[tuple[ChangeReason, str], str] = {}
    for line in lines[2:]:
        names, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for reason in reasons_of(names):
            for state, cell in zip(states, cells, strict=True):
                for one in ("MOVED_OUT", "MOVED_ABROAD") if state == "MOVED_*" else (state,):
                    table[reason, one] = cell
    return table


def reasons_of(names: str) -> list[ChangeReason]:
    kinds = {"corrections": ChangeKind.CORRECTION, "code changes": ChangeKind.CODE}
    if names in kinds:
        return [reason for reason in ChangeReason if effect_of(reason).kind is kinds[names]]
    return [ChangeReason(name) for name in re.split(r",\s*", names)]


def reported(reason: ChangeReason, municipality: str = CHIYODA, minutes: float = 10) -> ReportedChange:
    if effect_of(reason).kind is ChangeKind.CODE:
        return change(reason, municipality, minutes=minutes, about=NEW_CODE, former_code=code())
    return change(reason, municipality, minutes=minutes)


def outcome(found: Found, reason: ChangeReason, municipality: str = CHIYODA, minutes: float = 10) -> str:
    try:
        return apply(found, reported(reason, municipality, minutes), municipality, NOW).record.state.value
    except ChangeRefused as refused:
        return refused.reason


def test_the_documented_table_has_a_cell_for_every_reason_and_state() -> None:
    states = ["none", *State]

    assert set(documented()) == {(reason, str(state)) for reason in GOES_UP for state in states}


def test_the_specification_has_the_same_table() -> None:
    specification = (Path(__file__).parents[3] / "docs" / "specs" / "identity-confirmation.md").read_text("utf-8")
    table = [line for line in (rules.__doc__ or "").splitlines() if line.startswith("|")]

    assert "\n".join(table) in specification


@pytest.mark.parametrize("reason", GOES_UP)
@pytest.mark.parametrize("state", ["none", *State])
def test_a_municipality_changes_its_own_resident_as_the_table_says(reason: ChangeReason, state: str) -> None:
    found = Found() if state == "none" else Found(record(State(state)))
    cell = documented()[reason, str(state)]

    assert outcome(found, reason) == REFUSED.get(cell, cell)


@pytest.mark.parametrize("reason", GOES_UP)
@pytest.mark.parametrize("state", list(State))
def test_another_municipality_may_enter_who_left_and_nothing_else(reason: ChangeReason, state: State) -> None:
    seen = outcome(Found(record(state, HACHIOJI)), reason)

    if effect_of(reason).kind is not ChangeKind.ENTRY:
        assert seen == "CHANGE_OF_ANOTHER_MUNICIPALITY"
    elif state is State.LIVE:
        assert seen == "RESIDENT_LIVE_ELSEWHERE"
    elif state is State.DECEASED:
        assert seen == "RESIDENT_DECEASED"
    elif reason is ChangeReason.BIRTH and state is not State.REMOVED:
        assert seen == "RESIDENT_ALREADY_REGISTERED"
    else:
        assert seen == "LIVE"


@pytest.mark.parametrize("reason", [reason for reason in ChangeReason if not effect_of(reason).goes_up])
def test_a_change_of_the_household_is_refused(reason: ChangeReason) -> None:
    assert outcome(Found(record()), reason) == "REASON_NOT_NOTIFIED"


def test_a_municipality_that_signs_in_anothers_name_is_refused() -> None:
    with pytest.raises(ChangeRefused) as refused:
        apply(Found(), change(ChangeReason.BIRTH, CHIYODA), HACHIOJI, NOW)

    assert refused.value.reason == "CHANGE_OF_ANOTHER_MUNICIPALITY"


def test_a_new_address_replaces_the_old_and_the_old_is_kept_as_former() -> None:
    moved = attributes(address="東京都千代田区神田一丁目2番3号")

    settled = apply(Found(record()), change(ChangeReason.RELOCATION, minutes=1, held=moved), CHIYODA, NOW)

    assert settled.record.held.address == moved.address.text
    assert settled.former == FormerPair(attributes().name.folded, attributes().address.folded)
    assert settled.rows[0].items == ("address",)


def test_a_change_of_code_is_told_under_both_codes() -> None:
    settled = apply(Found(record()), reported(ChangeReason.CODE_CHANGE_REQUESTED), CHIYODA, NOW)

    assert settled.record.resident_code == NEW_CODE
    assert settled.renamed_from == code()
    assert [(row.resident_code, row.items) for row in settled.rows] == [
        (code(), ("resident_code",)),
        (NEW_CODE, ("resident_code",)),
    ]


def test_a_code_that_somebody_has_cannot_be_changed_to() -> None:
    found = Found(record(), taker=record(municipality=HACHIOJI, number=2, entered=1))

    assert outcome(found, ChangeReason.CODE_CHANGE_REQUESTED) == "RESIDENT_CODE_TAKEN"


def test_a_code_that_was_given_up_is_not_entered_again() -> None:
    found = Found(record(State.MOVED_OUT, HACHIOJI, number=2), renamed=True)

    assert outcome(found, ChangeReason.MOVE_IN) == "RESIDENT_CODE_TAKEN"


def test_the_code_before_a_requested_change_must_be_named() -> None:
    with pytest.raises(ChangeRefused) as refused:
        apply(Found(record()), change(ChangeReason.CODE_CHANGE_REQUESTED), CHIYODA, NOW)

    assert refused.value.reason == "CHANGE_MALFORMED"


def test_a_late_move_out_of_who_lives_elsewhere_is_kept_as_history_only() -> None:
    held = record(municipality=HACHIOJI, entered=20, open_elsewhere=frozenset({stay_of(CHIYODA, code())}))

    settled = apply(Found(held), change(ChangeReason.MOVE_OUT, minutes=10), CHIYODA, NOW)

    assert settled.record == replace(held, open_elsewhere=frozenset())
    assert [row.reason for row in settled.rows] == [ChangeReason.MOVE_OUT]


def test_a_late_entry_is_history_and_remembers_the_municipality() -> None:
    held = record(municipality=HACHIOJI, entered=20)

    settled = apply(Found(held), change(ChangeReason.BIRTH, minutes=10), CHIYODA, NOW)

    assert settled.record == replace(held, open_elsewhere=frozenset({stay_of(CHIYODA, code())}))


def test_a_late_death_of_who_lives_elsewhere_is_left_to_people() -> None:
    held = record(municipality=HACHIOJI, entered=20, open_elsewhere=frozenset({stay_of(CHIYODA, code())}))

    assert outcome(Found(held), ChangeReason.DEATH) == "RESIDENT_LIVE_ELSEWHERE"


def test_a_third_municipality_cannot_speak_of_a_late_tenure() -> None:
    held = record(municipality=HACHIOJI, entered=20, open_elsewhere=frozenset({stay_of(CHIYODA, code())}))

    assert outcome(Found(held), ChangeReason.MOVE_OUT, YOKOHAMA) == "CHANGE_OF_ANOTHER_MUNICIPALITY"


def test_no_personal_data_is_in_the_text_of_a_change_or_record() -> None:
    shown = f"{change(ChangeReason.BIRTH)!r} {record()!r} {record().held!r} {FormerPair('名', '所')!r}"

    assert code() not in shown
    assert not any(part in shown for part in ("試験", "千代田", "1985", "名", "所"))


@pytest.mark.parametrize(
    ("state", "reason", "after"),
    [
        (State.LIVE, ChangeReason.MOVE_IN, "LIVE"),
        (State.LIVE, ChangeReason.ENTRY_BY_OFFICE, "LIVE"),
        (State.MOVED_OUT, ChangeReason.REMOVAL_BY_OFFICE, "REMOVED"),
        (State.DECEASED, ChangeReason.DEATH, "DECEASED"),
        (State.LIVE, ChangeReason.MOVE_OUT, "MOVED_OUT"),
    ],
)
def test_a_superseding_change_may_say_again_what_is_known(state: State, reason: ChangeReason, after: str) -> None:
    held = replace(record(), state=state)
    again = replace(change(reason, minutes=10), restates=True)

    settled = apply(Found(held), again, CHIYODA, NOW)

    assert settled.record.state.value == after
    assert settled.record.entered_at == held.entered_at


@pytest.mark.parametrize("reason", [ChangeReason.MOVE_OUT, ChangeReason.MOVE_IN, ChangeReason.RELOCATION])
def test_a_superseding_change_does_not_raise_the_dead(reason: ChangeReason) -> None:
    again = replace(change(reason, minutes=10), restates=True)

    with pytest.raises(ChangeRefused) as refused:
        apply(Found(replace(record(), state=State.DECEASED)), again, CHIYODA, NOW)

    assert refused.value.reason == "RESIDENT_DECEASED"


def test_a_code_change_that_was_made_is_nothing_when_said_again() -> None:
    made = apply(Found(record()), reported(ChangeReason.CODE_CHANGE_REQUESTED), CHIYODA, NOW).record
    again = replace(reported(ChangeReason.CODE_CHANGE_REQUESTED), restates=True)

    settled = apply(Found(made, renamed=True), again, CHIYODA, NOW)

    assert (settled.record, settled.rows) == (made, ())
