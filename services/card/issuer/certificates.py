"""The certificates by which cards prove that they are genuine, signed by a key that the token keeps."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

ISSUER_YEARS = 20
CARD_YEARS = 10
"""How long a card can prove itself: as long as a resident card is good."""
_BACKDATED = timedelta(minutes=5)


class TokenKey(ec.EllipticCurvePrivateKey):
    """A P-256 key that signs elsewhere; for the certificate builder, which asks for a private key."""

    def __init__(self, public: ec.EllipticCurvePublicKey, sign: Callable[[bytes], bytes]) -> None:
        self._public = public
        self._sign = sign

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Signs data with ECDSA and SHA-256."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, utils.Prehashed) or not isinstance(algorithm, hashes.SHA256):
            raise TypeError("this key signs with SHA-256")
        digest = hashes.Hash(algorithm)
        digest.update(data)
        return self._sign(digest.finalize())

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Returns the public half."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Bits of the curve."""
        return self.curve.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        """Is not offered."""
        raise NotImplementedError("the token's key signs and does nothing else")

    def private_numbers(self) -> NoReturn:
        """Is not offered: the key never leaves the token."""
        raise NotImplementedError("the key never leaves the token")

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> NoReturn:  # noqa: A002
        """Is not offered: the key never leaves the token."""
        raise NotImplementedError("the key never leaves the token")

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> TokenKey:
        return self


def self_signed(key: TokenKey, municipality: str, now: datetime) -> x509.Certificate:
    """Makes the certificate of a municipality's key for cards; terminals hold it as an anchor."""
    name = _name(f"{municipality} card issuer")
    builder = _builder(name, name, key.public_key(), now, ISSUER_YEARS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def card_certificate(
    key: TokenKey, issuer: x509.Certificate, number: bytes, card: ec.EllipticCurvePublicKey, now: datetime
) -> x509.Certificate:
    """Certifies a card's static key; the subject's serialNumber is the card's number, upper-case hexadecimal."""
    subject = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, number.hex().upper())])
    builder = _builder(subject, issuer.subject, card, now, CARD_YEARS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(authority=False), critical=True)
    return builder.sign(key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, years: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(secrets.randbits(127) | 1 << 126)
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=365 * years))
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        key_cert_sign=authority,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
