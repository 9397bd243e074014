"""The administrators who sign orders together: their keys, made here for development, and the list that nodes trust."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.pki.certificates import load_ed25519_key, write_key
from deploy.pki.files import PRIVATE_DIRECTORY, make_directory, write_atomic
from services.foundation.audit.note import NoteSigner

ROLES = ("register", "audit", "operations")
"""Whose administrators there are; an order takes two of them."""
FILE = "administrators"
_HEADER = "# Whose signatures an order needs, two of different roles: a role and an Ed25519 verifier key a line.\n"


def ensure_administrators(state: Path, trust: Path, domain: str) -> list[NoteSigner]:
    """Returns one administrator a role, making the keys that are missing and publishing all of them.

    One machine holds all of these keys, so that nothing here is four eyes but in form: a deployment lets each
    administrator make a key and bring its verifier key.
    """
    make_directory(state, PRIVATE_DIRECTORY)
    signers = [NoteSigner(f"administrator.{role}.{domain}", _key(state / f"{role}.key")) for role in ROLES]
    lines = "".join(f"{role} {signer.vkey}\n" for role, signer in zip(ROLES, signers, strict=True))
    path = trust / FILE
    if not path.exists() or path.read_text("utf-8") != _HEADER + lines:
        write_atomic(path, (_HEADER + lines).encode())
    return signers


def _key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        write_key(path, Ed25519PrivateKey.generate())
    return load_ed25519_key(path)
