"""The firewall, walked: every application against every other, with every command, as everybody who can be proved."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from services.card import tlv
from services.card.apdu import Command
from services.card.softcard import jpki, jukinet, operator
from services.card.softcard.memory import Cells, decode, encode
from services.card.softcard.registry import DOMAIN, SYSTEM
from tests.cards import (
    AUTHENTICATION_PIN,
    CLINIC,
    JUKI_PIN,
    LIBRARY,
    OPERATOR_PIN,
    PHOTOGRAPH,
    RESIDENT_CODE,
    SERVICE_PIN,
    SIGN_PIN,
    Bench,
    Terminal,
    certify,
    fresh_resident,
    install_data,
    key_set_data,
)
from tests.doubles.card_storage import MemoryStorage

_APPLETS = {"domain": DOMAIN, "juki-net": jukinet.AID, "jpki": jpki.AID, "library": LIBRARY, "clinic": CLINIC}
_APPLETS["operator"] = operator.AID
_ALLOWED = {"domain": {SYSTEM}}
"""The security domain installs and ends: it alone writes what the runtime keeps. What it may do to others is tested."""
_SECRET = b"what the library knows"
_CLINIC_SECRET = b"what the clinic knows "


def _card() -> Bench:
    """Gives an active card with every application, each holding something that no other may see."""
    bench = fresh_resident()
    assert bench.install(operator.AID) == 0x9000
    session = bench.issuer(operator.AID)
    bench.set_pin(session, operator.PIN, OPERATOR_PIN)
    session.select_ef(operator.KEY).ok(0x00, 0x47, 0x80, 0x00)
    for aid, secret in ((LIBRARY, _SECRET), (CLINIC, _CLINIC_SECRET)):
        service = bench.service(aid)
        service.ok(0x00, 0xE0, 0, 0, bytes.fromhex("620F820101830201018002001686020303"))
        service.select_ef(0x0101)
        service.verify(0x0018, SERVICE_PIN)
        service.select_ef(0x0101).ok(0x00, 0xD6, 0, 0, secret)
    bench.insert()
    return bench


def _pins(terminal: Terminal, pins: dict[int, bytes]) -> Terminal:
    for ef, pin in pins.items():
        assert terminal.verify(ef, pin) == 0x9000
    return terminal


_PINS = {
    "juki-net": {jukinet.PIN: JUKI_PIN},
    "jpki": {jpki.AUTHENTICATION_PIN: AUTHENTICATION_PIN, jpki.SIGN_PIN: SIGN_PIN},
    "operator": {operator.PIN: OPERATOR_PIN},
    "library": {0x0018: SERVICE_PIN},
    "clinic": {0x0018: SERVICE_PIN},
    "domain": {},
}


def _sessions(bench: Bench, name: str) -> Iterator[tuple[str, Callable[[], Terminal]]]:
    """Lists everybody who can be proved to an application, with all its PINs given where PINs are taken."""
    aid = _APPLETS[name]
    pins = {} if name in {"juki-net", "domain"} else _PINS[name]
    yield "anybody", lambda: _pins(Terminal(bench.card).select(aid), pins)
    yield "terminal", lambda: _pins(bench.mutual(aid), _PINS[name])
    if name in {"library", "clinic"}:
        yield "service", lambda: _pins(bench.service(aid), pins)
    else:
        yield "issuer", lambda: _pins(bench.issuer(aid), {} if name == "juki-net" else pins)


_EFS = (0x0001, 0x0002, 0x0003, 0x0006, 0x000A, 0x000B, 0x0017, 0x0018, 0x001A, 0x001B, 0x0101)
_PARAMETERS = [(0, 0), (0, 0x80), (1, 0x80), (2, 0x80), (2, 0x0C), (0x80, 0), (0x81, 0), (1, 4), (0x9E, 0x9A)]
_PARAMETERS += [(0x9F, 0x17), (0x0C, 0), (0x40, 0), (0, 0x81), (1, 0x81), (0, 0x10), (0, 0x11), (0x90, 0), (0, 0xE0)]
_PARAMETERS += [(0x9F, 0x70), (0, 0x42), (0, 0x45), (0, 0x66), (0xBF, 0x21)]
_INSTRUCTIONS = bytes.fromhex("20242A2C4788A4B0B2CACBD6D8DCDADBE0E2E4E6F1F2D020")


def _data(bench: Bench) -> list[bytes]:
    """Lists data fields that mean something to some command of some application."""
    foreign = tlv.encode(0x4F, CLINIC)
    certificate = certify(bench.federation.root.public_key(), bench.federation.root)
    return [
        b"",
        b"\x4f\x00",
        foreign,
        b"\xd0\x01\x7f",
        *(ef.to_bytes(2, "big") for ef in _EFS),
        b"1234",
        bytes(32),
        tlv.Grouping(0x0001, RESIDENT_CODE[::-1]).encode(),
        tlv.Grouping(0x0003, b"").encode(),
        tlv.Grouping(0x000B, certificate.ljust(256, b"\0")).encode(),
        install_data(jpki.AID),
        key_set_data(1, bench.keys, bench.keys.dek),
        bytes.fromhex("620F820101830202028002001086020000"),
        tlv.encode(0xA6, tlv.encode(0x83, b"\x11\x03")),
    ]


def _areas(bench: Bench) -> Cells:
    assert isinstance(bench.storage, MemoryStorage)
    return decode(bench.storage.content)


def _others(cells: Cells, mine: set[bytes]) -> Cells:
    return {key: value for key, value in cells.items() if key[0] not in mine}


def _secrets(cells: Cells, mine: bytes) -> list[bytes]:
    """Lists what other applications hold that is long enough to be recognised in an answer.

    What the application holds itself is left out: two own services may well have the same form of PIN.
    """
    own = {value for (area, _), value in cells.items() if area == mine}
    return [
        value
        for (area, _), value in cells.items()
        if area not in {mine, SYSTEM} and len(value) >= 11 and value not in own
    ]


def _commands(bench: Bench) -> list[Command]:
    shapes = itertools.product((0x00, 0x80), _INSTRUCTIONS, _PARAMETERS, _data(bench))
    return [Command(cla, ins, p1, p2, data, 65_536) for cla, ins, (p1, p2), data in shapes]


@pytest.mark.parametrize("name", _APPLETS)
def test_no_command_of_one_application_reaches_another(name: str) -> None:
    """Sends every command with every parameter and data field, as everybody; watches memory and answers of the others.

    The security domain may by design add and remove applications; what is watched there is that it reads nothing.
    """
    bench = _card()
    aid = _APPLETS[name]
    before = _areas(bench)
    mine = {aid} | _ALLOWED.get(name, set())
    secrets = _secrets(before, aid)
    assert len(secrets) > 5
    for who, enter in _sessions(bench, name):
        session = enter()
        for command in _commands(bench):
            answer = session.send(command.cla, command.ins, command.p1, command.p2, command.data, command.le)
            assert answer.sw != 0x6F00
            leaked = [secret for secret in secrets if secret in answer.data]
            assert not leaked, f"{name} as {who}: {command!r}"
        if name != "domain":
            assert _others(_areas(bench), mine) == _others(before, mine), f"{name} as {who}"
        bench.storage.content = encode(before)  # type: ignore[attr-defined]
        bench.insert()


@pytest.mark.parametrize(("own", "other"), list(itertools.permutations(_APPLETS, 2)))
def test_what_was_proved_to_one_application_is_nothing_to_another(own: str, other: str) -> None:
    bench = _card()
    for _, enter in _sessions(bench, own):
        first = enter()
        foreign = Terminal(bench.card).select(_APPLETS[other])
        assert _proofs(foreign) == _proofs(Terminal(bench.twin().card).select(_APPLETS[other]))

        first.end = None
        again = first.select(_APPLETS[own])
        assert _proofs(again) == _proofs(Terminal(bench.twin().card).select(_APPLETS[own]))
        bench.insert()


def _proofs(terminal: Terminal) -> list[tuple[int, bytes]]:
    """Asks for everything that takes a proof; a fresh selection answers the same as one on a fresh card."""
    found = []
    for ef in _EFS:
        terminal.send(0x00, 0xA4, 0x02, 0x0C, ef.to_bytes(2, "big"))
        for cla, ins, p1, p2, data in (
            (0x00, 0xB0, 0, 0, b""),
            (0x80, 0x2A, 0, 0x80, b"x"),
            (0x00, 0x2A, 0x9E, 0x9A, bytes(32)),
            (0x00, 0x88, 0, 0, bytes(16)),
            (0x80, 0xF2, 0x40, 0, b"\x4f\x00"),
        ):
            answer = terminal.send(cla, ins, p1, p2, data, 65_536)
            found.append((answer.sw, answer.data))
    return found


def test_an_application_cannot_tell_which_others_there_are(resident: Bench) -> None:
    """Inside an application, a foreign application's file and one that nowhere exists are answered alike."""
    for aid in (LIBRARY, jpki.AID):
        terminal = Terminal(resident.card).select(aid)
        answers = {terminal.send(0x00, 0xA4, 0x02, 0x0C, ef).sw for ef in (b"\x00\x03", b"\x77\x77", b"\x01\x01")}
        assert answers == {0x6A82}


