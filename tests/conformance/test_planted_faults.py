"""Whether the suite can fail: it finds cards that break one rule each, and in the tests that are about that rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.card.specify import specify
from tests.conformance.running import judge

_PLANTED = {
    "answers_an_unknown_name": (
        "resident",
        "test_channels.py",
        {"test_2_6_only_an_exact_name_selects", "test_2_6_an_unknown_name_leaves_the_selection"},
    ),
    "counts_no_wrong_pin": (
        "resident",
        "test_pins.py",
        {
            "test_6_a_wrong_pin_costs_a_try_and_a_right_one_gives_all_back",
            "test_6_after_the_last_try_the_right_pin_is_blocked_too",
            "test_6_a_blocked_pin_is_unblocked_with_a_new_one",
            "test_6_nobody_unblocks_without_the_session_of_who_may",
            "test_6_the_history_of_a_pin_is_told_in_the_session_of_who_may_set_it",
        },
    ),
    "leaks_across_the_firewall": (
        "resident",
        "test_channels.py",
        {"test_1_no_application_tells_of_anothers_files", "test_1_no_own_service_has_the_files_of_juki_net_and_jpki"},
    ),
    "accepts_a_replay": (
        "resident",
        "test_sessions.py",
        {
            "test_4_1_a_replayed_command_is_refused",
            "test_4_2_a_recorded_authentication_opens_nothing_a_second_time",
        },
    ),
    "keeps_a_pin_when_selected_again": (
        "resident",
        "test_channels.py",
        {"test_2_6_selecting_the_same_application_again_forgets_its_pin"},
    ),
    "accepts_any_terminal": (
        "resident",
        "test_certificates.py",
        {
            "test_4_4_a_foreign_terminal_is_refused",
            "test_4_4_a_terminal_certificate_of_another_profile_is_refused",
            "test_4_4_a_terminal_names_the_authority_that_signed_it",
            "test_4_4_an_issuing_authority_vouches_for_its_own_trust_domain_alone",
            "test_4_4_the_cards_date_does_not_go_back",
        },
    ),
    "lets_the_issuer_read": ("resident", "test_resident.py", {"test_7_1_the_issuer_cannot_read"}),
    "signs_wrongly": ("resident", "test_resident.py", {"test_9_a_signature_is_of_exactly_the_data"}),
    "signs_many_requests_on_one_pin": ("operator", "test_operator.py", {"test_7_3_a_request_uses_the_pin_up"}),
    "does_not_terminate": (
        "blank",
        "test_life.py",
        {
            "test_3_a_terminated_card_tells_its_state_for_ever",
            "test_3_a_terminated_card_tells_nothing_else",
            "test_3_a_terminated_card_has_no_application_and_no_keys",
        },
    ),
}


@pytest.mark.parametrize("fault", _PLANTED)
def test_a_card_that_breaks_one_rule_fails_the_tests_of_that_rule(tmp_path: Path, fault: str) -> None:
    kind, file, expected = _PLANTED[fault]

    verdict = judge(f"simulator:tests.conformance.planted:{fault}", specify(tmp_path, kind), file)

    assert verdict.failed == expected, verdict.said
    assert verdict.passed > 0
