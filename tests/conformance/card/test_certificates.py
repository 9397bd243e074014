"""Sections 4.3 to 4.5: SCP11a, which terminals a card accepts, and how it proves itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.card import tlv
from services.card.apdu import SHORT_LE, Command
from services.card.securechannel import SCP11A_CONTROL, HostEnd, SessionKeys, encode_point, scp11a_request
from services.card.terminal.applications import JUKI_NET_AID
from services.card.terminal.domain import DOMAIN_AID
from tests.conformance.card.card import Card, yesterday
from tests.conformance.card.terminal import Terminal
from tests.terminals import DOMAIN, ISSUING, TERMINAL, Holder, mint

ROOT = "conformance root"


@pytest.fixture
def anchor(card: Card) -> int:
    """The version of the card's trust anchor; a card without one has no SCP11a to judge."""
    return card.versions()[0]


@pytest.fixture
def issuing(card: Card) -> Holder:
    """An issuing authority below the card's anchor."""
    return mint(replace(ISSUING, issuer=ROOT, not_before=yesterday()), card.specimen.authority)


def test_4_3_a_terminal_is_authenticated_and_the_cards_receipt_is_right(card: Card, terminal: Terminal) -> None:
    opened = card.authenticate(terminal, DOMAIN_AID)

    assert opened.send(0x80, 0xCA, 0x00, 0x45, le=SHORT_LE).data[2:] == card.specimen.number


def test_4_3_a_terminal_below_an_issuing_authority_is_authenticated(
    card: Card, terminal: Terminal, anchor: int, issuing: Holder
) -> None:
    shown = mint(replace(TERMINAL, not_before=yesterday()), issuing.key)
    _, version = card.versions()
    static = card.static_key()

    assert terminal.present([issuing, shown], anchor) == 0x9000

    terminal.agree(shown.key, static, version)
    assert terminal.send(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE).is_success


