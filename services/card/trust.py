"""Whom the node and its cards believe: issuers of cards, authorities of terminals, and the terminal's own key."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from services.card.issuer import Issuer
from services.card.personalising import Office
from services.card.refusals import TrustUnreadable
from services.card.terminal.card_certificate import CardAnchors
from services.card.terminal.key import load_terminal_key
from services.card.terminal.scp11 import TerminalAccess
from services.foundation.clock import Clock

CARD_ISSUERS, ROOTS = "cards.crt", "roots.crt"


class CardTrust:
    """Reads key and trust directories anew for each use, so that what is renewed there holds without a restart."""

    def __init__(self, keys: Path, trust: Path, clock: Clock) -> None:
        self._keys = keys
        self._trust = trust
        self._clock = clock

    def terminal(self) -> TerminalAccess:
        """Returns the terminal's key, and the issuers whose cards it believes.

        Refuses TERMINAL_KEY_UNREADABLE and CARD_TRUST_UNREADABLE.
        """
        return TerminalAccess(load_terminal_key(self._keys), CardAnchors(self._read(CARD_ISSUERS), self._clock))

    def office(self, municipality: str, issuer: Issuer) -> Office:
        """Returns what the municipality issues with; cards trust terminals below the network's root.

        Refuses CARD_TRUST_UNREADABLE.
        """
        key = self._read(ROOTS)[0].public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise TrustUnreadable("use a root with a P-256 or P-384 key", file=ROOTS)
        return Office(municipality, issuer, key)

    def _read(self, name: str) -> tuple[x509.Certificate, ...]:
        try:
            return tuple(x509.load_pem_x509_certificates((self._trust / name).read_bytes()))
        except (OSError, ValueError):
            raise TrustUnreadable("publish the certificates in the trust directory, PEM", file=name) from None
