"""Reading a purposes table: who may ask for what, at every node, checked whole before anybody is served by it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

import rfc8785

from services.confirmation.refusals import PurposesTableRefused
from services.confirmation.rules.purposes import (
    DOMAIN,
    NATIONAL,
    PREFECTURAL,
    Affair,
    Grant,
    Item,
    PurposeTable,
    Way,
)

FORMAT = "juki-purposes/v1"
"""Value of the table's `format`."""
LEVELS = {"agency": NATIONAL, "prefecture": PREFECTURAL}
"""Level of the affairs that a tier answers for."""

_AFFAIR_ID = re.compile(r"[a-z][a-z0-9@-]{0,31}")
_NAME = re.compile(r"[a-z]+/[a-z0-9][a-z0-9-]{0,40}")
_PREFECTURE = re.compile(r"0[1-9]|[1-3][0-9]|4[0-7]")
_DOMAIN = re.compile(r"[a-z][a-z0-9-]{0,31}")
_KEY_SIZE = 32
_TABLE_KEYS = {"format", "affairs", "bodies", "grants"}
_AFFAIR_KEYS = {"id", "text", "recipient", "article", "level", "from", "until", "basis", "prefectures"}
_BODY_KEYS = {"name", "title", "key"}
_GRANT_KEYS = {"body", "at", "affair", "items", "ways", "from", "until", "verdicts_only", "hand_over", "domain"}
_LIMIT_KEYS = {"quota_per_day", "pace_per_second", "pace_burst"}
_COUNT_LIMIT = 10**9
_E = TypeVar("_E", bound=StrEnum)
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Purposes:
    """The purposes table of the whole network."""

    affairs: Mapping[str, Affair]
    grants: Mapping[tuple[str, str, str], Grant]
    """By node, body and affair."""
    keys: Mapping[str, bytes]
    """Public keys of bodies that take hand-overs: X25519, 32 bytes."""
    version: str
    """SHA-256 of its bytes, hexadecimal."""

    def at(self, node: str, number: int = 0) -> PurposeTable:
        """Returns what holds at a node, `agency/national`, under the order of this number."""
        tier, _, code = node.partition("/")
        return PurposeTable(
            self.affairs,
            {(body, affair): grant for (at, body, affair), grant in self.grants.items() if at == node},
            self.version,
            number,
            code if tier == "prefecture" else "",
            self.keys,
        )


def write_table(table: Mapping[str, Any]) -> bytes:
    """Returns the one form of a table's bytes: RFC 8785 JSON."""
    return rfc8785.dumps(dict(table))


def parse_table(data: bytes) -> Purposes:
    """Reads a table; refuses PURPOSES_TABLE_REFUSED for whatever is missing, unknown, out of place or there twice."""
    try:
        table = json.loads(data)
        canonical = rfc8785.dumps(table) == data
    except (ValueError, RecursionError):
        raise PurposesTableRefused("write the table as RFC 8785 JSON in UTF-8", row="table") from None
    if not canonical or not isinstance(table, dict) or set(table) != _TABLE_KEYS or table["format"] != FORMAT:
        raise PurposesTableRefused("write the table with `python -m tools.purposes build`", row="table")
    affairs = _affairs(_rows(table, "affairs"))
    keys = _bodies(_rows(table, "bodies"))
    grants: dict[tuple[str, str, str], Grant] = {}
    for row in _rows(table, "grants"):
        where = f"grant {row.get('at')} {row.get('body')} {row.get('affair')}"
        key = (str(row.get("at")), str(row.get("body")), str(row.get("affair")))
        if key in grants:
            raise _refused("remove the second grant of the same affair", where)
        grants[key] = _grant(row, affairs, keys, where)
    return Purposes(
        affairs,
        grants,
        {name: key for name, key in keys.items() if key},
        hashlib.sha256(data).hexdigest(),
    )


def _affairs(rows: Sequence[_Row]) -> dict[str, Affair]:
    affairs: dict[str, Affair] = {}
    for row in rows:
        where = f"affair {row.get('id')}"
        _exactly(row, _AFFAIR_KEYS, set(), where)
        texts = [row[key] for key in ("id", "text", "recipient", "article", "level", "basis")]
        if not all(isinstance(text, str) for text in texts) or not all(row[key] for key in ("text", "article")):
            raise _refused("give text and article as text", where)
        if _AFFAIR_ID.fullmatch(row["id"]) is None or row["id"] in affairs:
            raise _refused("give each affair an id of its own, `b1-19`", where)
        if row["level"] not in LEVELS.values():
            raise _refused("give the level as national or prefecture", where)
        prefectures = _texts(row["prefectures"], where)
        if not all(map(_PREFECTURE.fullmatch, prefectures)) or (prefectures and row["level"] != PREFECTURAL):
            raise _refused("switch on prefectural affairs only, by the prefectures' two digits", where)
        since, until = _days(row, where)
        if since is None:
            raise _refused("give the first day", where)
        affairs[row["id"]] = Affair(
            row["id"],
            row["text"],
            row["recipient"],
            row["article"],
            row["level"],
            since,
            until,
            frozenset(prefectures),
        )
    if not affairs:
        raise PurposesTableRefused("list at least one affair", row="affairs")
    return affairs


