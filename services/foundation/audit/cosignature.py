"""Cosignatures (C2SP tlog-cosignature): a witness's word, with its time, that a log's checkpoints continue each other.

Two algorithms stand beside each other: cosignature/v1 with Ed25519 (0x04), which every verifier of today knows, and
subtree/v1 with ML-DSA-44 (0x06), which a quantum computer does not forge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from services.foundation.audit.checkpoint import Checkpoint, parse_checkpoint
from services.foundation.audit.note import Signature, check_name, key_id, verifies_ed25519
from services.foundation.refusals import Refusal

ED25519_COSIGNATURE = 0x04
MLDSA_COSIGNATURE = 0x06
MLDSA44_PUBLIC_KEY = 1312
"""Bytes of an ML-DSA-44 public key (FIPS 204)."""

_MLDSA44_SIGNATURE = 2420
_LATEST = 2**63
_LABEL = b"subtree/v1\n\0"
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """A witness's key: algorithm 0x04, cosignature/v1, whose signature begins with a time in POSIX seconds."""

    algorithm: ClassVar[int] = ED25519_COSIGNATURE
    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signatures name the key."""
        return key_id(self.name, self.algorithm, self.public_key)

    def verifies(self, text: str, signature: bytes) -> bool:
        """Returns whether `signature`, 8 bytes of time and 64 of Ed25519, is this key's over time and text."""
        seconds = cosigned_at(signature)
        return seconds < _LATEST and verifies_ed25519(self.public_key, signature[8:], _timed(text, seconds))


@dataclass(frozen=True, slots=True)
class SubtreeVerifier:
    """A witness's key: algorithm 0x06, subtree/v1 with ML-DSA-44; it binds the witness's name and the log's origin."""

    algorithm: ClassVar[int] = MLDSA_COSIGNATURE
    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signatures name the key."""
        return key_id(self.name, self.algorithm, self.public_key)

    def verifies(self, text: str, signature: bytes) -> bool:
        """Returns whether `signature`, 8 bytes of time and 2,420 of ML-DSA-44, is this key's over the checkpoint."""
        seconds = cosigned_at(signature)
        if seconds >= _LATEST or len(signature) != 8 + _MLDSA44_SIGNATURE:
            return False
        try:
            message = subtree_message(self.name, seconds, parse_checkpoint(text))
            MLDSA44PublicKey.from_public_bytes(self.public_key).verify(signature[8:], message)
        except (InvalidSignature, ValueError, Refusal):
            return False
        return True


class Cosigner:
    """A witness's two keys, under one name."""

    def __init__(self, name: str, classical: Ed25519PrivateKey, quantum_safe: MLDSA44PrivateKey) -> None:
        check_name(name)
        self._classical = classical
        self._quantum_safe = quantum_safe
        self.verifiers: tuple[CosignatureVerifier | SubtreeVerifier, ...] = (
            CosignatureVerifier(name, classical.public_key().public_bytes_raw()),
            SubtreeVerifier(name, quantum_safe.public_key().public_bytes_raw()),
        )

    @property
    def name(self) -> str:
        """The witness's name."""
        return self.verifiers[0].name

    def cosign(self, checkpoint: Checkpoint, seconds: int) -> tuple[Signature, Signature]:
        """Returns both cosignatures over `checkpoint`, stating `seconds` (POSIX)."""
        first, second = self.verifiers
        classical = self._classical.sign(_timed(checkpoint.text(), seconds))
        quantum_safe = self._quantum_safe.sign(subtree_message(self.name, seconds, checkpoint))
        at = seconds.to_bytes(8)
        return (
            Signature(first.name, first.key_id, at + classical),
            Signature(second.name, second.key_id, at + quantum_safe),
        )


def cosigned_at(signature: bytes) -> int:
    """Returns the time of a cosignature of either algorithm, in POSIX seconds."""
    return int.from_bytes(signature[:8])


def subtree_message(name: str, seconds: int, checkpoint: Checkpoint) -> bytes:
    """Returns what ML-DSA-44 signs for a whole tree; raises ValueError for a name or origin above 255 bytes."""
    return b"".join(
        (
            _LABEL,
            _counted(name),
            seconds.to_bytes(8),
            _counted(checkpoint.origin),
            (0).to_bytes(8),
            checkpoint.size.to_bytes(8),
            checkpoint.root_hash,
        )
    )


def _timed(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _counted(text: str) -> bytes:
    content = text.encode()
    if not 1 <= len(content) <= _LONGEST_NAME:
        raise ValueError("a name has 1 to 255 bytes")
    return bytes([len(content)]) + content
