"""Mutual authentication: who gets in, who does not, and what ends a session."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.card.apdu import Command
from services.card.securechannel import ChannelBroken, HostEnd, derive_scp03, encode_point, scp11a_request
from services.card.softcard import jpki, jukinet
from services.card.softcard.registry import DOMAIN
from services.card.softcard.terminals import COUNTER
from tests.cards import AUTHENTICATION_PIN, CLINIC, JUKI_PIN, LIBRARY, SIGN_PIN, Bench, Terminal, key_set
from tests.terminals import DOMAIN as TRUST_DOMAIN
from tests.terminals import ISSUING, NOW, ROLE_IDS, TERMINAL, Federation, Shape, mint

_INITIALIZE = Command(0x80, 0x50, 0x00, 0x00, b"\1\2\3\4\5\6\7\x08")


def _authenticate(terminal: Terminal, keys: Any) -> int:
    """Tries to authenticate with keys that the card does not have."""
    with contextlib.suppress(AssertionError):
        terminal.scp03(keys)
    return terminal.transmit(Command(0x84, 0x82, 0x33, 0x00, bytes(16))).sw


def test_the_issuer_gets_in_with_its_keys(resident: Bench) -> None:
    for aid in (DOMAIN, jukinet.AID, jpki.AID):
        assert resident.issuer(aid).end is not None


def test_wrong_static_keys_do_not_get_in(resident: Bench) -> None:
    terminal = Terminal(resident.card)

    assert _authenticate(terminal, key_set()) == 0x6982
    assert terminal.send(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00").sw == 0x6982


def test_the_card_challenge_is_never_the_same(resident: Bench) -> None:
    terminal = Terminal(resident.card)

    answers = {terminal.transmit(_INITIALIZE).data[13:21] for _ in range(20)}

    assert len(answers) == 20


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        (Command(0x80, 0x50, 0x7F, 0x00, bytes(8)), 0x6A88),
        (Command(0x80, 0x50, 0x00, 0x01, bytes(8)), 0x6A86),
        (Command(0x80, 0x50, 0x00, 0x00, bytes(7)), 0x6700),
        (Command(0x84, 0x82, 0x33, 0x00, bytes(16)), 0x6982),
        (Command(0x84, 0x82, 0x01, 0x00, bytes(16)), 0x6A86),
        (Command(0x80, 0x82, 0x03, 0x11, scp11a_request(ec.generate_private_key(ec.SECP256R1()).public_key())), 0x6985),
        (Command(0x80, 0x82, 0x7F, 0x11, b""), 0x6A88),
        (Command(0x80, 0x82, 0x03, 0x13, b""), 0x6A86),
        (Command(0x80, 0x2A, 0x03, 0x10, b"no certificate"), 0x6A80),
        (Command(0x80, 0x2A, 0x7F, 0x10, b"no certificate"), 0x6A88),
    ],
)
def test_a_step_out_of_order_or_form_is_refused(resident: Bench, command: Command, sw: int) -> None:
    assert Terminal(resident.card).transmit(command).sw == sw


def test_a_second_authenticate_needs_a_new_challenge(resident: Bench) -> None:
    terminal = Terminal(resident.card)
    terminal.transmit(_INITIALIZE)
    assert terminal.transmit(Command(0x84, 0x82, 0x33, 0x00, bytes(16))).sw == 0x6982

    assert terminal.transmit(Command(0x84, 0x82, 0x33, 0x00, bytes(16))).sw == 0x6982


def test_a_command_in_the_clear_is_refused_while_a_session_is_open(resident: Bench) -> None:
    session = resident.issuer()

    assert session.transmit(Command(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")).sw == 0x6982
    assert session.transmit(Command(0x80, 0x82, 0x03, 0x11)).sw == 0x6982
    session.ok(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")


@pytest.mark.parametrize("position", [0, 5, -1])
def test_a_changed_command_ends_the_session(resident: Bench, position: int) -> None:
    session = resident.issuer()
    assert session.end is not None
    wrapped = session.end.wrap(Command(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00"))
    data = bytearray(wrapped.data)
    data[position] ^= 1

    assert session.transmit(replace(wrapped, data=bytes(data))).sw == 0x6988
    assert session.transmit(wrapped).sw == 0x6982


def test_a_replayed_command_ends_the_session(resident: Bench) -> None:
    session = resident.issuer()
    assert session.end is not None
    wrapped = session.end.wrap(Command(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00"))
    assert session.transmit(wrapped).sw == 0x9000

    assert session.transmit(wrapped).sw == 0x6988


def test_a_session_recorded_on_one_card_is_worth_nothing_on_the_next_power_up(resident: Bench) -> None:
    session = resident.issuer()
    assert session.end is not None
    wrapped = session.end.wrap(Command(0x80, 0xF0, 0x80, 0x7F))

    resident.card.reset()

    assert session.transmit(wrapped).sw == 0x6982


def test_selection_ends_the_session(resident: Bench) -> None:
    session = resident.issuer(jpki.AID)
    end = session.end

    session.select(jpki.AID)

    session.end = end
    with pytest.raises((ChannelBroken, AssertionError)):
        session.ok(0x80, 0xCA, 0x9F, 0x17)


def test_an_error_leaves_the_session_open(resident: Bench) -> None:
    session = resident.issuer()

    assert session.send(0x80, 0xF0, 0x80, 0x01).sw == 0x6985
    session.ok(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")


def test_a_session_works_on_a_further_channel(resident: Bench) -> None:
    Terminal(resident.card).ok(0x00, 0x70)

    session = resident.juki(channel=1)

    assert session.verify(jukinet.PIN, JUKI_PIN) == 0x9000


def test_an_own_service_takes_neither_the_issuers_keys_nor_anothers(resident: Bench) -> None:
    for keys in (resident.keys, resident.services[CLINIC]):
        assert _authenticate(Terminal(resident.card).select(LIBRARY), keys) == 0x6982
    assert resident.service(LIBRARY).end is not None


def test_a_terminal_certificate_gets_in_with_and_without_an_issuing_authority(resident: Bench) -> None:
    assert resident.juki().verify(jukinet.PIN, JUKI_PIN) == 0x9000
    direct = mint(TERMINAL, resident.federation.root)
    assert resident.static is not None
    terminal = Terminal(resident.card).select(jukinet.AID).agree((direct,), resident.static)
    assert terminal.verify(jukinet.PIN, JUKI_PIN) == 0x9000


def test_a_terminal_finds_the_cards_key_in_the_cards_certificate(resident: Bench) -> None:
    chain = (resident.federation.issuing, resident.federation.terminal())

    assert Terminal(resident.card).scp11a(chain).end is not None


def test_a_terminal_that_has_the_certificate_but_not_its_key_gets_no_further(resident: Bench) -> None:
    owner = resident.federation.terminal()
    thief = replace(owner, key=ec.generate_private_key(ec.SECP256R1()))
    assert resident.static is not None

    with pytest.raises(ChannelBroken):
        Terminal(resident.card).select(jukinet.AID).agree((resident.federation.issuing, thief), resident.static)


def test_a_card_with_another_static_key_is_recognised(resident: Bench) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    chain = (resident.federation.issuing, resident.federation.terminal())

    with pytest.raises(ChannelBroken):
        Terminal(resident.card).select(jukinet.AID).agree(chain, other)


def test_a_terminal_without_the_juki_net_role_reads_nothing(resident: Bench) -> None:
    session = resident.mutual(jukinet.AID, usages=(ROLE_IDS[COUNTER],))

    assert session.send(0x00, 0xA4, 0x02, 0x0C, b"\0\x18").sw == 0x6982
    assert session.send(0x00, 0xB0, 0x00, 0x00).sw == 0x6982 or session.send(0x00, 0xB0).sw == 0x6986


def test_a_pin_may_be_given_to_jpki_inside_a_terminals_session(resident: Bench) -> None:
    session = resident.mutual(jpki.AID)

    assert session.verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN) == 0x9000


_WRONG_TERMINALS: dict[str, dict[str, Any]] = {
    "an authority": {"is_authority": True},
    "constraints that are not critical": {"basic_constraints_critical": False},
    "no key agreement": {"key_agreement": False, "digital_signature": True},
    "more than key agreement": {"digital_signature": True},
    "no role": {"usages": ()},
    "a foreign usage": {"usages": (ExtendedKeyUsageOID.CLIENT_AUTH,)},
    "no name": {"uris": ()},
    "two names": {"uris": (TERMINAL.uris[0], TERMINAL.uris[0] + "0")},
    "another scheme": {"uris": ("https://13.juki.example/card/131016-1",)},
    "a domain that its issuer may not vouch for": {"uris": ("spiffe://14.juki.example/card/141003-1",)},
    "another issuer's name": {"issuer": "14.juki.example issuing"},
    "an unknown critical extension": {"unknown_critical": True},
    "a key of another curve": {"curve": ec.SECP384R1()},
    "a weak digest": {"digest": hashes.SHA512()},
}


@pytest.mark.parametrize("changes", _WRONG_TERMINALS.values(), ids=_WRONG_TERMINALS)
def test_a_terminal_certificate_of_another_form_is_refused(resident: Bench, changes: dict[str, Any]) -> None:
    chain = (resident.federation.issuing, resident.federation.terminal(**changes))

    assert Terminal(resident.card).present(chain) == 0x6982


_WRONG_AUTHORITIES: dict[str, Callable[[Federation], Shape]] = {
    "no authority": lambda _: replace(ISSUING, is_authority=False),
    "no right to certify": lambda _: replace(ISSUING, key_cert_sign=False),
    "with usages": lambda _: replace(ISSUING, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)),
    "expired": lambda _: replace(ISSUING, not_before=NOW - timedelta(days=20_000), lifetime=timedelta(days=2)),
    "excluded": lambda _: replace(
        ISSUING, constraints=x509.NameConstraints(None, [x509.UniformResourceIdentifier(TRUST_DOMAIN)])
    ),
}


@pytest.mark.parametrize("shape", _WRONG_AUTHORITIES.values(), ids=_WRONG_AUTHORITIES)
def test_an_issuing_authority_of_another_form_is_refused(resident: Bench, shape: Callable[[Federation], Shape]) -> None:
    authority = mint(shape(resident.federation), resident.federation.root)
    chain = (authority, mint(TERMINAL, authority.key))

    assert Terminal(resident.card).present(chain) == 0x6982


def test_a_foreign_federations_terminal_is_refused(resident: Bench) -> None:
    foreign = Federation()

    assert Terminal(resident.card).present((foreign.issuing, foreign.terminal())) == 0x6982
    assert Terminal(resident.card).present((foreign.terminal(),)) == 0x6982
    assert Terminal(resident.card).present((resident.federation.issuing, foreign.terminal())) == 0x6982


def test_a_terminal_cannot_certify_another(resident: Bench) -> None:
    owner = resident.federation.terminal()
    chain = (resident.federation.issuing, owner, mint(replace(TERMINAL, issuer=owner_name(owner)), owner.key))

    assert Terminal(resident.card).present(chain) == 0x6982


def owner_name(holder: Any) -> str:
    """Reads a certificate's common name."""
    (name,) = holder.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(name.value)


