"""How an identifier is encrypted to the body that is to have it: HPKE (RFC 9180) in base mode."""

from __future__ import annotations

import json

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_PURPOSE = "juki-hand-over/v1"


def seal(key: bytes, parties: tuple[str, str, str], pairwise_id: str, version: int, request_id: str) -> bytes:
    """Encrypts an identifier to an X25519 public key; `parties` are caller, receiver and the receiver's affair."""
    plain = {"pairwise_id": pairwise_id, "pairwise_key_version": version, "request_id": request_id}
    return _SUITE.encrypt(
        json.dumps(plain, sort_keys=True).encode(),
        X25519PublicKey.from_public_bytes(key),
        info="\x00".join((_PURPOSE, *parties)).encode(),
    )
