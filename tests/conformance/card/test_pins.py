"""Section 6: every PIN counts, blocks, is unblocked and is changed in the same way.

The PIN of an own service is judged on every card: the service is the suite's own. The PINs of the card's holder are
judged on an expendable card, and are afterwards what they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from services.card.apdu import SHORT_LE
from services.card.terminal.applications import JPKI_AID, JUKI_NET_AID, OPERATOR_AID
from tests.conformance.card.card import OTHER_SERVICE_PIN, SERVICE_PIN, Card
from tests.conformance.card.conftest import Take
from tests.conformance.card.terminal import Terminal


@dataclass(frozen=True)
class Form:
    """What a PIN looks like, and a value of a right form that is not the PIN."""

    kind: str
    aid: bytes
    ef: int
    tries: int
    name: str
    wrong: bytes
    new: bytes
    malformed: bytes
    """Of a length that such a PIN has, but not of its characters."""
    short: bytes


_FORMS = {
    "own service": Form("", b"", 0x0018, 3, "", b"wrong", OTHER_SERVICE_PIN, b"\x01\x02\x03", b"k"),
    "juki-net": Form("resident", JUKI_NET_AID, 0x0018, 3, "juki-net", b"0000", b"9876", b"12A4", b"471"),
    "authentication": Form("resident", JPKI_AID, 0x0018, 3, "authentication", b"0000", b"9876", b"12A4", b"123"),
    "signature": Form("resident", JPKI_AID, 0x001B, 5, "signature", b"WRONG1", b"NEWER2", b"newer2", b"ABC12"),
    "operator": Form("operator", OPERATOR_AID, 0x0018, 3, "operator", b"000000", b"987654", b"12345A", b"24681"),
}


class Holder:
    """Who gives a PIN to a card, and who may set it."""

    def __init__(self, card: Card, form: Form, right: bytes) -> None:
        self.card = card
        self.form = form
        self.right = right
        self.keys = card.keys
        self.aid = form.aid

    def open(self) -> Terminal:
        """Resets the card and opens the application so that its PIN can be given."""
        terminal = self.card.fresh()
        if self.aid == JUKI_NET_AID:
            return self.card.authenticate(terminal, self.aid)
        return terminal.select(self.aid)

    def manage(self) -> Terminal:
        """Resets the card and opens the application for who may set its PIN; that PIN is selected."""
        terminal = self.card.fresh().select(self.aid).scp03(self.keys)
        assert terminal.select_file(self.form.ef) == 0x9000
        return terminal

    def reset(self, pin: bytes) -> int:
        """Sets the PIN and returns the status word."""
        return self.manage().send(0x00, 0x2C, 0x02, 0x80, pin).sw

    def give(self, terminal: Terminal, pin: bytes) -> int:
        """Gives a PIN and returns the status word."""
        return terminal.verify(self.form.ef, pin)

    def block(self) -> Terminal:
        """Gives wrong PINs until none are left."""
        terminal = self.open()
        for left in reversed(range(self.form.tries)):
            assert self.give(terminal, self.form.wrong) == 0x63C0 | left
        return terminal


@pytest.fixture(params=_FORMS)
def holder(request: pytest.FixtureRequest, take: Take) -> Iterator[Holder]:
    """A PIN, right and with all its tries; so it is left."""
    form = _FORMS[request.param]
    if not form.kind:
        yield from _own_service(request.getfixturevalue("card"), form)
        return
    card = take(form.kind)
    if not card.specimen.is_expendable:
        pytest.skip("this may block the holder's PIN: declare the card expendable in its specimen file")
    card.link.reset()
    holder = Holder(card, form, card.specimen.pins[form.name])
    yield holder
    assert holder.reset(holder.right) == 0x9000


def _own_service(card: Card, form: Form) -> Iterator[Holder]:
    service = card.install(0xFF03)
    holder = Holder(card, form, SERVICE_PIN)
    holder.keys, holder.aid = service.keys, service.aid
    yield holder
    card.remove(service.aid)


def test_6_the_tries_left_are_told(holder: Holder) -> None:
    assert holder.open().tries(holder.form.ef) == 0x63C0 | holder.form.tries


def test_6_a_right_pin_is_accepted(holder: Holder) -> None:
    terminal = holder.open()

    assert holder.give(terminal, holder.right) == 0x9000
    assert terminal.tries(holder.form.ef) == 0x63C0 | holder.form.tries


def test_6_a_wrong_pin_costs_a_try_and_a_right_one_gives_all_back(holder: Holder) -> None:
    terminal, left = holder.open(), 0x63C0 | holder.form.tries - 1

    assert holder.give(terminal, holder.form.wrong) == left
    assert terminal.tries(holder.form.ef) == left
    assert holder.give(terminal, holder.right) == 0x9000
    assert terminal.tries(holder.form.ef) == left + 1


def test_6_a_try_is_spent_for_good(holder: Holder) -> None:
    holder.give(holder.open(), holder.form.wrong)

    assert holder.open().tries(holder.form.ef) == 0x63C0 | holder.form.tries - 1


def test_6_after_the_last_try_the_right_pin_is_blocked_too(holder: Holder) -> None:
    terminal = holder.block()

    assert holder.give(terminal, holder.right) == 0x6983
    assert terminal.tries(holder.form.ef) == 0x63C0
    assert holder.give(holder.open(), holder.right) == 0x6983


def test_6_a_blocked_pin_is_unblocked_with_a_new_one(holder: Holder) -> None:
    holder.block()

    assert holder.reset(holder.form.new) == 0x9000

    assert holder.open().tries(holder.form.ef) == 0x63C0 | holder.form.tries
    assert holder.give(holder.open(), holder.form.new) == 0x9000


def test_6_nobody_unblocks_without_the_session_of_who_may(holder: Holder) -> None:
    terminal = holder.block()

    assert terminal.send(0x00, 0x2C, 0x02, 0x80, holder.form.new).sw == 0x6982


def test_6_a_pin_of_an_impossible_length_costs_nothing(holder: Holder) -> None:
    terminal = holder.open()

    assert holder.give(terminal, holder.form.short) == 0x6700
    assert terminal.tries(holder.form.ef) == 0x63C0 | holder.form.tries


def test_6_a_proved_pin_is_changed(holder: Holder) -> None:
    terminal = holder.open()
    assert holder.give(terminal, holder.right) == 0x9000

    assert terminal.send(0x00, 0x24, 0x01, 0x80, holder.form.new).sw == 0x9000

    assert holder.give(holder.open(), holder.form.new) == 0x9000
    assert holder.give(holder.open(), holder.right) & 0xFFF0 == 0x63C0


def test_6_a_pin_that_was_not_proved_is_not_changed(holder: Holder) -> None:
    terminal = holder.open()
    terminal.select_file(holder.form.ef)

    assert terminal.send(0x00, 0x24, 0x01, 0x80, holder.form.new).sw == 0x6982


@pytest.mark.parametrize("what", ["malformed", "short"])
def test_6_a_pin_of_another_form_is_not_set(holder: Holder, what: str) -> None:
    new = holder.form.malformed if what == "malformed" else holder.form.short
    terminal = holder.open()
    assert holder.give(terminal, holder.right) == 0x9000

    assert terminal.send(0x00, 0x24, 0x01, 0x80, new).sw == 0x6A80
    assert holder.reset(new) == 0x6A80
    assert holder.give(holder.open(), holder.right) == 0x9000


def _is_proved(holder: Holder, terminal: Terminal) -> bool:
    """Tells whether the PIN is proved: then alone it may be changed, here to what it is."""
    assert terminal.select_file(holder.form.ef) == 0x9000
    return terminal.send(0x00, 0x24, 0x01, 0x80, holder.right).is_success


def test_6_a_wrong_pin_takes_back_an_earlier_proof(holder: Holder) -> None:
    terminal = holder.open()
    assert holder.give(terminal, holder.right) == 0x9000
    holder.give(terminal, holder.form.wrong)

    assert not _is_proved(holder, terminal)


@pytest.mark.parametrize("how", ["reset", "SELECT", "mutual authentication", "a broken session", "a closed channel"])
def test_6_who_comes_next_does_not_inherit_the_proof(holder: Holder, how: str) -> None:
    terminal = holder.open()
    if how == "a broken session" and terminal.end is None:
        terminal.scp03(holder.keys)
    assert holder.give(terminal, holder.right) == 0x9000
    if how == "reset":
        terminal = holder.open()
    elif how == "a closed channel":
        terminal = _on_a_channel_again(holder)
    elif how == "mutual authentication":
        terminal.begin_scp03(holder.keys)
    elif how == "a broken session":
        assert terminal.raw(b"\x04\xb0\x00\x00\x08" + bytes(8)).sw == 0x6988
        terminal.end = None
    else:
        terminal.select(holder.aid)
    if holder.aid == JUKI_NET_AID and how not in {"reset", "a closed channel"}:
        assert terminal.select_file(holder.form.ef) == 0x6982
        return

    assert not _is_proved(holder, terminal)


def _on_a_channel_again(holder: Holder) -> Terminal:
    """Proves the PIN on a further channel, closes it, and opens the same again."""
    basic = holder.card.fresh()
    for proves in (True, False):
        channel = basic.on(basic.ok(0x00, 0x70, le=1)[0])
        if holder.aid == JUKI_NET_AID:
            holder.card.authenticate(channel, holder.aid)
        else:
            channel.select(holder.aid)
        if proves:
            assert holder.give(channel, holder.right) == 0x9000
            assert basic.plain(0x00, 0x70, 0x80, channel.channel).is_success
    return channel


def test_6_the_history_of_a_pin_is_told_in_the_session_of_who_may_set_it(holder: Holder) -> None:
    def history() -> tuple[int, ...]:
        raw = holder.manage().ok(0x80, 0xCA, 0x9F, 0x17, le=SHORT_LE)
        rows = (raw[at : at + 8] for at in range(0, len(raw), 8))
        row = next(row for row in rows if row[:2] == holder.form.ef.to_bytes(2, "big"))
        return row[2], row[3], int.from_bytes(row[4:6], "big"), int.from_bytes(row[6:8], "big")

    tries, _, blocked, reset = history()
    holder.block()
    assert history() == (tries, 0, blocked + 1, reset)
    holder.reset(holder.right)

    assert history() == (holder.form.tries, holder.form.tries, blocked + 1, reset + 1)
    assert holder.open().send(0x80, 0xCA, 0x9F, 0x17, le=SHORT_LE).sw == 0x6982


def test_6_without_a_pin_selected_none_is_verified(holder: Holder) -> None:
    terminal = holder.open()

    assert terminal.send(0x00, 0x20, 0x00, 0x80, holder.right).sw == 0x6986
