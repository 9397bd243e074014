"""Secrets that a local run draws for itself and keeps in a file of their own."""

from __future__ import annotations

import secrets
from pathlib import Path

from deploy.pki.files import PRIVATE, write_atomic

_BYTES = 24


def secret(path: Path) -> str:
    """Returns the secret in a file, 48 hexadecimal digits, which is drawn the first time."""
    if not path.exists():
        write_atomic(path, secrets.token_hex(_BYTES).encode(), PRIVATE)
    return path.read_text("ascii")
