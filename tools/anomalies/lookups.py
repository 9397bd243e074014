"""Look-ups as an audit log has them, and whose they are where salts say so."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import asyncpg

from services.foundation.audit.entry import commitment
from services.foundation.audit.salts import Sealer

JAPAN = timezone(timedelta(hours=9), "JST")
LOOKUPS = frozenset(
    {
        "CONFIRM_BY_CODE",
        "CONFIRM_BY_ATTRIBUTES",
        "CONFIRM_BULK",
        "LIST_CHANGES",
        "HAND_OVER",
        "GET_RESIDENT",
        "GET_HOUSEHOLD",
        "SEARCH_RESIDENTS",
        "LIST_REVISIONS",
    }
)
"""Actions by which somebody is looked up."""
BULK = "CONFIRM_BULK"
_ENTRIES = """
SELECT e.body, s.sealed FROM public.audit_entry e LEFT JOIN public.audit_salt s USING (seq)
WHERE e.written_at >= $1 ORDER BY e.seq
"""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One entry about a look-up, or about a refused call."""

    place: int
    """Index in the log."""
    at: datetime
    """When, in Japan."""
    who: str
    """The operator where there is one, or the body: its SPIFFE id."""
    action: str
    affair: str
    case: str
    refused: str
    """Reason of the refusal; empty where it was answered."""
    subject: str = field(default="", repr=False)
    """Commitment to the resident, base64."""
    salt: bytes | None = field(default=None, repr=False)
    """Key of the commitment, where it is still there."""


def read_entry(body: bytes, salt: bytes | None = None) -> Lookup | None:
    """Reads an entry; None for one that is neither a look-up nor a refusal."""
    entry: dict[str, Any] = json.loads(body)
    refused = entry["res"].partition(":")[2]
    if not refused and entry["act"] not in LOOKUPS:
        return None
    return Lookup(
        entry["seq"],
        datetime.fromisoformat(entry["t"]).replace(tzinfo=UTC).astimezone(JAPAN),
        entry.get("op") or entry["agency"],
        entry["act"],
        entry.get("task", ""),
        entry.get("case", ""),
        refused,
        entry.get("subj", ""),
        salt,
    )


def read_lines(path: Path) -> list[Lookup]:
    """Reads entries from a file of JSON lines, as the audit service lists them; raises ValueError for another."""
    with path.open("rb") as file:
        return [found for line in file if line.strip() and (found := read_entry(line)) is not None]


async def read_database(url: str, since: datetime, sealer: Sealer | None) -> list[Lookup]:
    """Reads entries from a node's database, opening their salts where the node's sealer is given."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_ENTRIES, since)
    finally:
        await connection.close()
    salts = [sealer.open(row[1]) if sealer is not None and row[1] is not None else None for row in rows]
    found = (read_entry(row[0], salt) for row, salt in zip(rows, salts, strict=True))
    return [one for one in found if one is not None]


def about(lookups: Iterable[Lookup], residents: Sequence[str]) -> dict[int, list[Lookup]]:
    """Returns the look-ups of each resident, by the place in the list of `residents`, whose codes only salts open.

    One HMAC a look-up and resident: a watch list, not a register.
    """
    codes = [code.encode() for code in residents]
    found: dict[int, list[Lookup]] = {}
    for one in lookups:
        if one.salt is None or not one.subject:
            continue
        for place, code in enumerate(codes):
            if hmac.compare_digest(one.subject, commitment(one.salt, code)):
                found.setdefault(place, []).append(one)
    return found
