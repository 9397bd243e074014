"""The life of a card, as a table: from where to where, and what works in each state."""

import itertools

import pytest

from services.card import tlv
from services.card.softcard import jpki, jukinet, municipal, operator
from services.card.softcard.lifecycle import State, leads
from services.card.softcard.registry import DOMAIN
from tests.cards import (
    AUTHENTICATION_PIN,
    LIBRARY,
    PHOTOGRAPH,
    SIGN_PIN,
    Bench,
    Terminal,
    enrol_jpki,
    identity,
    install_data,
    load_resident,
    operator_card,
    resident_card,
)
from tests.doubles.card_storage import MemoryStorage, PowerLost

_TABLE = {
    State.ISSUED: {State.PERSONALISED, State.TERMINATED},
    State.PERSONALISED: {State.ACTIVE, State.TERMINATED},
    State.ACTIVE: {State.LOCKED, State.TERMINATED},
    State.LOCKED: {State.ACTIVE, State.TERMINATED},
    State.TERMINATED: set(),
}


def _state(bench: Bench) -> int:
    return Terminal(bench.card).select(DOMAIN).ok(0x00, 0xCA, 0x9F, 0x70)[-1]


@pytest.mark.parametrize(("now", "to"), list(itertools.product(State, State)))
def test_every_change_of_state_is_in_the_table_or_refused(now: State, to: State) -> None:
    assert leads(now, to) == (to in _TABLE[now])
    if now is State.TERMINATED:
        return
    bench = resident_card(state=now)
    assert _state(bench) == now

    sw = bench.set_state(to)

    assert sw == (0x9000 if to in _TABLE[now] else 0x6985)
    assert _state(bench) == (to if to in _TABLE[now] else now)


def test_a_state_that_there_is_not_is_refused(resident: Bench) -> None:
    assert [resident.issuer().send(0x80, 0xF0, 0x80, state).sw for state in (0x00, 0x03, 0x80)] == [0x6A86] * 3
    assert Terminal(resident.card).send(0x80, 0xF0, 0x80, State.LOCKED).sw == 0x6982


def test_a_card_without_applications_is_not_personalised() -> None:
    assert Bench().set_state(State.PERSONALISED) == 0x6985


@pytest.mark.parametrize("missing", ["code", "identity", "photograph", "pin"])
def test_a_card_with_something_missing_does_not_become_active(missing: str) -> None:
    bench = Bench()
    bench.prepare()
    bench.install(jukinet.AID)
    session = bench.issuer(jukinet.AID)
    files = {jukinet.RESIDENT_CODE: b"12345678903", jukinet.IDENTITY: identity(), jukinet.PHOTOGRAPH: PHOTOGRAPH}
    names = {"code": jukinet.RESIDENT_CODE, "identity": jukinet.IDENTITY, "photograph": jukinet.PHOTOGRAPH}
    files.pop(names.get(missing, 0), None)
    session.ok(0x80, 0xE2, 0x80, 0x00, b"".join(tlv.Grouping(*file).encode() for file in files.items()))
    if missing != "pin":
        bench.set_pin(session, jukinet.PIN, b"4711")
    assert bench.set_state(State.PERSONALISED) == 0x9000

    assert bench.set_state(State.ACTIVE) == 0x6985

    load_resident(bench)
    assert bench.set_state(State.ACTIVE) == 0x9000


def test_a_card_without_photograph_becomes_active_but_not_with_one_that_its_identity_denies() -> None:
    bench = Bench()
    bench.prepare()
    bench.install(jukinet.AID)
    load_resident(bench, photograph=False)
    bench.set_state(State.PERSONALISED)
    session = bench.issuer(jukinet.AID)
    session.ok(0x80, 0xE2, 0x80, 0x00, tlv.Grouping(jukinet.PHOTOGRAPH, PHOTOGRAPH).encode())
    assert bench.set_state(State.ACTIVE) == 0x6985

    bench.issuer(jukinet.AID).ok(0x80, 0xE2, 0x80, 0x00, tlv.Grouping(jukinet.PHOTOGRAPH, b"").encode())

    assert bench.set_state(State.ACTIVE) == 0x9000


