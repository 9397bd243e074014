"""Purposes tables and the orders that bring them, signed by administrators made for the test."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.purposes.publishing import order_for, publish
from deploy.purposes.sources import SOURCES, build_table
from services.confirmation.purposes import write_table
from services.foundation.audit.note import NoteSigner
from services.foundation.orders import Administrator, sign_order

Table = dict[str, Any]
"""A table as its JSON has it."""

REGISTER, AUDIT, SECOND_AUDIT, STRANGER = (
    NoteSigner(f"administrator.{name}.juki.example", Ed25519PrivateKey.generate())
    for name in ("register", "audit", "audit-2", "stranger")
)
ADMINISTRATORS = (
    Administrator("register", REGISTER.verifier),
    Administrator("audit", AUDIT.verifier),
    Administrator("audit", SECOND_AUDIT.verifier),
)


@cache
def published() -> bytes:
    """The table of this checkout."""
    return build_table(SOURCES)


def changed(change: Callable[[Table], object]) -> bytes:
    """The table of this checkout after a change."""
    table: Table = json.loads(published())
    change(table)
    return write_table(table)


def grant_of(table: Table, affair: str, body: str = "") -> Table:
    """The row of a table for an affair, of a body where several have one."""
    return next(row for row in table["grants"] if row["affair"] == affair and body in row["body"])


def write_administrators(trust: Path) -> Path:
    """Writes the administrators' file of a trust directory."""
    path = trust / "administrators"
    lines = [f"{one.role} {signer.vkey}\n" for one, signer in zip(ADMINISTRATORS, _signers(), strict=True)]
    path.write_text("# administrators\n" + "".join(lines), "utf-8")
    return path


def ordered(
    directory: Path,
    data: bytes | None = None,
    *,
    number: int = 1,
    signers: Sequence[NoteSigner] = (REGISTER, AUDIT),
    now: datetime | None = None,
    effective_from: date | None = None,
    nonce: str = "",
) -> str:
    """Puts a table and its order where a node looks for them; returns the order."""
    data = published() if data is None else data
    order = order_for(
        data,
        number=number,
        now=now or datetime.now(UTC) - timedelta(seconds=1),
        reason="a test",
        effective_from=effective_from,
    )
    if nonce:
        order = dataclasses.replace(order, nonce=nonce)
    note = sign_order(order, signers)
    publish(directory, data, note)
    return note


def _signers() -> tuple[NoteSigner, ...]:
    return (REGISTER, AUDIT, SECOND_AUDIT)
