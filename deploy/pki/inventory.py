"""What certificates are in use, as a table for an operator."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.table import Table

from deploy.pki.authority import Held, Pki
from deploy.pki.register import hexadecimal
from services.foundation.clock import Clock, SystemClock


def table(pki: Pki, clock: Clock | None = None) -> Table:
    """Lists the root, the authorities and the nodes' certificates; refuses PKI_STATE_ABSENT before the ceremony."""
    now = (clock or SystemClock()).now()
    rows = Table(box=None)
    for heading in ("holder", "kind", "serial", "ends", "days left", "state"):
        rows.add_column(heading, overflow="fold")
    for entry in pki.transcript().entries:
        ends_at = entry.certificate.not_valid_after_utc
        kind = "root" if entry.name == "root" else "issuing"
        state = _state(ends_at, now, pki.settings.recertify)
        rows.add_row(entry.name, kind, hexadecimal(entry.certificate.serial_number), *_end(ends_at, now), state)
    for held in pki.held():
        rows.add_row(held.node, held.kind, held.serial, *_end(held.ends_at, now), _node_state(pki, held, now))
    return rows


def _end(ends_at: datetime, now: datetime) -> tuple[str, str]:
    return ends_at.date().isoformat(), str((ends_at - now).days)


def _node_state(pki: Pki, held: Held, now: datetime) -> str:
    window = pki.settings.recertify if held.kind == "signing" else pki.settings.tls_renewal
    states = [_state(held.ends_at, now, window)]
    if held.revoked:
        states = ["[red]revoked[/]"]
    if held.suspended:
        states.append("[yellow]suspended[/]")
    return ", ".join(states)


def _state(ends_at: datetime, now: datetime, window: timedelta) -> str:
    if ends_at <= now:
        return "[red]ended[/]"
    return "[yellow]due[/]" if ends_at - now <= window else "[green]good[/]"