def test_4_3_a_terminal_is_not_the_issuer(card: Card, terminal: Terminal) -> None:
    opened = card.authenticate(terminal, DOMAIN_AID)

    assert opened.send(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", SHORT_LE).sw == 0x6982


def test_4_3_a_replayed_command_is_refused(card: Card, terminal: Terminal) -> None:
    opened = card.authenticate(terminal, DOMAIN_AID)
    assert opened.end is not None
    command = opened.end.wrap(Command(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE))
    assert opened.transmit(command).is_success

    assert opened.transmit(command).sw == 0x6988


def test_4_3_a_tampered_command_is_refused_and_closes_the_channel(card: Card, terminal: Terminal) -> None:
    opened = card.authenticate(terminal, DOMAIN_AID)
    assert opened.end is not None
    command = opened.end.wrap(Command(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE))

    assert opened.transmit(replace(command, p1=0x00, p2=0x45)).sw == 0x6988

    assert opened.transmit(opened.end.wrap(Command(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE))).sw == 0x6982


def test_4_3_a_dropped_command_is_noticed_by_the_next(card: Card, terminal: Terminal) -> None:
    opened = card.authenticate(terminal, DOMAIN_AID)
    assert opened.end is not None
    opened.end.wrap(Command(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE))

    assert opened.transmit(opened.end.wrap(Command(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE))).sw == 0x6988


def test_4_3_each_session_has_keys_of_its_own(card: Card, terminal: Terminal) -> None:
    holder = card.holder()
    ends = [card.authenticate(terminal, DOMAIN_AID, holder).end for _ in range(3)]

    assert len({end.keys.enc for end in ends if end is not None}) == 3


def test_4_3_who_shows_anothers_certificate_cannot_speak(card: Card, terminal: Terminal, anchor: int) -> None:
    """A thief of a certificate agrees on keys, but with a key of its own they are not the card's."""
    _, version = card.versions()
    assert terminal.present([card.holder()], anchor) == 0x9000
    request = scp11a_request(ec.generate_private_key(ec.SECP256R1()).public_key())
    assert terminal.plain(0x80, 0x82, version, 0x11, request, SHORT_LE).is_success
    thief = HostEnd(_nobodys_keys(), bytes(16))

    assert terminal.transmit(thief.wrap(Command(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE))).sw == 0x6988


def _nobodys_keys() -> SessionKeys:
    return SessionKeys(*(bytes((each,)) * 16 for each in range(4)))


def test_4_3_agreement_without_a_certificate_is_refused(card: Card, terminal: Terminal) -> None:
    _, version = card.versions()
    request = scp11a_request(ec.generate_private_key(ec.SECP256R1()).public_key())

    assert terminal.plain(0x80, 0x82, version, 0x11, request, SHORT_LE).sw == 0x6985


def test_4_3_an_unknown_anchor_is_refused(card: Card, terminal: Terminal) -> None:
    assert terminal.present([card.holder()], 0x7F) == 0x6A88


def test_4_3_an_unknown_static_key_is_refused(card: Card, terminal: Terminal, anchor: int) -> None:
    assert terminal.present([card.holder()], anchor) == 0x9000
    request = scp11a_request(ec.generate_private_key(ec.SECP256R1()).public_key())

    assert terminal.plain(0x80, 0x82, 0x7F, 0x11, request, SHORT_LE).sw == 0x6A88


def test_4_3_what_is_no_certificate_is_refused(terminal: Terminal, anchor: int) -> None:
    assert terminal.plain(0x80, 0x2A, anchor, 0x10, b"\x30\x03\x02\x01\x00").sw == 0x6A80


@pytest.mark.parametrize(
    ("control", "point"),
    [
        (SCP11A_CONTROL.replace(b"\x95\x01\x3c", b"\x95\x01\x34"), b""),
        (SCP11A_CONTROL.replace(b"\x81\x01\x10", b"\x81\x01\x20"), b""),
        (SCP11A_CONTROL, b"\x04" + bytes(64)),
        (SCP11A_CONTROL, b"\x04" + b"\x01" * 64),
    ],
    ids=["another usage", "another length", "the origin", "off the curve"],
)
def test_4_3_other_parameters_and_points_are_refused(
    card: Card, terminal: Terminal, anchor: int, control: bytes, point: bytes
) -> None:
    _, version = card.versions()
    assert terminal.present([card.holder()], anchor) == 0x9000
    own = point or encode_point(ec.generate_private_key(ec.SECP256R1()).public_key())

    assert terminal.plain(0x80, 0x82, version, 0x11, control + tlv.encode(0x5F49, own), SHORT_LE).sw == 0x6A80


_WRONG_TERMINALS: dict[str, dict[str, object]] = {
    "an authority": {"is_authority": True},
    "constraints not critical": {"basic_constraints_critical": False},
    "no key agreement": {"key_agreement": False, "digital_signature": True},
    "signs besides": {"digital_signature": True},
    "no role": {"usages": ()},
    "another role": {"usages": (ExtendedKeyUsageOID.CLIENT_AUTH,)},
    "no name": {"uris": ()},
    "two names": {"uris": (f"spiffe://{DOMAIN}/card/131016-1", f"spiffe://{DOMAIN}/card/131016-2")},
    "no SPIFFE name": {"uris": (f"https://{DOMAIN}/card",)},
    "name constraints": {"constraints": x509.NameConstraints([x509.UniformResourceIdentifier(DOMAIN)], None)},
    "an unknown critical extension": {"unknown_critical": True},
    "a key of P-384": {"curve": ec.SECP384R1()},
    "SHA-512": {"digest": hashes.SHA512()},
    "long ended": {"not_before": yesterday() - timedelta(days=9000)},
}


@pytest.mark.parametrize("wrong", _WRONG_TERMINALS)
def test_4_4_a_terminal_certificate_of_another_profile_is_refused(
    card: Card, terminal: Terminal, anchor: int, wrong: str
) -> None:
    assert terminal.present([card.holder(**_WRONG_TERMINALS[wrong])], anchor) == 0x6982


def test_4_4_a_foreign_terminal_is_refused(terminal: Terminal, anchor: int) -> None:
    stranger = mint(replace(TERMINAL, not_before=yesterday()), ec.generate_private_key(ec.SECP256R1()))

    assert terminal.present([stranger], anchor) == 0x6982


_WRONG_ISSUERS: dict[str, dict[str, object]] = {
    "no authority": {"is_authority": False},
    "signs no certificates": {"key_cert_sign": False, "digital_signature": True},
    "extended usages": {"usages": TERMINAL.usages},
    "an unknown critical extension": {"unknown_critical": True},
}


@pytest.mark.parametrize("wrong", _WRONG_ISSUERS)
def test_4_4_an_issuing_certificate_of_another_profile_is_refused(
    card: Card, terminal: Terminal, anchor: int, wrong: str
) -> None:
    shape = replace(ISSUING, issuer=ROOT, not_before=yesterday(), **_WRONG_ISSUERS[wrong])  # type: ignore[arg-type]
    issuing = mint(shape, card.specimen.authority)

    assert terminal.plain(0x80, 0x2A, anchor, 0x90, issuing.der).sw == 0x6982


def test_4_4_an_issuing_authority_vouches_for_its_own_trust_domain_alone(
    terminal: Terminal, anchor: int, issuing: Holder
) -> None:
    shape = replace(TERMINAL, not_before=yesterday(), uris=("spiffe://14.juki.example/card/141003-1",))

    assert terminal.present([issuing, mint(shape, issuing.key)], anchor) == 0x6982


def test_4_4_a_terminal_names_the_authority_that_signed_it(terminal: Terminal, anchor: int, issuing: Holder) -> None:
    shape = replace(TERMINAL, not_before=yesterday(), issuer="somebody else")

    assert terminal.present([issuing, mint(shape, issuing.key)], anchor) == 0x6982


def test_4_4_two_issuing_authorities_are_one_too_many(
    card: Card, terminal: Terminal, anchor: int, issuing: Holder
) -> None:
    second = mint(replace(ISSUING, issuer=ISSUING.subject, not_before=yesterday()), issuing.key)

    assert terminal.plain(0x80, 0x2A, anchor, 0x90, issuing.der).is_success
    assert terminal.plain(0x80, 0x2A, anchor, 0x90, second.der).sw == 0x6982


def test_4_4_the_cards_date_does_not_go_back(card: Card, terminal: Terminal, anchor: int) -> None:
    assert terminal.present([card.holder()], anchor) == 0x9000
    card.link.reset()
    ended = card.holder(not_before=yesterday() - timedelta(days=30), lifetime=timedelta(days=29))

    assert terminal.present([ended], anchor) == 0x6982


def test_4_4_without_the_role_juki_net_nothing_of_juki_net_opens(resident: Card, terminal: Terminal) -> None:
    counter = resident.holder(usages=(x509.ObjectIdentifier(f"{TERMINAL.usages[0].dotted_string[:-2]}.2"),))

    opened = resident.authenticate(terminal, JUKI_NET_AID, counter)

    assert (opened.select_file(0x0001), opened.select_file(0x0018)) == (0x6982, 0x6982)


def test_4_5_the_cards_certificate_is_of_the_profile_and_names_its_number(card: Card) -> None:
    key = card.static_key()

    assert isinstance(key.curve, ec.SECP256R1)
