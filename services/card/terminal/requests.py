"""Certificate requests (PKCS #10, RFC 2986) that the card signs itself, which proves that it has the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

from services.card.terminal.applications import Jpki, JpkiKey, Operator

_DIGEST_INFOS = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before the digest in a DigestInfo (RFC 8017 §9.2, note 1)."""


def digest_info(algorithm: hashes.HashAlgorithm, digest: bytes) -> bytes:
    """Returns the DigestInfo of a SHA-256, SHA-384 or SHA-512 digest; raises ValueError for others."""
    prefix = _DIGEST_INFOS.get(algorithm.name)
    if prefix is None or len(digest) != algorithm.digest_size:
        raise ValueError("give a SHA-256, SHA-384 or SHA-512 digest")
    return prefix + digest


def request_jpki(jpki: Jpki, key: JpkiKey, subject: x509.Name) -> x509.CertificateSigningRequest:
    """Has the card sign a request for one of its pairs, after the pair's PIN; refuses as `Jpki.sign` does."""
    signer = _RsaKeyOnCard(jpki.public_key(key), lambda data: jpki.sign(key, data))
    return _request(cast("rsa.RSAPrivateKey", signer), subject)


def request_operator(operator: Operator, subject: x509.Name) -> x509.CertificateSigningRequest:
    """Has the card sign a request for the operator's pair, in the issuer's session; refuses CARD_ACCESS_MISSING."""
    signer = _EllipticKeyOnCard(operator.public_key(), operator.sign_enrolment)
    return _request(cast("ec.EllipticCurvePrivateKey", signer), subject)


def _request(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, subject: x509.Name) -> x509.CertificateSigningRequest:
    return x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256())


# `cryptography` takes for a key what says that it is one and can do the two things that signing a request asks for.
# Whatever else a private key can do, these cannot, because the key is in the card.


@rsa.RSAPrivateKey.register
class _RsaKeyOnCard:
    def __init__(self, public: rsa.RSAPublicKey, sign: Callable[[bytes], bytes]) -> None:
        self._public = public
        self._sign = sign

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    def sign(self, data: bytes, _padding: AsymmetricPadding, algorithm: hashes.HashAlgorithm) -> bytes:
        return self._sign(digest_info(algorithm, _hash(algorithm, data)))


@ec.EllipticCurvePrivateKey.register
class _EllipticKeyOnCard:
    def __init__(self, public: ec.EllipticCurvePublicKey, sign: Callable[[bytes], bytes]) -> None:
        self._public = public
        self._sign = sign

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: bytes, algorithm: ec.ECDSA) -> bytes:
        return self._sign(_hash(cast("hashes.HashAlgorithm", algorithm.algorithm), data))


def _hash(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()
