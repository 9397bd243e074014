"""How a purposes table is told in rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table

from services.confirmation.purposes import Purposes
from services.confirmation.rules.purposes import Affair, Grant

Row = dict[str, Any]


def counts_of(purposes: Purposes, today: date) -> dict[str, int]:
    """Counts what a table holds."""
    affairs = purposes.affairs.values()
    return {
        "affairs": len(affairs),
        "affairs in force": sum(_holds(one.effective_from, one.effective_until, today) for one in affairs),
        "affairs without a recipient, which grant nothing": sum(not one.recipient for one in affairs),
        "affairs that a prefecture has switched on": sum(bool(one.prefectures) for one in affairs),
        "bodies with a grant": len({body for _, body, _ in purposes.grants}),
        "grants": len(purposes.grants),
        "grants in force": sum(_holds(one.first_day, one.last_day, today) for one in purposes.grants.values()),
    }


def rows_of(purposes: Purposes, *, body: str = "", affair: str = "", affairs: bool = False) -> list[Row]:
    """Returns the grants, or the affairs, of a body or an affair where one is named."""
    if affairs:
        return [_affair_row(one) for key, one in sorted(purposes.affairs.items()) if affair in ("", key)]
    return [
        _grant_row(node, grant)
        for (node, holder, key), grant in sorted(purposes.grants.items())
        if body in ("", holder) and affair in ("", key)
    ]


def differences(old: Purposes, new: Purposes) -> list[Row]:
    """Returns one row for each thing that `new` adds, removes or changes."""
    before, after = _whole(old), _whole(new)
    rows = []
    for key in sorted({*before, *after}):
        former, present = before.get(key, {}), after.get(key, {})
        if former == present:
            continue
        act = "removed" if not present else "added" if not former else "changed"
        fields = [name for name in former | present if former.get(name) != present.get(name)]
        told = [f"{name}: {former.get(name, '')} → {present.get(name, '')}" for name in fields if act == "changed"]
        rows.append({"change": act, "what": " ".join(key), "fields": "; ".join(told)})
    return rows


def print_rows(out: Console, rows: Sequence[Row]) -> None:
    """Prints a table of rows, without the columns that are empty in all of them."""
    if not rows:
        out.print("nothing")
        return
    table = Table()
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(row[name]) for name in names))
    out.print(table, markup=False)


def _whole(purposes: Purposes) -> dict[tuple[str, ...], Row]:
    affairs: dict[tuple[str, ...], Row] = {("affair", key): _affair_row(one) for key, one in purposes.affairs.items()}
    keys: dict[tuple[str, ...], Row] = {("key", name): {"key": key.hex()} for name, key in purposes.keys.items()}
    grants: dict[tuple[str, ...], Row] = {
        ("grant", *key): _grant_row(key[0], one) for key, one in purposes.grants.items()
    }
    return affairs | keys | grants


def _affair_row(affair: Affair) -> Row:
    return {
        "affair": affair.affair_id,
        "recipient": affair.recipient,
        "in words": affair.text,
        "article": affair.article,
        "level": affair.level,
        "from": affair.effective_from.isoformat(),
        "until": "" if affair.effective_until is None else affair.effective_until.isoformat(),
        "switched on": " ".join(sorted(affair.prefectures)),
    }


def _grant_row(node: str, grant: Grant) -> Row:
    return {
        "at": node,
        "body": grant.body,
        "affair": grant.affair.affair_id,
        "article": grant.affair.article,
        "items": " ".join(sorted(grant.items)) or "verdicts only",
        "ways": " ".join(sorted(grant.ways)),
        "from": grant.first_day.isoformat(),
        "until": "" if grant.last_day is None else grant.last_day.isoformat(),
        "a day": "" if grant.quota_per_day is None else str(grant.quota_per_day),
        "a second": "" if grant.pace_per_second is None else f"{grant.pace_per_second:g}",
        "domain": grant.domain,
        "hand over": " ".join(sorted(grant.hand_over)),
    }


def _holds(first: date, last: date | None, today: date) -> bool:
    return first <= today and (last is None or today <= last)
