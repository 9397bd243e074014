"""Sections 7.3 and 9: what an operator card signs, and what for."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from services.card import tlv
from services.card.apdu import SHORT_LE
from services.card.securechannel import decode_point
from services.card.terminal.applications import OPERATOR_AID, Operator
from services.card.terminal.requests import request_operator
from services.card.terminal.session import CardSession
from tests.conformance.card.card import Card
from tests.conformance.card.terminal import Terminal

CHALLENGE, DIGEST = bytes(range(32)), hashlib.sha256(b"a request").digest()


@pytest.fixture
def selected(operator: Card) -> Terminal:
    """The operator application, selected."""
    return operator.fresh().select(OPERATOR_AID)


@pytest.fixture
def proved(operator: Card, selected: Terminal) -> Terminal:
    """The same, after the PIN."""
    assert selected.verify(0x0018, operator.specimen.pins["operator"]) == 0x9000
    return selected


def _check(selected: Terminal, signature: bytes, digest: bytes) -> None:
    selected.select_file(0x0017)
    (pair,) = tlv.parse_exactly(selected.ok(0x00, 0x47, 0x81, 0x00, le=SHORT_LE), 0x7F49)
    public = decode_point(tlv.parse_exactly(pair, 0x86)[0])
    public.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def test_7_3_the_certificate_is_free_and_of_the_cards_key(operator: Card, selected: Terminal) -> None:
    application: Operator = CardSession(selected).operator()

    assert isinstance(application.certificate(), x509.Certificate)
    assert application.certificate().public_key() == application.public_key()


def test_9_a_challenge_is_signed_after_the_pin(proved: Terminal) -> None:
    signature = proved.ok(0x00, 0x88, data=CHALLENGE, le=SHORT_LE)

    _check(proved, signature, hashlib.sha256(b"juki-operator-challenge/v1\0" + CHALLENGE).digest())


def test_9_a_request_is_signed_after_the_pin(proved: Terminal) -> None:
    signature = proved.ok(0x00, 0x2A, 0x9E, 0x9A, DIGEST, SHORT_LE)

    _check(proved, signature, hashlib.sha256(b"juki-operator-request/v1\0" + DIGEST).digest())


def test_7_3_without_the_pin_nothing_is_signed(selected: Terminal) -> None:
    assert selected.plain(0x00, 0x88, data=CHALLENGE, le=SHORT_LE).sw == 0x6982
    assert selected.plain(0x00, 0x2A, 0x9E, 0x9A, DIGEST, SHORT_LE).sw == 0x6982


def test_7_3_a_request_uses_the_pin_up(proved: Terminal) -> None:
    proved.ok(0x00, 0x2A, 0x9E, 0x9A, DIGEST, SHORT_LE)

    assert proved.plain(0x00, 0x2A, 0x9E, 0x9A, DIGEST, SHORT_LE).sw == 0x6982
    assert proved.plain(0x00, 0x88, data=CHALLENGE, le=SHORT_LE).sw == 0x6982


def test_7_3_a_challenge_does_not_use_the_pin_up(proved: Terminal) -> None:
    proved.ok(0x00, 0x88, data=CHALLENGE, le=SHORT_LE)

    assert proved.plain(0x00, 0x88, data=CHALLENGE, le=SHORT_LE).is_success


@pytest.mark.parametrize("size", [15, 65])
def test_7_3_a_challenge_has_16_to_64_octets(proved: Terminal, size: int) -> None:
    assert proved.plain(0x00, 0x88, data=bytes(size), le=SHORT_LE).sw == 0x6700


@pytest.mark.parametrize("size", [31, 33])
def test_7_3_a_digest_has_32_octets(proved: Terminal, size: int) -> None:
    assert proved.plain(0x00, 0x2A, 0x9E, 0x9A, bytes(size), SHORT_LE).sw == 0x6700


def test_7_3_a_bare_digest_is_the_issuers_to_have_signed_and_never_of_a_certified_key(
    operator: Card, proved: Terminal
) -> None:
    assert proved.plain(0x80, 0x2A, 0x9E, 0x9A, DIGEST, SHORT_LE).sw == 0x6982

    issuers = proved.select(OPERATOR_AID).scp03(operator.keys)

    assert issuers.send(0x80, 0x2A, 0x9E, 0x9A, DIGEST, SHORT_LE).sw == 0x6985


def test_7_3_a_certificate_of_another_key_is_refused(operator: Card, selected: Terminal) -> None:
    foreign = tlv.Grouping(0x0001, operator.holder().der).encode()

    assert selected.scp03(operator.keys).send(0x80, 0xE2, 0x80, 0x00, foreign).sw == 0x6A80


def test_7_3_a_new_key_proves_its_possession_and_is_then_certified(operator: Card) -> None:
    if not operator.specimen.is_expendable:
        pytest.skip("this makes the operator a new key: declare the card expendable in its specimen file")
    application: Operator = CardSession(operator.fresh()).operator(operator.specimen.keys)
    old = application.public_key()

    new = application.generate()

    assert new != old
    assert operator.fresh().select(OPERATOR_AID).read(0x0001).sw == 0x6A82
    application = CardSession(operator.fresh()).operator(operator.specimen.keys)
    request = request_operator(application, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "synthetic operator")]))
    assert request.is_signature_valid
    assert request.public_key() == new
    application.store_certificate(operator.certify(request.subject, new))
    assert CardSession(operator.fresh()).operator().certificate().public_key() == new


def test_7_3_a_new_pair_is_the_issuers_to_make(proved: Terminal) -> None:
    proved.select_file(0x0017)

    assert proved.plain(0x00, 0x47, 0x80, 0x00, le=SHORT_LE).sw == 0x6982
