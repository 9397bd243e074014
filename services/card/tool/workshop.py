"""Who issues the workshop's specimens: an issuer and a network of its own, whose keys are files.

No other terminal believes these cards, and no other card believes this terminal.
"""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from services.card.refusals import CardUnknown, TerminalKeyUnreadable
from services.card.securechannel import StaticKeys
from services.card.shelf import Shelf
from services.card.terminal.card_certificate import CardAnchors
from services.card.terminal.key import TerminalKey
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.scp11 import TerminalAccess

MUNICIPALITY = "131016"
_DOMAIN = "13.juki.example"
_URI = f"spiffe://{_DOMAIN}/card/{MUNICIPALITY}-1"
_ROLES = "2.25.254554534308430580571332433086005475010"
_TERMINAL_USAGES = [x509.ObjectIdentifier(f"{_ROLES}.1"), x509.ObjectIdentifier(f"{_ROLES}.2")]
_AUTHORITY_LIFE, _CARD_LIFE, _TERMINAL_LIFE = (timedelta(days=days) for days in (7300, 3650, 30))
_BACKDATED = timedelta(minutes=5)
_PRIVATE = 0o600
ISSUER_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "specimen card issuer")])


class Workshop:
    """A directory with a shelf of cards, the issuer's key and certificate, and each card's keys."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.shelf = Shelf(directory)
        self._directory = directory / "workshop"
        self._key_path = self._directory / "issuer.key"

    def prepare(self) -> None:
        """Makes what the directory lacks."""
        self.shelf.prepare()
        self._directory.mkdir(mode=0o700, exist_ok=True)
        if not self._key_path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _write(self._key_path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """The key that certifies cards, their keys, and the workshop's terminal; refuses TERMINAL_KEY_UNREADABLE."""
        try:
            key = load_pem_private_key(self._key_path.read_bytes(), None)
        except (OSError, ValueError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TerminalKeyUnreadable("make the first card, or restore the workshop's key", file=self._key_path.name)
        return key

    def authority(self) -> x509.Certificate:
        """Makes the issuer's own certificate; it follows from the key but for serial and dates."""
        return self.certify(ISSUER_NAME, self.key.public_key(), _AUTHORITY_LIFE, authority=True)

    def access(self) -> TerminalAccess:
        """Gives the workshop's terminal a key and certificate for this run, and the cards that it believes."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "specimen terminal")])
        uri = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_URI)])
        certificate = self.certify(
            name, key.public_key(), _TERMINAL_LIFE, x509.ExtendedKeyUsage(_TERMINAL_USAGES), uri, agreement=True
        )
        return TerminalAccess(TerminalKey(key, certificate), CardAnchors((self.authority(),)))

    def certify_card(self, number: bytes, key: ec.EllipticCurvePublicKey) -> x509.Certificate:
        """Certifies a card's own key."""
        name = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, number.hex().upper())])
        return self.certify(name, key, _CARD_LIFE, agreement=True)

    def certify_holder(self, name: x509.Name, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> x509.Certificate:
        """Certifies a key pair of a specimen's holder."""
        return self.certify(name, key, _CARD_LIFE)

    def certify(
        self,
        name: x509.Name,
        key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        life: timedelta,
        *others: x509.ExtensionType,
        authority: bool = False,
        agreement: bool = False,
    ) -> x509.Certificate:
        """Signs a certificate with the workshop's key."""
        now = datetime.now(UTC).replace(microsecond=0)
        plain = not authority and not agreement
        usage = x509.KeyUsage(plain, False, False, False, agreement, authority, authority, False, False)
        builder = (
            x509.CertificateBuilder(ISSUER_NAME, name, key, x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(usage, critical=True)
        )
        for other in others:
            builder = builder.add_extension(other, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def keep_keys(self, number: str, keys: StaticKeys) -> None:
        """Writes down a card's keys, which nobody can ask it for."""
        parts = {"enc": keys.enc.hex(), "mac": keys.mac.hex(), "dek": keys.dek.hex()}
        _write(self._directory / f"{number}.json", json.dumps(parts).encode())

    def keys_of(self, number: str) -> KeyAccess:
        """Returns access with a card's keys; refuses CARD_UNKNOWN for one that was not made here."""
        path = self._directory / f"{number}.json"
        try:
            parts = json.loads(path.read_bytes())
            return KeyAccess(StaticKeys(*(bytes.fromhex(parts[name]) for name in ("enc", "mac", "dek"))))
        except (OSError, ValueError, KeyError):
            raise CardUnknown("name a card that this workshop made", card=number) from None


def draw_keys() -> StaticKeys:
    """Draws a set of keys."""
    return StaticKeys(*(secrets.token_bytes(16) for _ in range(3)))


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
