"""Reading a node's private keys, and deriving secrets from them."""

from __future__ import annotations

import hmac
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.foundation.refusals import Kind, Refusal


class KeyUnreadable(Refusal):
    """A key file of the node is missing, or is not a key of its kind."""

    kind = Kind.WRONG_STATE
    reason = "KEY_UNREADABLE"


def load_ed25519(path: Path) -> Ed25519PrivateKey:
    """Reads an Ed25519 private key, PEM PKCS#8; refuses KEY_UNREADABLE with the file."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnreadable("issue the node's keys with the key ceremony", file=str(path))
    return key


def derived_secret(path: Path, purpose: str) -> bytes:
    """Returns 32 bytes, secret to the node and its own for each purpose, from `salt.key` (64 hexadecimal digits).

    Refuses KEY_UNREADABLE with the file.
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise KeyUnreadable("issue the node's keys with the key ceremony", file=str(path))
    return hmac.digest(key, purpose.encode(), "sha256")
