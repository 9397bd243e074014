"""The chip's cryptographic unit: randomness, key generation, and signatures that are verified before they leave."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from services.card.apdu import StatusWord
from services.card.softcard.applet import Denied, require

RSA_BITS = 2048
RSA_EXPONENT = 65537


class Chip:
    """Makes keys and signatures; what signs can fail, what releases cannot be fooled by it.

    `sign_rsa` and `sign_ecdsa` are the unit that a fault may strike; only `release_*` gives a signature out.
    """

    def random(self, size: int) -> bytes:
        """Draws octets for challenges, salts and nonces."""
        return secrets.token_bytes(size)

    def new_rsa(self) -> rsa.RSAPrivateKey:
        """Makes an RSA-2048 key."""
        return rsa.generate_private_key(RSA_EXPONENT, RSA_BITS)

    def new_p256(self) -> ec.EllipticCurvePrivateKey:
        """Makes a P-256 key."""
        return ec.generate_private_key(ec.SECP256R1())

    def sign_rsa(self, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        """Signs data as they are (RFC 8017 §8.2, without making a DigestInfo)."""
        return key.sign(data, padding.PKCS1v15(), NoDigestInfo())

    def sign_ecdsa(self, key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
        """Signs a SHA-256 digest; the signature is DER."""
        return key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))

    def release_rsa(self, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        """Signs and verifies; refuses 6581, with nothing of the signature, when it does not verify.

        A faulty signature made with the Chinese remainder theorem gives the key away (Boneh, DeMillo, Lipton 1997).
        """
        signature = self.sign_rsa(key, data)
        try:
            signed = key.public_key().recover_data_from_signature(signature, padding.PKCS1v15(), None)
        except InvalidSignature:
            signed = None
        require(signed == data, StatusWord.MEMORY_FAILURE)
        return signature

    def release_ecdsa(self, key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
        """Signs and verifies; refuses 6581, with nothing of the signature, when it does not verify."""
        signature = self.sign_ecdsa(key, digest)
        try:
            key.public_key().verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        except InvalidSignature:
            raise Denied(StatusWord.MEMORY_FAILURE) from None
        return signature
