"""Juki-net, JPKI and operator: what each holds, and to whom it gives it."""

import hashlib

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from hypothesis import given, settings
from hypothesis import strategies as st

from services.card import tlv
from services.card.softcard import jpki, jukinet, operator
from services.card.softcard.chip import Chip
from services.card.softcard.lifecycle import State
from services.vocabulary.resident_code import ResidentCode
from tests.cards import (
    AUTHENTICATION_PIN,
    JUKI_PIN,
    OPERATOR_PIN,
    PHOTOGRAPH,
    RESIDENT_CODE,
    SIGN_PIN,
    Bench,
    QuickChip,
    Terminal,
    certify,
    fresh_resident,
    identity,
    operator_card,
    rsa_key_of,
)

_KEYS = [
    (jpki.AUTHENTICATION_KEY, jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN),
    (jpki.SIGN_KEY, jpki.SIGN_PIN, SIGN_PIN),
]


def _jpki(bench: Bench) -> Terminal:
    return Terminal(bench.card).select(jpki.AID)


def _store(session: Terminal, *files: tuple[int, bytes]) -> int:
    return session.send(0x80, 0xE2, 0x80, 0x00, b"".join(tlv.Grouping(*file).encode() for file in files)).sw


# --- juki-net ---


def test_a_juki_net_terminal_reads_after_the_pin_and_not_before(resident: Bench) -> None:
    session = resident.juki()
    files = (jukinet.RESIDENT_CODE, jukinet.IDENTITY, jukinet.PHOTOGRAPH)
    assert [session.read(ef).sw for ef in files] == [0x6982] * 3
    session.verify(jukinet.PIN, JUKI_PIN)

    assert [session.read(ef).data for ef in files] == [RESIDENT_CODE, identity(), PHOTOGRAPH]


