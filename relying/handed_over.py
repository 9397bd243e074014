"""How the body to which an identifier was handed over opens it: HPKE (RFC 9180), base mode."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_PURPOSE = "juki-hand-over/v1"


class NotForUs(Exception):  # noqa: N818 - names what is the case
    """What was handed over is for another key, comes from another body, or is for another affair."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """An identifier of our own, with the version of its key and the request by which it was had."""

    pairwise_id: str
    pairwise_key_version: int
    request_id: str


def open_handed_over(sealed: bytes, key: X25519PrivateKey, sender: str, receiver: str, affair: str) -> HandedOver:
    """Opens what `sender` handed to `receiver` for its `affair`; raises `NotForUs`."""
    info = f"{_PURPOSE}\x00{sender}\x00{receiver}\x00{affair}".encode()
    try:
        return HandedOver(**json.loads(_SUITE.decrypt(sealed, key, info=info)))
    except (InvalidTag, ValueError, TypeError):
        raise NotForUs("open it with the registered key, naming sender and affair") from None


def load_key(path: Path) -> X25519PrivateKey:
    """Reads an X25519 private key, PEM PKCS#8; raises ValueError for another key."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, X25519PrivateKey):
        raise ValueError("not an X25519 private key")  # noqa: TRY004 - the file is wrong, not the call
    return key