def test_removing_one_application_leaves_the_others_as_they_were() -> None:
    bench = _card()
    before = _areas(bench)

    bench.issuer().ok(0x80, 0xE4, 0, 0, tlv.encode(0x4F, LIBRARY))

    after = _areas(bench)
    assert _others(after, {LIBRARY, SYSTEM}) == _others(before, {LIBRARY, SYSTEM})
    assert not [key for key in after if key[0] == LIBRARY]


def test_a_removed_application_is_gone_from_other_channels_too() -> None:
    bench = _card()
    user, issuer = Terminal(bench.card), Terminal(bench.card, 1)
    user.ok(0x00, 0x70)
    user.select(LIBRARY).verify(0x0018, SERVICE_PIN)

    issuer.select(DOMAIN).scp03(bench.keys).ok(0x80, 0xE4, 0, 0, tlv.encode(0x4F, LIBRARY))

    assert user.send(0x00, 0xB0).sw == 0x6D00, "the security domain is selected instead"
    assert user.send(0x00, 0xA4, 0x04, 0x0C, LIBRARY).sw == 0x6A82


def test_an_application_installed_anew_finds_nothing_of_the_old_one() -> None:
    bench = _card()
    bench.issuer().ok(0x80, 0xE4, 0, 0, tlv.encode(0x4F, LIBRARY))

    assert bench.install_service(LIBRARY) == 0x9000

    service = bench.service(LIBRARY)
    assert service.send(0x00, 0xA4, 0x02, 0x0C, b"\x01\x01").sw == 0x6A82
    assert service.select_ef(0x0018).send(0x00, 0x20, 0x00, 0x80, SERVICE_PIN).sw == 0x6984


def test_the_issuer_writes_the_juki_net_files_and_cannot_read_them(resident: Bench) -> None:
    session = resident.issuer(jukinet.AID)

    assert [session.read(ef).sw for ef in (1, 2, 3)] == [0x6982] * 3
    assert PHOTOGRAPH[:16] not in session.send(0x00, 0xB0, 0, 0, le=65_536).data