def test_the_cards_date_goes_forward_with_the_certificates_it_saw(resident: Bench) -> None:
    old = {"not_before": NOW - timedelta(days=60)}
    early = (resident.federation.issuing, resident.federation.terminal(**old))
    terminal = Terminal(resident.card)
    assert terminal.present(early) == 0x6982, "it expired before the card was made"
    late = resident.federation.terminal(not_before=NOW + timedelta(days=20))
    assert terminal.present((resident.federation.issuing, late)) == 0x9000

    resident.insert()

    assert resident.terminal.present((resident.federation.issuing, resident.federation.terminal())) == 0x9000
    later = resident.federation.terminal(not_before=NOW + timedelta(days=31))
    assert resident.terminal.present((resident.federation.issuing, later)) == 0x9000
    assert resident.terminal.present((resident.federation.issuing, resident.federation.terminal())) == 0x6982


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xa6\x00",
        bytes.fromhex("A60D9002110095013C8001888101105F4941") + b"\x04" + bytes(64),
        bytes.fromhex("A60D9002110195013C8001888101105F4941") + b"\x04" + bytes(64),
        scp11a_request(ec.generate_private_key(ec.SECP256R1()).public_key())[:-1],
    ],
)
def test_a_request_for_other_parameters_or_no_point_is_refused(resident: Bench, data: bytes) -> None:
    terminal = Terminal(resident.card)
    assert terminal.present((resident.federation.issuing, resident.federation.terminal())) == 0x9000

    assert terminal.transmit(Command(0x80, 0x82, 0x03, 0x11, data)).sw == 0x6A80
    assert terminal.transmit(Command(0x80, 0x82, 0x03, 0x11, data)).sw == 0x6985


