"""What an authority has revoked, and the list it publishes about it (RFC 5280 §5)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.pki.certificates import Issuer, digest
from deploy.pki.files import PRIVATE, PUBLIC, write_atomic
from deploy.pki.refusals import KeyUnreadable, ReasonUnknown

REASONS = {
    "unspecified": x509.ReasonFlags.unspecified,
    "keyCompromise": x509.ReasonFlags.key_compromise,
    "affiliationChanged": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessationOfOperation": x509.ReasonFlags.cessation_of_operation,
    "privilegeWithdrawn": x509.ReasonFlags.privilege_withdrawn,
}
"""The reasons for which a node's certificate can be revoked (RFC 5280 §5.3.1)."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """One serial that is no longer good."""

    serial: str
    """Lower-case hexadecimal, 32 digits."""
    node: str
    reason: str
    """A key of REASONS."""
    revoked_at: datetime


@dataclass(frozen=True, slots=True)
class Revocations:
    """Everything an authority has revoked, and the number of the list that says so; entries are never removed."""

    number: int = 0
    entries: tuple[Revocation, ...] = ()

    def covers(self, serial: str) -> bool:
        """Tells whether a serial is revoked."""
        return any(entry.serial == serial for entry in self.entries)

    def with_entries(self, *added: Revocation) -> Revocations:
        """Returns the revocations with those added that are not there yet."""
        return replace(self, entries=self.entries + tuple(each for each in added if not self.covers(each.serial)))


def parse_reason(text: str) -> str:
    """Reads a reason as RFC 5280 spells it; refuses PKI_REASON_UNKNOWN."""
    if text not in REASONS:
        raise ReasonUnknown(f"give one of {', '.join(REASONS)}", given=text)
    return text


def load_revocations(path: Path) -> Revocations:
    """Reads `revoked.toml`, or nothing revoked if there is none; refuses PKI_KEY_UNREADABLE."""
    if not path.exists():
        return Revocations()
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        return Revocations(table["number"], tuple(Revocation(**entry) for entry in table.get("revoked", ())))
    except (ValueError, KeyError, TypeError):
        raise KeyUnreadable("restore the revocations from their backup", file=path.name) from None


def write_revocations(path: Path, revocations: Revocations) -> None:
    """Writes `revoked.toml`; number and entries change together."""
    blocks = [f"number = {revocations.number}\n"]
    for entry in revocations.entries:
        moment = entry.revoked_at.astimezone(UTC).isoformat(timespec="seconds")
        blocks.append(
            f'\n[[revoked]]\nserial = "{entry.serial}"\nnode = "{entry.node}"\n'
            f'reason = "{entry.reason}"\nrevoked_at = {moment}\n'
        )
    write_atomic(path, "".join(blocks).encode(), PRIVATE)


def sign_list(
    revocations: Revocations, issuer: Issuer, now: datetime, lifetime: timedelta
) -> x509.CertificateRevocationList:
    """Signs the list of an authority's revocations, good from `now` for `lifetime`."""
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(now + lifetime)
        .add_extension(x509.CRLNumber(revocations.number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    for entry in revocations.entries:
        builder = builder.add_revoked_certificate(_entry(entry))
    return builder.sign(issuer.key, digest(issuer.key))


def publish_list(path: Path, revocation_list: x509.CertificateRevocationList) -> None:
    """Puts a revocation list, PEM, where readers look for it."""
    write_atomic(path, revocation_list.public_bytes(Encoding.PEM), PUBLIC)


def load_list(path: Path) -> x509.CertificateRevocationList | None:
    """Reads a published list; None if there is none that can be read, since a new one can always be signed."""
    try:
        return x509.load_pem_x509_crl(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _entry(revocation: Revocation) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(int(revocation.serial, 16))
        .revocation_date(revocation.revoked_at)
    )
    # RFC 5280 §5.3.1: the reason is left out rather than given as unspecified.
    if revocation.reason != "unspecified":
        builder = builder.add_extension(x509.CRLReason(REASONS[revocation.reason]), critical=False)
    return builder.build()
