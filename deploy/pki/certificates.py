"""How a key is made, stored and certified."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from deploy.pki.files import PUBLIC, write_atomic, write_once
from deploy.pki.profiles import Profile
from deploy.pki.refusals import AuthorityExpired, KeyUnreadable

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_BACKDATED = timedelta(minutes=5)
"""How far before the present a certificate begins, for readers whose clock is slow."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that may sign others, with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def new_serial() -> int:
    """Draws a certificate's serial: 128 random bits, never zero (RFC 5280 §4.1.2.2)."""
    return secrets.randbits(128) or new_serial()


def certify(profile: Profile, key: PublicKey, issuer: Issuer, serial: int, now: datetime) -> x509.Certificate:
    """Signs a certificate that ends no later than its issuer's; refuses PKI_AUTHORITY_EXPIRED."""
    if issuer.certificate.not_valid_after_utc <= now:
        name = issuer.certificate.subject.rfc4514_string()
        raise AuthorityExpired("renew the issuing certificate with the root's key first", issuer=name)
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = _builder(profile, key, issuer.certificate.subject, serial, now).not_valid_after(
        min(now + profile.lifetime, issuer.certificate.not_valid_after_utc)
    )
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
    return builder.sign(issuer.key, digest(issuer.key))


def self_sign(profile: Profile, key: ec.EllipticCurvePrivateKey, serial: int, now: datetime) -> x509.Certificate:
    """Signs a root's certificate with its own key."""
    builder = _builder(profile, key.public_key(), profile.subject, serial, now).not_valid_after(now + profile.lifetime)
    return builder.sign(key, digest(key))


def digest(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Returns the hash that matches a key's strength."""
    return hashes.SHA384() if key.curve.key_size > 256 else hashes.SHA256()


def write_key(path: Path, key: PrivateKey) -> None:
    """Writes a new key as unencrypted PKCS#8 PEM, mode 0600; refuses PKI_KEY_EXISTS."""
    write_once(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def write_certificates(path: Path, *chain: x509.Certificate) -> None:
    """Writes certificates as PEM, the leaf first."""
    write_atomic(path, b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain), PUBLIC)


def load_elliptic_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Reads an elliptic-curve key; refuses PKI_KEY_UNREADABLE."""
    key = _load_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyUnreadable("restore the elliptic-curve key from its backup", file=path.name)
    return key


def load_ed25519_key(path: Path) -> ed25519.Ed25519PrivateKey:
    """Reads an Ed25519 key; refuses PKI_KEY_UNREADABLE."""
    key = _load_key(path)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyUnreadable("restore the Ed25519 key from its backup", file=path.name)
    return key


def load_certificate(path: Path) -> x509.Certificate:
    """Reads the first certificate of a PEM file; refuses PKI_KEY_UNREADABLE."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise KeyUnreadable("restore the certificate from its backup", file=path.name) from None


def require_pair(key: PrivateKey, certificate: x509.Certificate, path: Path) -> None:
    """Refuses PKI_KEY_UNREADABLE unless the certificate in `path` is for the key."""
    if spki(key.public_key()) != spki(certificate.public_key()):
        raise KeyUnreadable("restore the key and certificate that belong together", file=path.name)


def spki(key: object) -> bytes:
    """Returns a public key as DER SubjectPublicKeyInfo."""
    if not isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
        raise TypeError(f"no such key is made here: {type(key).__name__}")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _load_key(path: Path) -> object:
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise KeyUnreadable("restore the key from its backup", file=path.name) from None


def _builder(
    profile: Profile, key: PublicKey, issuer: x509.Name, serial: int, now: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().issuer_name(issuer).subject_name(profile.subject).public_key(key)
    builder = builder.serial_number(serial).not_valid_before(now - _BACKDATED)
    for extension, critical in profile.extensions:
        builder = builder.add_extension(extension, critical)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