def test_outside_a_session_nothing_of_juki_net_is_to_be_had(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(jukinet.AID)

    assert terminal.send(0x00, 0xA4, 0x02, 0x0C, b"\0\x18").sw == 0x6982
    assert terminal.send(0x00, 0x20, 0x00, 0x80, JUKI_PIN).sw == 0x6982
    assert terminal.send(0x00, 0xB0).sw == 0x6986


@pytest.mark.parametrize(
    "file",
    [
        (jukinet.RESIDENT_CODE, b"12345678900"),
        (jukinet.RESIDENT_CODE, b"1234567890"),
        (jukinet.RESIDENT_CODE, "１２３４５６７８９０３".encode()),
        (jukinet.IDENTITY, identity()[:-1]),
        (jukinet.IDENTITY, identity() + identity()),
        (jukinet.IDENTITY, identity().replace(b"131016", b"13101x")),
        (jukinet.IDENTITY, identity()[:-1] + b"\x02"),
        (jukinet.PHOTOGRAPH, b"GIF89a"),
        (jukinet.PHOTOGRAPH, b"\xff\xd8\xff" + bytes(12_284) + b"\xff\xd9"),
        (jukinet.PIN, b"0000"),
        (0x0004, b"no such file"),
    ],
)
def test_what_is_not_of_a_files_form_is_not_stored(resident: Bench, file: tuple[int, bytes]) -> None:
    assert _store(resident.issuer(jukinet.AID), file) == 0x6A80


def test_a_photograph_of_the_greatest_size_is_stored(resident: Bench) -> None:
    photograph = b"\xff\xd8\xff" + bytes(12_283) + b"\xff\xd9"

    assert _store(resident.issuer(jukinet.AID), (jukinet.PHOTOGRAPH, photograph)) == 0x9000
    session = resident.juki()
    session.verify(jukinet.PIN, JUKI_PIN)
    assert session.read(jukinet.PHOTOGRAPH).data == photograph


def test_files_stored_together_are_stored_together_or_not_at_all(resident: Bench) -> None:
    other = ResidentCode.from_body("9876543210").digits.encode()
    wrong = (jukinet.PHOTOGRAPH, b"no photograph")

    assert _store(resident.issuer(jukinet.AID), (jukinet.RESIDENT_CODE, RESIDENT_CODE), wrong) == 0x6A80
    assert _store(resident.issuer(jukinet.AID), (jukinet.RESIDENT_CODE, other), wrong) == 0x6A80

    session = resident.juki()
    session.verify(jukinet.PIN, JUKI_PIN)
    assert session.read(jukinet.RESIDENT_CODE).data == RESIDENT_CODE


# --- files in general ---


def test_certificates_are_read_as_opensc_reads_them(resident: Bench) -> None:
    """Four octets, the length in them, then 256 octets at a time and the exact rest."""
    terminal = _jpki(resident).select_ef(jpki.AUTHENTICATION_CERTIFICATE)
    head = terminal.ok(0x00, 0xB0, 0, 0, le=4)
    size = int.from_bytes(head[2:], "big") + 4
    content = b""
    while len(content) < size:
        offset, le = len(content), min(256, size - len(content))
        content += terminal.ok(0x00, 0xB0, offset >> 8, offset & 0xFF, le=le)

    assert head[:2] == b"\x30\x82"
    assert x509.load_der_x509_certificate(content)


def test_reading_knows_the_end_of_a_file(resident: Bench) -> None:
    terminal = _jpki(resident).select_ef(jpki.TOKEN)

    assert terminal.send(0x00, 0xB0, 0, 30, le=4).sw == 0x6282
    assert terminal.send(0x00, 0xB0, 0, 30, le=4).data == terminal.ok(0x00, 0xB0, 0, 30)
    assert terminal.ok(0x00, 0xB0, 0, 32) == b""
    assert terminal.send(0x00, 0xB0, 0, 33).sw == 0x6B00
    assert terminal.send(0x00, 0xB0, 0x80, 0).sw == 0x6A86
    assert terminal.send(0x00, 0xB0, 0, 0, b"x").sw == 0x6700
    assert terminal.send(0x00, 0xA4, 0x02, 0x0C, b"\0").sw == 0x6700
    assert terminal.send(0x00, 0xA4, 0x02, 0x0C, b"\x77\x77").sw == 0x6A82
    assert terminal.send(0x00, 0xA4, 0x02, 0x00, b"\0\6").sw == 0x6A86
    assert terminal.read(jpki.SIGN_KEY).sw == 0x6986


# --- JPKI ---


@pytest.mark.parametrize(("key", "pin_ef", "pin"), _KEYS)
def test_the_keys_sign_after_their_own_pin_only(resident: Bench, key: int, pin_ef: int, pin: bytes) -> None:
    other_ef, other_pin = next((ef, value) for _, ef, value in _KEYS if ef != pin_ef)
    terminal = _jpki(resident)
    terminal.verify(other_ef, other_pin)
    assert terminal.select_ef(key).send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == 0x6982

    terminal.verify(pin_ef, pin)

    assert terminal.select_ef(key).send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == 0x9000


@settings(max_examples=20)
@given(st.binary(min_size=1, max_size=245))
def test_any_data_that_fit_are_signed_as_they_are(data: bytes) -> None:
    terminal = _jpki(fresh_resident())
    terminal.verify(jpki.SIGN_PIN, SIGN_PIN)
    terminal.select_ef(jpki.SIGN_KEY)
    public = rsa_key_of(terminal.ok(0x00, 0x47, 0x81, 0x00, le=65_536))

    signature = terminal.ok(0x80, 0x2A, 0x00, 0x80, data, 256)

    assert public.recover_data_from_signature(signature, padding.PKCS1v15(), None) == data


@pytest.mark.parametrize(("size", "sw"), [(0, 0x6700), (246, 0x6700)])
def test_data_that_do_not_fit_are_refused(resident: Bench, size: int, sw: int) -> None:
    terminal = _jpki(resident)
    terminal.verify(jpki.SIGN_PIN, SIGN_PIN)

    assert terminal.select_ef(jpki.SIGN_KEY).send(0x80, 0x2A, 0x00, 0x80, bytes(size), 256).sw == sw


def test_signing_without_a_key_selected_is_refused(resident: Bench) -> None:
    terminal = _jpki(resident)
    assert terminal.send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == 0x6986

    terminal.verify(jpki.SIGN_PIN, SIGN_PIN)

    assert terminal.send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == 0x6986


def test_the_signature_certificate_is_read_after_its_pin_only(resident: Bench) -> None:
    terminal = _jpki(resident)
    assert terminal.read(jpki.SIGN_CERTIFICATE).sw == 0x6982
    terminal.verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN)
    assert terminal.read(jpki.SIGN_CERTIFICATE).sw == 0x6982

    terminal.verify(jpki.SIGN_PIN, SIGN_PIN)

    assert terminal.read(jpki.SIGN_CERTIFICATE).sw == 0x9000


