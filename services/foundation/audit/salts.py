"""Sealing the salts: at rest they are AES-256-GCM ciphertext under the node's salt key."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.foundation.audit.refusals import SaltUnreadable

_NONCE = 12
_KEY = 32


class Sealer:
    """Seals and opens salts under one 32-byte key; `nonce (12) || ciphertext (32) || tag (16)`.

    A salt is bound to its log by the origin as associated data. It is not bound to its place, which is unknown when
    it is sealed; a salt moved to another entry does not open that entry's commitments.
    """

    def __init__(self, key: bytes, origin: str) -> None:
        self._cipher = AESGCM(key)
        self._origin = origin.encode()

    def seal(self, salt: bytes) -> bytes:
        """Returns the sealed form, 60 bytes."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, salt, self._origin)

    def open(self, sealed: bytes) -> bytes:
        """Returns the salt; refuses SALT_UNREADABLE."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._origin)
        except (InvalidTag, ValueError):
            raise SaltUnreadable("restore the node's own salt.key", bytes=len(sealed)) from None


def load_sealer(path: Path, origin: str) -> Sealer:
    """Reads a `salt.key` file, 64 hexadecimal digits; refuses SALT_UNREADABLE for any other content."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY:
        raise SaltUnreadable("salt.key holds 64 hexadecimal digits; make it again with the key ceremony")
    return Sealer(key, origin)
