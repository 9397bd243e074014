"""The key and certificate by which a terminal proves itself to cards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.card.refusals import TerminalKeyUnreadable

KEY_FILE, CERTIFICATE_FILE = "terminal.key", "terminal.crt"


@dataclass(frozen=True, slots=True, repr=False)
class TerminalKey:
    """A terminal's P-256 key, its certificate, and that of the authority that issued it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    issuing: x509.Certificate | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.key.curve, ec.SECP256R1) or self.certificate.public_key() != self.key.public_key():
            raise TerminalKeyUnreadable("use a P-256 key and its own certificate", file=KEY_FILE)


def load_terminal_key(directory: Path) -> TerminalKey:
    """Reads `terminal.key` and `terminal.crt` (leaf, then issuing authority) from a node's key directory.

    Refuses TERMINAL_KEY_UNREADABLE.
    """
    key = _load_key(directory / KEY_FILE)
    try:
        chain = x509.load_pem_x509_certificates((directory / CERTIFICATE_FILE).read_bytes())
    except (OSError, ValueError):
        raise _unreadable(CERTIFICATE_FILE) from None
    return TerminalKey(key, chain[0], chain[1] if len(chain) > 1 else None)


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Reads an elliptic-curve key, PEM, without a passphrase; refuses TERMINAL_KEY_UNREADABLE."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        raise _unreadable(path.name) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unreadable(path.name)
    return key


def _unreadable(name: str) -> TerminalKeyUnreadable:
    return TerminalKeyUnreadable("have the ceremony issue the terminal's certificate again", file=name)