def test_a_new_key_takes_the_old_ones_certificate_with_it(resident: Bench) -> None:
    session = resident.issuer(jpki.AID)
    old = session.read(jpki.AUTHENTICATION_CERTIFICATE).data
    made = rsa_key_of(session.select_ef(jpki.AUTHENTICATION_KEY).ok(0x00, 0x47, 0x80, 0x00, le=65_536))

    assert made != x509.load_der_x509_certificate(old).public_key()
    assert session.read(jpki.AUTHENTICATION_CERTIFICATE).sw == 0x6A82
    assert _store(session, (jpki.AUTHENTICATION_CERTIFICATE, old)) == 0x6A80
    fresh = certify(made, resident.federation.issuing.key)
    assert _store(session, (jpki.AUTHENTICATION_CERTIFICATE, fresh)) == 0x9000


def test_only_the_issuer_makes_keys_and_stores_certificates(resident: Bench) -> None:
    terminal = _jpki(resident).select_ef(jpki.SIGN_KEY)

    assert terminal.send(0x00, 0x47, 0x80, 0x00).sw == 0x6982
    assert _store(terminal, (jpki.TOKEN, bytes(32))) == 0x6982


@pytest.mark.parametrize(
    "file",
    [
        (jpki.TOKEN, bytes(31)),
        (jpki.SIGN_AUTHORITY, b"\x30\x82" + bytes(300)),
        (jpki.SIGN_AUTHORITY, b"\x30\x03\2\1\0"),
    ],
)
def test_what_is_no_certificate_is_not_stored(resident: Bench, file: tuple[int, bytes]) -> None:
    assert _store(resident.issuer(jpki.AID), file) == 0x6A80


def test_two_cards_make_different_keys() -> None:
    one, two = Chip().new_rsa(), Chip().new_rsa()

    assert one.public_key() != two.public_key()
    assert (one.key_size, two.key_size) == (2048, 2048)


# --- operator ---


def _operator(bench: Bench) -> Terminal:
    terminal = Terminal(bench.card).select(operator.AID)
    assert terminal.verify(operator.PIN, OPERATOR_PIN) == 0x9000
    return terminal


def test_a_challenge_is_signed_with_what_it_is_in_front(
    operator_bench: tuple[Bench, ec.EllipticCurvePublicKey],
) -> None:
    bench, public = operator_bench
    challenge = bytes(range(32))

    signature = _operator(bench).ok(0x00, 0x88, 0, 0, challenge)

    public.verify(signature, b"juki-operator-challenge/v1\0" + challenge, ec.ECDSA(hashes.SHA256()))


def test_every_request_asks_for_the_pin_again(operator_bench: tuple[Bench, ec.EllipticCurvePublicKey]) -> None:
    bench, public = operator_bench
    digest = hashlib.sha256(b"request").digest()
    terminal = _operator(bench)

    signature = terminal.ok(0x00, 0x2A, 0x9E, 0x9A, digest)

    public.verify(signature, b"juki-operator-request/v1\0" + digest, ec.ECDSA(hashes.SHA256()))
    assert terminal.send(0x00, 0x2A, 0x9E, 0x9A, digest).sw == 0x6982
    assert terminal.send(0x00, 0x88, 0, 0, digest).sw == 0x6982


