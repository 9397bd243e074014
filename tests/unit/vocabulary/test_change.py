"""Change reasons and what follows from them, as one table."""

import pytest

from services.vocabulary.change import ChangeKind, ChangeReason, effect_of

KINDS = {
    ChangeKind.ENTRY: "BIRTH MOVE_IN MOVE_IN_FROM_ABROAD ENTRY_BY_OFFICE EVENT_CANCELLED_RESTORING",
    ChangeKind.REMOVAL: "MOVE_OUT MOVE_OUT_ABROAD DEATH REMOVAL_BY_OFFICE EVENT_CANCELLED_REMOVING",
    ChangeKind.CORRECTION: (
        "RELOCATION MINOR_CORRECTION CORRECTION_BY_OFFICE ERROR_CORRECTION NAME_CHANGE EVENT_CANCELLED_CORRECTING"
    ),
    ChangeKind.HOUSEHOLD: "HOUSEHOLD_SPLIT HOUSEHOLD_MERGE HOUSEHOLD_CHANGE HEAD_CHANGE",
    ChangeKind.CODE: "CODE_CHANGE_REQUESTED CODE_ENTERED_BY_OFFICE",
}


@pytest.mark.parametrize("kind", ChangeKind)
def test_each_reason_is_of_its_kind(kind: ChangeKind) -> None:
    assert {reason.value for reason in ChangeReason if effect_of(reason).kind is kind} == set(KINDS[kind].split())


def test_the_japanese_of_each_reason_is_its_own() -> None:
    assert len({effect_of(reason).japanese for reason in ChangeReason}) == len(ChangeReason)


@pytest.mark.parametrize("reason", ChangeReason)
def test_only_a_removal_leaves_the_municipality(reason: ChangeReason) -> None:
    assert effect_of(reason).leaves_municipality is (effect_of(reason).kind is ChangeKind.REMOVAL)


@pytest.mark.parametrize("reason", ChangeReason)
def test_all_but_household_changes_go_up(reason: ChangeReason) -> None:
    assert effect_of(reason).goes_up is (effect_of(reason).kind is not ChangeKind.HOUSEHOLD)


def test_a_certificate_is_void_after_removals_and_corrections_but_minor_ones() -> None:
    void = {reason for reason in ChangeReason if effect_of(reason).voids_certificate}
    of_kind = {r for r in ChangeReason if effect_of(r).kind in (ChangeKind.REMOVAL, ChangeKind.CORRECTION)}

    assert void == of_kind - {ChangeReason.MINOR_CORRECTION}


def test_only_a_move_out_may_be_planned_ahead() -> None:
    planned = {reason for reason in ChangeReason if effect_of(reason).planned_ahead}

    assert planned == {ChangeReason.MOVE_OUT, ChangeReason.MOVE_OUT_ABROAD}
