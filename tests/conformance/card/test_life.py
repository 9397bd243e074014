"""Sections 3, 5.1, 8: what a blank card answers on its way from production to termination."""

from __future__ import annotations

import pytest

from services.card import tlv
from tests.conformance.card.life import Life


def test_3_a_blank_card_is_issued(life: Life) -> None:
    assert life.data("new: data") == b"\x9f\x70\x01\x01"


@pytest.mark.parametrize("change", ["issued to ACTIVE", "issued to LOCKED", "issued to ISSUED"])
def test_3_an_issued_card_can_only_be_personalised_or_terminated(life: Life, change: str) -> None:
    assert life.sw(change) == 0x6985


def test_3_a_card_without_applications_is_not_personalised(life: Life) -> None:
    assert life.sw("issued to PERSONALISED") == 0x6985


def test_3_a_card_with_an_application_is_personalised(life: Life) -> None:
    assert life.sw("ready to PERSONALISED") == 0x9000


@pytest.mark.parametrize("change", ["personalised to ISSUED", "personalised to LOCKED"])
def test_3_a_personalised_card_does_not_go_back_and_is_not_locked(life: Life, change: str) -> None:
    assert life.sw(change) == 0x6985


def test_3_a_card_with_an_application_that_is_not_ready_is_not_activated(life: Life) -> None:
    assert life.sw("personalised to ACTIVE") == 0x6985


def test_3_a_complete_card_is_activated(life: Life) -> None:
    assert life.sw("complete to ACTIVE") == 0x9000


@pytest.mark.parametrize("change", ["active to ISSUED", "active to PERSONALISED", "active to ACTIVE"])
def test_3_an_active_card_does_not_go_back(life: Life, change: str) -> None:
    assert life.sw(change) == 0x6985


def test_3_no_user_command_works_while_the_card_is_issued(life: Life) -> None:
    assert life.sw("user command in issued") == 0x6985


def test_3_before_activation_user_commands_work_in_the_issuers_session_alone(life: Life) -> None:
    assert life.sw("user command before activation") == 0x6985
    assert life.sw("user command in the session") == 0x9000
    assert life.sw("signature in the session") == 0x9000
    assert life.sw("user command when active") == 0x9000


def test_3_a_locked_card_has_no_application(life: Life) -> None:
    assert life.sw("active to LOCKED") == 0x9000
    assert (life.sw("locked juki-net"), life.sw("locked JPKI")) == (0x6A82, 0x6A82)


def test_3_a_locked_card_tells_its_number(life: Life) -> None:
    assert life.sw("number of a locked card") == 0x9000


def test_3_a_locked_card_is_not_changed(life: Life) -> None:
    assert life.sw("locked deletes") == 0x6985


@pytest.mark.parametrize("change", ["locked to PERSONALISED", "locked to LOCKED"])
def test_3_a_locked_card_can_only_be_unlocked_or_terminated(life: Life, change: str) -> None:
    assert life.sw(change) == 0x6985


def test_3_an_unlocked_card_works_again(life: Life) -> None:
    assert life.sw("locked to ACTIVE") == 0x9000
    assert life.sw("unlocked JPKI") == 0x9000


def test_3_a_terminated_card_tells_its_state_for_ever(life: Life) -> None:
    assert life.sw("active to TERMINATED") == 0x9000
    assert life.data("terminated: data") == b"\x9f\x70\x01\xff"
    assert life.data("terminated after a reset: data") == b"\x9f\x70\x01\xff"


@pytest.mark.parametrize("what", ["number", "keys", "issuer"])
def test_3_a_terminated_card_tells_nothing_else(life: Life, what: str) -> None:
    assert life.sw(f"terminated {what}") >> 8 in {0x69, 0x6A}
    assert life.data(f"terminated {what}: data") == b""


def test_3_a_terminated_card_has_no_application_and_no_keys(life: Life) -> None:
    assert life.sw("terminated JPKI") == 0x6A82
    assert life.sw("terminated INITIALIZE UPDATE") in {0x6985, 0x6A88}
    assert life.sw("terminated SET STATUS") in {0x6982, 0x6985}


def test_5_1_transport_keys_are_replaced_and_confirmed_by_check_values(life: Life) -> None:
    assert life.sw("replace transport keys") == 0x9000
    assert life.data("replace transport keys: data") == life.data("keys confirmed")


def test_5_1_replaced_keys_open_nothing(life: Life) -> None:
    assert life.sw("transport keys after") == 0x6982


def test_5_1_keys_are_listed_with_their_versions(life: Life) -> None:
    entries = {(item.value[0], item.value[1]) for item in tlv.parse(life.data("keys"))}
    anchor, anchor_version, static, static_version = life.data("keys expected")

    assert {(anchor, anchor_version), (static, static_version)} <= entries


def test_5_1_an_anchor_of_p384_and_a_static_key_from_outside_are_taken(life: Life) -> None:
    assert (life.sw("static key from outside"), life.data("static key from outside: data")) == (0x9000, b"\x0a")
    entries = {tuple(item.value[:3]) for item in tlv.parse(life.data("keys between"))}

    assert {(0x10, 9, 0xB0), (0x11, 10, 0xB1)} <= entries


def test_5_1_an_anchor_that_is_no_point_is_refused(life: Life) -> None:
    assert life.sw("no point") == 0x6A80


def test_5_2_the_issuer_is_written_while_the_card_is_issued(life: Life) -> None:
    assert life.sw("issuer") == 0x9000
    assert life.sw("issuer again") == 0x6985


def test_5_2_certificates_are_stored_for_keys_that_there_are(life: Life) -> None:
    assert (life.sw("certificate"), life.sw("certificate for no key")) == (0x9000, 0x6A88)
    assert life.data("read certificate: data") == life.data("stored certificate")


@pytest.mark.parametrize(
    "content",
    ["a code of ten digits", "a code that fails its check", "a photograph too long", "a photograph that is none"],
)
def test_8_content_of_another_form_is_refused(life: Life, content: str) -> None:
    assert life.sw(content) == 0x6A80


def test_8_files_named_together_are_written_together_or_not_at_all(life: Life) -> None:
    assert life.sw("a good file and a bad one") == 0x6A80
    assert life.sw("both undone")


def test_8_a_pair_is_made_on_the_card(life: Life) -> None:
    assert life.sw("public key before") == 0x6A88
    (pair,) = tlv.parse_exactly(life.data("first pair: data"), 0x7F49)
    modulus, exponent = tlv.parse_exactly(pair, 0x81, 0x82)

    assert (len(modulus), int.from_bytes(exponent, "big") & 1, modulus[0] >> 7) == (256, 1, 1)
    assert life.data("its public key: data") == life.data("first pair: data")


def test_8_a_new_pair_takes_the_old_one_and_its_certificate_away(life: Life) -> None:
    assert life.data("second pair: data") != life.data("first pair: data")
    assert life.sw("certificate of the old pair") == 0x6A82


def test_7_2_a_certificate_is_of_the_key_beside_it(life: Life) -> None:
    assert life.sw("certificate before key") == 0x6A88
    assert life.sw("first certificate") == 0x9000
    assert life.sw("old certificate for the new pair") == 0x6A80


def test_6_a_pin_is_set_first_by_the_issuer(life: Life) -> None:
    assert (life.sw("unset PIN"), life.sw("set PIN")) == (0x6984, 0x9000)
