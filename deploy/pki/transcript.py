"""What a ceremony leaves for its witnesses to read and to sign: every authority's names, dates and fingerprints."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from deploy.pki.certificates import spki
from deploy.pki.register import hexadecimal


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate of the ceremony; everything in it follows from the certificate."""

    name: str
    """`root`, or the authority's label."""
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, upper-case pairs with colons, as openssl prints it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def lines(self) -> list[str]:
        """Writes the entry for reading aloud."""
        held = self.certificate
        return [
            self.name,
            f"  subject      {held.subject.rfc4514_string()}",
            f"  issuer       {held.issuer.rfc4514_string()}",
            f"  serial       {hexadecimal(held.serial_number)}",
            f"  good from    {held.not_valid_before_utc.isoformat()}",
            f"  good until   {held.not_valid_after_utc.isoformat()}",
            f"  certificate  SHA-256 {self.fingerprint}",
            f"  public key   SHA-256 {hashlib.sha256(spki(held.public_key())).hexdigest()}",
        ]


@dataclass(frozen=True, slots=True)
class Transcript:
    """The state after a ceremony: the same state always gives the same text."""

    trust_domain: str
    entries: tuple[Entry, ...]
    made: tuple[str, ...]
    """What this run made, by name; empty if all was there."""

    def text(self) -> str:
        """Writes the transcript, ending in a newline."""
        blocks = [[f"Key ceremony of {self.trust_domain}"], *(entry.lines() for entry in self.entries)]
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"