def _bodies(rows: Sequence[_Row]) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for row in rows:
        where = f"body {row.get('name')}"
        _exactly(row, _BODY_KEYS, set(), where)
        name, key = row["name"], row["key"]
        if not isinstance(name, str) or _NAME.fullmatch(name) is None or name in keys:
            raise _refused("give each body a short name of its own, relying/<id>", where)
        if not isinstance(row["title"], str) or not isinstance(key, str):
            raise _refused("give title and key as text", where)
        try:
            keys[name] = base64.b64decode(key, validate=True)
        except binascii.Error:
            raise _refused("give the key as base64, or leave it empty", where) from None
        if key and len(keys[name]) != _KEY_SIZE:
            raise _refused("give an X25519 public key, 32 bytes", where)
    return keys


def _grant(row: _Row, affairs: Mapping[str, Affair], keys: Mapping[str, bytes], where: str) -> Grant:
    _exactly(row, _GRANT_KEYS, _LIMIT_KEYS, where)
    if not all(isinstance(row[key], str) for key in ("body", "at", "affair", "domain")):
        raise _refused("give body, at, affair and domain as text", where)
    affair = affairs.get(row["affair"])
    if affair is None:
        raise _refused("the affair is not in the table: add it there or remove the grant", where)
    if not affair.recipient:
        raise _refused("the source names no recipient of this affair: fill it in before granting it", where)
    if row["body"] not in keys:
        raise _refused("list the body among the bodies", where)
    if LEVELS.get(row["at"].partition("/")[0]) != affair.level:
        raise _refused("the affair is not of that node's level", where)
    items, ways = _values(row["items"], Item, where), _values(row["ways"], Way, where)
    if row["verdicts_only"] is not (not items):
        raise _refused("list items, or say verdicts_only and list none", where)
    if not ways or (Way.CHANGES in ways and Item.CHANGE not in items):
        raise _refused("grant a way; and the item change with the way changes", where)
    hand_over = _texts(row["hand_over"], where)
    if not all(keys.get(body) and body != row["body"] for body in hand_over):
        raise _refused("hand over to other bodies that have a public key", where)
    if _DOMAIN.fullmatch(row["domain"]) is None:
        raise _refused(f"name the domain in lower case, `{DOMAIN}`", where)
    since, until = _days(row, where)
    quota, pace, burst = (_number(row, key, where) for key in ("quota_per_day", "pace_per_second", "pace_burst"))
    if burst is not None and pace is None:
        raise _refused("give a pace with the burst", where)
    return Grant(
        row["body"],
        affair,
        items,
        ways,
        since,
        until,
        None if quota is None else int(quota),
        pace,
        max(1, int(burst if burst is not None else pace or 1)),
        row["domain"],
        frozenset(hand_over),
    )


def _rows(table: _Row, key: str) -> list[_Row]:
    rows = table[key]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PurposesTableRefused("write a list of rows", row=key)
    return rows


def _exactly(row: _Row, required: set[str], optional: set[str], where: str) -> None:
    if not required <= set(row) <= required | optional:
        raise _refused(f"give exactly the keys {', '.join(sorted(required))}", where)


def _days(row: _Row, where: str) -> tuple[date | None, date | None]:
    since, until = _day(row["from"], where), _day(row["until"], where)
    if since is not None and until is not None and until < since:
        raise _refused("end no earlier than it begins", where)
    return since, until


def _day(value: object, where: str) -> date | None:
    if value == "":
        return None
    try:
        day = date.fromisoformat(value)  # type: ignore[arg-type] # what is no text is refused just below
    except (ValueError, TypeError):
        raise _refused("give days as 2003-04-01, or leave them empty", where) from None
    return day


def _number(row: _Row, key: str, where: str) -> float | None:
    if key not in row:
        return None
    value = row[key]
    whole = key != "pace_per_second"
    if type(value) not in ((int,) if whole else (int, float)) or not 0 < value <= _COUNT_LIMIT:
        raise _refused(f"give {key} as a number above 0", where)
    return float(value)


def _values(names: object, kind: type[_E], where: str) -> frozenset[_E]:
    known = {member.value: member for member in kind}
    texts = _texts(names, where)
    if not set(texts) <= set(known):
        raise _refused(f"choose from {', '.join(known)}", where)
    return frozenset(known[text] for text in texts)


def _texts(names: object, where: str) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _refused("give a list of texts", where)
    if len(set(names)) != len(names):
        raise _refused("name nothing twice in a list", where)
    return names


def _refused(advice: str, where: str) -> PurposesTableRefused:
    return PurposesTableRefused(advice, row=where)
