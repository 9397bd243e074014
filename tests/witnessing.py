"""Logs and witnesses for tests: keys, trees, requests, a clock, and witnesses that behave as they are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.foundation.audit.checkpoint import Checkpoint, sign
from services.foundation.audit.cosignature import Cosigner
from services.foundation.audit.merkle import Hash, consistency_proof, leaf_hash, root
from services.foundation.audit.note import NoteSigner
from services.foundation.witness.rules import format_addition

LOG = NoteSigner("audit.one.juki.example", Ed25519PrivateKey.from_private_bytes(bytes([11] * 32)))
OTHER_LOG = NoteSigner("audit.two.juki.example", Ed25519PrivateKey.from_private_bytes(bytes([12] * 32)))


def make_cosigner(number: int) -> Cosigner:
    """A witness's keys, always the same for a number."""
    return Cosigner(
        f"witness.{number}.juki.example",
        Ed25519PrivateKey.from_private_bytes(bytes([100 + number] * 32)),
        MLDSA44PrivateKey.from_seed_bytes(bytes([100 + number] * 32)),
    )


COSIGNER = make_cosigner(1)


class MovableClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def forward(self, span: timedelta) -> None:
        self._now += span


class Tree:
    """A log of some leaves, under LOG's key; another `flavour` is another history."""

    def __init__(self, size: int, flavour: str = "leaf") -> None:
        self._leaves = [leaf_hash(f"{flavour} {number}".encode()) for number in range(size)]

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(LOG.name, size, root(self._leaves[:size]))

    def note(self, size: int) -> str:
        return sign(self.checkpoint(size), LOG)

    def proof(self, old: int, new: int) -> Sequence[Hash]:
        return consistency_proof(min(old, new), new, self._read)

    def addition(self, old: int, new: int) -> str:
        return format_addition(old, self.proof(old, new), self.note(new))

    def _read(self, level: int, index: int) -> Hash:
        return root(self._leaves[index << level : (index + 1) << level])