def test_the_anchor_may_be_of_p_384(resident: Bench) -> None:
    root = ec.generate_private_key(ec.SECP384R1())
    point = encode_point(root.public_key())
    data = b"\x05\xb0\x61" + point + b"\xf0\x01\x01\x00"
    resident.issuer().ok(0x80, 0xD8, 0x00, 0x10, data)
    issuing = mint(replace(ISSUING, digest=hashes.SHA384()), root)

    terminal = Terminal(resident.card)

    for p2, holder in ((0x90, issuing), (0x10, mint(TERMINAL, issuing.key))):
        assert terminal.transmit(Command(0x80, 0x2A, 0x05, p2, holder.der)).sw == 0x9000


def test_a_terminal_does_not_inherit_the_pin_that_the_last_one_was_given(resident: Bench) -> None:
    session = resident.juki()
    assert session.verify(jukinet.PIN, JUKI_PIN) == 0x9000
    assert session.read(jukinet.RESIDENT_CODE).sw == 0x9000
    assert resident.static is not None

    session.agree((resident.federation.issuing, resident.federation.terminal()), resident.static)

    assert session.read(jukinet.RESIDENT_CODE).sw == 0x6982


def test_a_broken_session_takes_the_pin_with_it(resident: Bench) -> None:
    session = resident.juki()
    session.verify(jukinet.PIN, JUKI_PIN)
    session.select_ef(jukinet.RESIDENT_CODE)
    assert session.transmit(Command(0x04, 0xB0, 0x00, 0x00, bytes(8))).sw == 0x6988

    assert session.transmit(Command(0x00, 0xB0, 0x00, 0x00)).sw == 0x6982


def test_a_broken_session_takes_the_pin_of_jpki_with_it_too(resident: Bench) -> None:
    session = resident.mutual(jpki.AID)
    session.verify(jpki.SIGN_PIN, SIGN_PIN)
    session.select_ef(jpki.SIGN_KEY)
    assert session.transmit(Command(0x04, 0xB0, 0x00, 0x00, bytes(8))).sw == 0x6988

    assert session.transmit(Command(0x80, 0x2A, 0x00, 0x80, b"x", 256)).sw == 0x6982


def test_the_right_mac_over_the_wrong_cryptogram_does_not_get_in(resident: Bench) -> None:
    terminal = Terminal(resident.card)
    answer = terminal.transmit(_INITIALIZE).data
    end = HostEnd(derive_scp03(resident.keys, _INITIALIZE.data, answer[13:21]))

    assert terminal.transmit(end.authenticate(Command(0x80, 0x82, 0x33, 0x00, bytes(8)))).sw == 0x6982
