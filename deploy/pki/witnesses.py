"""A witness's two keys, and the policies that say which witnesses a log needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.pki.files import PUBLIC, write_atomic, write_once
from deploy.pki.refusals import KeyUnreadable
from services.foundation.audit.note import format_vkey
from services.foundation.audit.policy import format_policy
from services.foundation.keys import KeyUnreadable as NodeKeyUnreadable
from services.foundation.witness.keys import CLASSICAL, QUANTUM_SAFE, load_cosigner

VKEYS = "witness.vkeys"
"""File of a witness's verifier keys, one a line."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """A witness of a log: its short name, its key directory, and where it is asked."""

    name: str
    keys: Path
    url: str


def ensure_witness_keys(keys: Path, name: str) -> tuple[str, ...]:
    """Returns a witness's verifier keys, making its keys and `witness.vkeys` the first time.

    Refuses PKI_KEY_UNREADABLE.
    """
    for file, key in ((CLASSICAL, Ed25519PrivateKey), (QUANTUM_SAFE, MLDSA44PrivateKey)):
        if not (keys / file).exists():
            made: Ed25519PrivateKey | MLDSA44PrivateKey = key.generate()
            write_once(keys / file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        texts = tuple(format_vkey(verifier) for verifier in load_cosigner(name, keys).verifiers)
    except NodeKeyUnreadable as refusal:
        raise KeyUnreadable("restore the witness's keys from their backup", file=refusal.facts["file"]) from None
    content = "".join(f"{text}\n" for text in texts)
    path = keys / VKEYS
    if not path.exists() or path.read_text("ascii") != content:
        write_atomic(path, content.encode(), PUBLIC)
    return texts


def policy_text(log_vkey: str, witnesses: Sequence[Assigned]) -> str:
    """Returns the policy of a log that more than half of `witnesses` must cosign, each with both of its keys."""
    named = [(each.name, (each.keys / VKEYS).read_text("ascii").split(), each.url) for each in witnesses]
    return format_policy(log_vkey, named, len(named) // 2 + 1)
