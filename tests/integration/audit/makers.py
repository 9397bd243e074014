"""Entries and names for the audit log's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.note import NoteSigner
from services.foundation.identity import node_id

NODE = node_id("agency/national", "juki.example")
ORIGIN = "audit.agency-national.juki.example/2026"
SALT_KEY = bytes(range(32))
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
START = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)


def make_entry(number: int = 0, *, subject: str = "10000000001", case: str = "2026-1") -> AuditEntry:
    """Returns an entry of a look-up, `number` seconds after the start."""
    return AuditEntry(
        node=NODE.name,
        time=START + timedelta(seconds=number),
        request_id=str(UUID(int=number, version=4)),
        caller="spiffe://national.juki.example/relying/pension",
        method="/juki.agency.v1.ConfirmationService/ConfirmResident",
        action="CONFIRM_RESIDENT",
        affair="1-30-6",
        case=case,
        fields=("name", "address"),
        count=1,
        tls_version="TLSv1.3",
        tls_group="X25519MLKEM768",
        subject=subject,
        request=b"request %d" % number,
        response=b"response %d" % number,
    )