def test_an_operator_card_without_certificate_does_not_become_active() -> None:
    bench, _ = operator_card(state=State.PERSONALISED)
    bench.issuer(operator.AID).ok(0x80, 0xE2, 0x80, 0x00, tlv.Grouping(operator.CERTIFICATE, b"").encode())

    assert bench.set_state(State.ACTIVE) == 0x6985


@pytest.mark.parametrize(
    ("state", "clear", "as_issuer"),
    [(State.ISSUED, 0x6985, 0x6985), (State.PERSONALISED, 0x6985, 0x9000), (State.ACTIVE, 0x9000, 0x9000)],
)
def test_user_commands_wait_for_their_state(state: State, clear: int, as_issuer: int) -> None:
    bench = resident_card(state=state)

    assert Terminal(bench.card).select(jpki.AID).verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN) == clear
    session = bench.issuer(jpki.AID)
    assert session.verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN) == as_issuer
    signed = session.select_ef(jpki.AUTHENTICATION_KEY).send(0x80, 0x2A, 0x00, 0x80, b"x", 65_536).sw
    assert signed == as_issuer


def test_keys_may_be_made_anew_while_the_card_is_active(resident: Bench) -> None:
    enrol_jpki(resident)

    assert Terminal(resident.card).select(jpki.AID).verify(jpki.SIGN_PIN, SIGN_PIN) == 0x9000


def test_a_locked_card_has_nothing_but_the_security_domain(resident: Bench) -> None:
    assert resident.set_state(State.LOCKED) == 0x9000

    for aid in (jukinet.AID, jpki.AID, LIBRARY):
        assert Terminal(resident.card).send(0x00, 0xA4, 0x04, 0x0C, aid).sw == 0x6A82
    session = resident.issuer()
    for ins, p1, p2, data in ((0xE6, 0x0C, 0, install_data(operator.AID)), (0xE4, 0, 0, b"\x4f\x07" + jukinet.AID)):
        assert session.send(0x80, ins, p1, p2, data).sw == 0x6985
    assert resident.set_state(State.ACTIVE) == 0x9000
    assert Terminal(resident.card).select(jpki.AID).verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN) == 0x9000


def test_locking_ends_what_other_channels_had(resident: Bench) -> None:
    user, issuer = Terminal(resident.card), Terminal(resident.card, 1)
    user.ok(0x00, 0x70)
    user.select(jpki.AID).verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN)
    user.select_ef(jpki.AUTHENTICATION_KEY)

    issuer.select(DOMAIN).scp03(resident.keys).ok(0x80, 0xF0, 0x80, State.LOCKED)

    assert user.send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == 0x6D00, "the security domain is selected instead"


def test_a_terminated_card_has_forgotten_everything(resident: Bench) -> None:
    storage = resident.storage
    assert isinstance(storage, MemoryStorage)
    secrets = [resident.keys.enc, resident.services[LIBRARY].mac, PHOTOGRAPH, b"12345678903"]
    assert all(secret in storage.content for secret in secrets)

    assert resident.set_state(State.TERMINATED) == 0x9000

    assert len(storage.content) < 32
    resident.insert()
    terminal = Terminal(resident.card).select(DOMAIN)
    assert terminal.ok(0x00, 0xCA, 0x9F, 0x70) == b"\x9f\x70\x01\xff"
    assert terminal.send(0x00, 0xCA, 0x00, 0xE0).sw == 0x6985
    assert terminal.send(0x80, 0x50, 0x00, 0x00, bytes(8)).sw == 0x6985
    assert terminal.send(0x80, 0x2A, 0x03, 0x10, b"x").sw == 0x6985
    assert terminal.send(0x00, 0xA4, 0x04, 0x0C, jpki.AID).sw == 0x6A82


@pytest.mark.parametrize("applied", [True, False])
def test_a_card_torn_out_of_its_termination_is_terminated_or_as_it_was(resident: Bench, applied: bool) -> None:
    storage = resident.storage
    assert isinstance(storage, MemoryStorage)
    session = resident.issuer()
    storage.cut(at=0, applied=applied)

    with pytest.raises(PowerLost):
        session.send(0x80, 0xF0, 0x80, State.TERMINATED)

    resident.insert()
    if applied:
        assert _state(resident) == State.TERMINATED
    else:
        assert resident.service(LIBRARY).verify(municipal.PIN, b"k-9") == 0x9000
