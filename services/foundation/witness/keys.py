"""A witness's name and its two keys."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.foundation.audit.cosignature import Cosigner
from services.foundation.identity import NodeId
from services.foundation.keys import KeyUnreadable, load_ed25519

CLASSICAL = "witness.key"
"""File of the Ed25519 key, PEM PKCS#8."""
QUANTUM_SAFE = "witness-pq.key"
"""File of the ML-DSA-44 key, PEM PKCS#8."""


def witness_name(node: NodeId, root: str) -> str:
    """Returns the name under which a peer cosigns, `witness.agency-national.juki.example`."""
    return f"witness.{node.tier.value}-{node.code}.{root}"


def load_cosigner(name: str, keys: Path) -> Cosigner:
    """Reads a witness's keys from its key directory; refuses KEY_UNREADABLE with the file."""
    return Cosigner(name, load_ed25519(keys / CLASSICAL), _load_mldsa44(keys / QUANTUM_SAFE))


def _load_mldsa44(path: Path) -> MLDSA44PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, MLDSA44PrivateKey):
        raise KeyUnreadable("issue the node's keys with the key ceremony", file=str(path))
    return key
