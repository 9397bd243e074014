"""PINs are tried as often as the card allows, and seen by nobody."""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest

from services.card.terminal.application import Application, PinForm
from services.card.terminal.applications import JPKI_AID, JUKI_NET_PIN, JpkiKey
from services.card.terminal.domain import LifeCycle
from services.card.terminal.secret import Pin
from services.foundation.refusals import Refusal
from tests.cards import QuickChip
from tests.issued_cards import AUTHENTICATION_PIN, JUKI_PIN, SIGNATURE_PIN, IssuedCard, blank_card, issue_resident

CANARY = "8642"


@pytest.fixture
def resident() -> IssuedCard:
    return issue_resident(QuickChip())


def refusal_of(application: Application, form: PinForm, value: str) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as refused:
        application.verify(form, Pin(value))
    return refused.value.reason, refused.value.facts.get("tries_left")


def test_wrong_pins_count_down_until_none_is_left(resident: IssuedCard) -> None:
    jpki, form = resident.session().jpki(), JpkiKey.AUTHENTICATION.pin

    answers = [refusal_of(jpki, form, "0000") for _ in range(4)]

    assert answers == [("PIN_WRONG", "2"), ("PIN_WRONG", "1"), ("PIN_WRONG", "0"), ("PIN_BLOCKED", None)]
    assert refusal_of(jpki, form, AUTHENTICATION_PIN)[0] == "PIN_BLOCKED"
    assert jpki.tries_left(form) == 0


def test_the_issuer_unblocks_a_pin_with_a_new_one(resident: IssuedCard) -> None:
    juki_net = resident.session().juki_net(resident.issuer.terminal())
    for _ in range(3):
        refusal_of(juki_net, JUKI_NET_PIN, "0000")
    issuer = resident.session().juki_net(resident.access)
    issuer.reset_pin(JUKI_NET_PIN, Pin("2580"))
    (history,) = issuer.pin_history()

    juki_net = resident.session().juki_net(resident.issuer.terminal())
    juki_net.verify_pin(Pin("2580"))
    assert (history.tries, history.tries_left, history.times_blocked, history.times_reset) == (3, 3, 1, 1)


def test_the_holder_changes_a_pin(resident: IssuedCard) -> None:
    jpki, form = resident.session().jpki(), JpkiKey.SIGNATURE.pin
    jpki.change_pin(form, Pin(SIGNATURE_PIN), Pin("NEW4567"))

    jpki = resident.session().jpki()
    assert refusal_of(jpki, form, SIGNATURE_PIN) == ("PIN_WRONG", "4")
    jpki.verify(form, Pin("NEW4567"))


@pytest.mark.parametrize("value", ["", "123", "12345", "12a4", "１２３４", "12 4"])
def test_what_can_be_no_pin_costs_no_try(resident: IssuedCard, value: str) -> None:
    jpki, form = resident.session().jpki(), JpkiKey.AUTHENTICATION.pin

    assert refusal_of(jpki, form, value)[0] == "PIN_MALFORMED"
    assert jpki.tries_left(form) == 3


def test_a_malformed_new_pin_leaves_the_old_one_untried(resident: IssuedCard) -> None:
    jpki, form = resident.session().jpki(), JpkiKey.SIGNATURE.pin
    with pytest.raises(Refusal) as refused:
        jpki.change_pin(form, Pin("WRONG99"), Pin("short"))

    assert refused.value.reason == "PIN_MALFORMED"
    assert jpki.tries_left(form) == 5


def test_a_pin_is_set_by_nobody_but_the_issuer(resident: IssuedCard) -> None:
    for access in (None, resident.issuer.terminal()):
        jpki = resident.session().jpki(access)
        with pytest.raises(Refusal) as refused:
            jpki.reset_pin(JpkiKey.AUTHENTICATION.pin, Pin("1111"))
        assert refused.value.reason == "CARD_ACCESS_MISSING"


def test_a_pin_that_was_never_set_is_told_apart() -> None:
    issued = blank_card()
    session = issued.session()
    session.security_domain(issued.access).install(JPKI_AID)
    session.security_domain(issued.access).set_life_cycle(LifeCycle.PERSONALISED)
    jpki = session.jpki(issued.access)

    with pytest.raises(Refusal) as refused:
        jpki.tries_left(JpkiKey.AUTHENTICATION.pin)

    assert refused.value.reason == "PIN_UNSET"


def test_a_pin_is_wiped_after_use() -> None:
    with Pin(CANARY) as pin:
        assert pin.octets == CANARY.encode()

    assert pin.octets == b""


def test_a_pin_is_in_no_repr_no_pickle_no_log_and_no_traceback(
    resident: IssuedCard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pin = Pin(CANARY)
    jpki = resident.session().jpki()
    with pytest.raises(Refusal) as refused:
        jpki.verify(JpkiKey.AUTHENTICATION.pin, pin)
    with pytest.raises(TypeError) as stored:
        pickle.dumps(pin)

    shown = "".join(traceback.format_exception(refused.value)) + str(refused.value.facts) + repr(pin) + str(stored)
    assert CANARY not in shown + caplog.text
    assert JUKI_PIN not in caplog.text