def test_a_signed_challenge_never_passes_for_a_signed_request(
    operator_bench: tuple[Bench, ec.EllipticCurvePublicKey],
) -> None:
    bench, public = operator_bench
    digest = hashlib.sha256(b"request").digest()

    signature = _operator(bench).ok(0x00, 0x88, 0, 0, digest)

    with pytest.raises(InvalidSignature):
        public.verify(signature, b"juki-operator-request/v1\0" + digest, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def test_a_bare_digest_is_signed_for_the_issuer_before_there_is_a_certificate_only(
    operator_bench: tuple[Bench, ec.EllipticCurvePublicKey],
) -> None:
    bench, public = operator_bench
    digest = hashlib.sha256(b"certification request").digest()
    assert _operator(bench).send(0x80, 0x2A, 0x9E, 0x9A, digest).sw == 0x6982
    session = bench.issuer(operator.AID)
    assert session.send(0x80, 0x2A, 0x9E, 0x9A, digest).sw == 0x6985

    assert _store(session, (operator.CERTIFICATE, b"")) == 0x9000

    signature = session.ok(0x80, 0x2A, 0x9E, 0x9A, digest)
    public.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))


@pytest.mark.parametrize("size", [0, 15, 65])
def test_a_challenge_of_another_length_is_refused(
    operator_bench: tuple[Bench, ec.EllipticCurvePublicKey], size: int
) -> None:
    assert _operator(operator_bench[0]).send(0x00, 0x88, 0, 0, bytes(size)).sw == 0x6700
    assert _operator(operator_bench[0]).send(0x00, 0x2A, 0x9E, 0x9A, bytes(31)).sw == 0x6700


def test_a_certificate_of_another_key_is_not_stored(operator_bench: tuple[Bench, ec.EllipticCurvePublicKey]) -> None:
    bench, _ = operator_bench
    other = certify(ec.generate_private_key(ec.SECP256R1()).public_key(), bench.federation.issuing.key)

    assert _store(bench.issuer(operator.AID), (operator.CERTIFICATE, other)) == 0x6A80


# --- what a fault in the chip gives out ---


class _FaultyChip(QuickChip):
    """A chip of which one bit flips in every signature, as a glitch or an unlucky multiplication would do."""

    def sign_rsa(self, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        signature = bytearray(super().sign_rsa(key, data))
        signature[100] ^= 0x10
        return bytes(signature)

    def sign_ecdsa(self, key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
        signature = bytearray(super().sign_ecdsa(key, digest))
        signature[-1] ^= 0x01
        return bytes(signature)


class _SubstitutingChip(QuickChip):
    """A chip that signs, correctly, something else."""

    def sign_rsa(self, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        return key.sign(data[::-1] + b"!", padding.PKCS1v15(), NoDigestInfo())

    def sign_ecdsa(self, key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
        return super().sign_ecdsa(key, digest[::-1])


@pytest.mark.parametrize("chip", [_FaultyChip(), _SubstitutingChip()], ids=["bit flipped", "other data"])
def test_a_signature_that_does_not_verify_is_not_released(resident: Bench, chip: QuickChip) -> None:
    resident.chip = chip
    terminal = Terminal(resident.insert()).select(jpki.AID)
    terminal.verify(jpki.SIGN_PIN, SIGN_PIN)

    answer = terminal.select_ef(jpki.SIGN_KEY).send(0x80, 0x2A, 0x00, 0x80, b"data", 256)

    assert (answer.data, answer.sw) == (b"", 0x6581)


@pytest.mark.parametrize("chip", [_FaultyChip(), _SubstitutingChip()], ids=["bit flipped", "other data"])
def test_an_operators_signature_that_does_not_verify_is_not_released(
    operator_bench: tuple[Bench, ec.EllipticCurvePublicKey], chip: QuickChip
) -> None:
    bench, _ = operator_bench
    bench.chip = chip
    bench.insert()

    for command in ((0x00, 0x88, 0, 0, bytes(32)), (0x00, 0x2A, 0x9E, 0x9A, bytes(32))):
        answer = _operator(bench).send(*command)
        assert (answer.data, answer.sw) == (b"", 0x6581)


def test_an_operator_card_may_be_made_with_a_chip_of_its_own() -> None:
    bench, public = operator_card(state=State.PERSONALISED)
    (body,) = tlv.parse_exactly(
        Terminal(bench.card).select(operator.AID).select_ef(operator.KEY).ok(0x00, 0x47, 0x81, 0x00), 0x7F49
    )

    (point,) = tlv.parse_exactly(body, 0x86)
    assert ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point) == public
