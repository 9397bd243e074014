"""OpenSC, through the real pcscd, takes a resident card for what it says it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.card.terminal.applications import JpkiKey
from services.card.terminal.secret import Pin
from tests.integration.card.judges.conftest import InReader
from tests.integration.card.judges.programs import pkcs11, run
from tests.issued_cards import AUTHENTICATION_PIN, SIGNATURE_PIN, IssuedCard, issue_operator

PINS = {JpkiKey.AUTHENTICATION: AUTHENTICATION_PIN, JpkiKey.SIGNATURE: SIGNATURE_PIN}
TOKENS = {JpkiKey.AUTHENTICATION: ("0", "01"), JpkiKey.SIGNATURE: ("1", "02")}
"""For each pair, the slot that OpenSC makes of its PIN, and the object's id."""


def write_public_key(issued: IssuedCard, key: JpkiKey, path: Path) -> Path:
    public = issued.session().jpki().public_key(key)
    issued.card.power_off()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def certificate_of(issued: IssuedCard, key: JpkiKey) -> x509.Certificate:
    jpki = issued.session().jpki()
    jpki.verify(key.pin, Pin(PINS[key]))
    certificate = jpki.certificate(key)
    issued.card.power_off()
    return certificate


def test_opensc_names_the_card_jpki(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card):
        said = run("opensc-tool", "--reader", "0", "--name")

    assert said.stdout.strip() == "jpki"


def test_an_operator_card_shows_nothing_of_a_residents(in_reader: InReader) -> None:
    with in_reader(issue_operator().card):
        said = run("pkcs15-tool", "--reader", "0", "--dump", code=1)

    assert "Certificate" not in said.stdout


def test_the_directory_lists_pins_keys_and_certificates(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card):
        said = run("pkcs15-tool", "--reader", "0", "--dump").stdout

    assert (said.count("PIN ["), said.count("Private RSA Key ["), said.count("X.509 Certificate [")) == (2, 2, 4)
    assert "Tries left     : 3" in said
    assert "Tries left     : 5" in said


@pytest.mark.parametrize("number", ["1", "3", "4"])
def test_free_certificates_are_read_without_a_pin(resident: IssuedCard, in_reader: InReader, number: str) -> None:
    with in_reader(resident.card):
        said = run("pkcs15-tool", "--reader", "0", "--read-certificate", number).stdout

    expected = {"1": certificate_of(resident, JpkiKey.AUTHENTICATION)}.get(number, resident.issuer.certificate)
    assert x509.load_pem_x509_certificate(said.encode()) == expected


def test_the_signature_certificate_needs_its_pin(resident: IssuedCard, in_reader: InReader) -> None:
    read = ("pkcs15-tool", "--reader", "0", "--read-certificate", "2")
    with in_reader(resident.card):
        refused = run(*read, code=None)
        said = run(*read, "--auth-id", "2", "--verify-pin", "--pin", SIGNATURE_PIN).stdout

    assert "BEGIN CERTIFICATE" not in refused.stdout
    pem = said[said.index("-----BEGIN") :]
    assert x509.load_pem_x509_certificate(pem.encode()) == certificate_of(resident, JpkiKey.SIGNATURE)


def test_pkcs11_lists_the_objects(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card):
        free = pkcs11("--slot", "0", "-O").stdout
        private = pkcs11("--slot", "0", "-O", "--login", "--pin", AUTHENTICATION_PIN).stdout

    assert "Certificate Object" in free
    assert "Private Key Object" not in free
    assert "Private Key Object; RSA" in private


@pytest.mark.parametrize("mechanism", ["SHA1", "SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize("key", list(JpkiKey))
def test_both_keys_sign_and_openssl_verifies(
    resident: IssuedCard, in_reader: InReader, tmp_path: Path, key: JpkiKey, mechanism: str
) -> None:
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(b"a document of a synthetic resident")
    public = write_public_key(resident, key, tmp_path / "public.pem")
    slot, number = TOKENS[key]
    with in_reader(resident.card):
        login = ("--slot", slot, "--login", "--pin", PINS[key])
        files = ("--input-file", message, "--output-file", signature)
        pkcs11(*login, "--sign", "--mechanism", f"{mechanism}-RSA-PKCS", "--id", number, *files)

    verify = ("openssl", "dgst", f"-{mechanism.lower()}", "-verify", public, "-signature", signature)
    assert "Verified OK" in run(*verify, message).stdout
    message.write_bytes(b"another document")
    assert "Verified OK" not in run(*verify, message, code=1).stdout


def test_the_clients_own_test_finds_no_errors(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card):
        said = pkcs11("--slot", "0", "--login", "--pin", AUTHENTICATION_PIN, "--test")

    assert "No errors" in said.stdout + said.stderr


def test_wrong_pins_count_down_and_lock_the_card_as_the_client_expects(
    resident: IssuedCard, in_reader: InReader
) -> None:
    def login(pin: str) -> str:
        said = pkcs11("--slot", "0", "--login", "--pin", pin, "-O", code=None)
        return said.stdout + said.stderr

    with in_reader(resident.card):
        answers = [login("0000"), pkcs11("-L").stdout, login("0001"), pkcs11("-L").stdout, login("0002")]
        locked, right = pkcs11("-L").stdout, login(AUTHENTICATION_PIN)

    assert all("CKR_PIN_INCORRECT" in answer for answer in answers[::2])
    assert "user PIN count low" in answers[1]
    assert "final user PIN try" in answers[3]
    assert "user PIN locked" in locked
    assert "CKR_PIN_LOCKED" in right
    assert resident.session().jpki().tries_left(JpkiKey.AUTHENTICATION.pin) == 0


def test_a_right_pin_gives_the_tries_back(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card):
        pkcs11("--slot", "0", "--login", "--pin", "0000", "-O", code=None)
        pkcs11("--slot", "0", "--login", "--pin", AUTHENTICATION_PIN, "-O")

    assert resident.session().jpki().tries_left(JpkiKey.AUTHENTICATION.pin) == 3
