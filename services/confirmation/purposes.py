"""Reading the purposes table: who may ask for what, checked whole before the node serves anybody."""

from __future__ import annotations

import csv
import hashlib
import io
import tomllib
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from services.confirmation.refusals import PurposesTableRefused
from services.confirmation.rules.purposes import Affair, Grant, Item, PurposeTable, Way

AFFAIRS_FILE = "affairs.csv"
GRANTS_FILE = "grants.toml"

_COLUMNS = ("affair_id", "affair_ja", "recipient_body_ja", "article_ja", "level", "effective_from", "basis")
_GRANT_KEYS = {"body", "at", "affairs", "items", "ways"}
_LEVELS = {"agency": "national", "prefecture": "prefecture"}
_E = TypeVar("_E", bound=StrEnum)


def load_purposes(directory: Path, node: str) -> PurposeTable:
    """Reads the table in `directory` and keeps the grants served at `node`, a short name such as `agency/national`.

    Refuses PURPOSES_TABLE_REFUSED for a file, row or value that is missing, unknown or there twice, whichever node
    it is for.
    """
    affairs_bytes, grants_bytes = _read(directory / AFFAIRS_FILE), _read(directory / GRANTS_FILE)
    affairs = _affairs(affairs_bytes)
    grants: dict[tuple[str, str], Grant] = {}
    seen: set[tuple[str, str, str]] = set()
    for number, row in enumerate(_grant_rows(grants_bytes), start=1):
        for grant in _grants_of(row, affairs, number):
            key = (row["at"], grant.body, grant.affair.affair_id)
            if key in seen:
                raise _refused("remove the second grant of the same affair", GRANTS_FILE, number)
            seen.add(key)
            if row["at"] == node:
                grants[grant.body, grant.affair.affair_id] = grant
    version = hashlib.sha256(hashlib.sha256(affairs_bytes).digest() + hashlib.sha256(grants_bytes).digest())
    return PurposeTable(affairs, grants, version.hexdigest())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise PurposesTableRefused("put the file there, or mend its permissions", file=path.name) from None


def _affairs(data: bytes) -> dict[str, Affair]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8")), strict=True)
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise PurposesTableRefused("write the file as CSV in UTF-8", file=AFFAIRS_FILE) from None
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise PurposesTableRefused(f"give exactly the columns {', '.join(_COLUMNS)}", file=AFFAIRS_FILE)
    affairs: dict[str, Affair] = {}
    for number, row in enumerate(rows, start=1):
        affair = _affair(row, number)
        if affair.affair_id in affairs:
            raise _refused("remove the second row of the same affair", AFFAIRS_FILE, number)
        affairs[affair.affair_id] = affair
    if not affairs:
        raise PurposesTableRefused("list at least one affair", file=AFFAIRS_FILE)
    return affairs


def _affair(row: dict[str, str], number: int) -> Affair:
    if set(row) != set(_COLUMNS) or not all(row.values()):
        raise _refused("fill every column of the row", AFFAIRS_FILE, number)
    if row["level"] not in _LEVELS.values():
        raise _refused("give the level as national or prefecture", AFFAIRS_FILE, number)
    try:
        since = date.fromisoformat(row["effective_from"])
    except ValueError:
        raise _refused("give the first day as 2003-04-01", AFFAIRS_FILE, number) from None
    return Affair(row["affair_id"], row["affair_ja"], row["recipient_body_ja"], row["article_ja"], row["level"], since)


def _grant_rows(data: bytes) -> list[dict[str, Any]]:
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise PurposesTableRefused("write the file as TOML in UTF-8", file=GRANTS_FILE) from None
    rows = table.get("grant")
    if set(table) != {"grant"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PurposesTableRefused("write each grant as a [[grant]] table, and nothing else", file=GRANTS_FILE)
    return rows


def _grants_of(row: dict[str, Any], affairs: dict[str, Affair], number: int) -> Iterable[Grant]:
    if set(row) != _GRANT_KEYS:
        raise _refused(f"give exactly the keys {', '.join(sorted(_GRANT_KEYS))}", GRANTS_FILE, number)
    body, at = row["body"], row["at"]
    if not all(isinstance(name, str) and name.count("/") == 1 for name in (body, at)):
        raise _refused("give body and at as short names, relying/<id> and agency/national", GRANTS_FILE, number)
    items, ways = _values(row["items"], Item, number), _values(row["ways"], Way, number)
    if Way.CHANGES in ways and Item.CHANGE not in items:
        raise _refused("grant the item change with the way changes, or neither", GRANTS_FILE, number)
    for affair_id in _texts(row["affairs"], number):
        if affair_id not in affairs:
            raise _refused(f"{affair_id} is not in {AFFAIRS_FILE}: add it there or remove it", GRANTS_FILE, number)
        affair = affairs[affair_id]
        if _LEVELS.get(at.partition("/")[0]) != affair.level:
            raise _refused(f"{affair_id} is not an affair of that node's level", GRANTS_FILE, number)
        yield Grant(body, affair, items, ways)


def _values(names: object, kind: type[_E], number: int) -> frozenset[_E]:
    known = {member.value: member for member in kind}
    texts = _texts(names, number)
    if not set(texts) <= set(known):
        raise _refused(f"choose from {', '.join(known)}", GRANTS_FILE, number)
    return frozenset(known[text] for text in texts)


def _texts(names: object, number: int) -> list[str]:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise _refused("give a list of at least one text", GRANTS_FILE, number)
    if len(set(names)) != len(names):
        raise _refused("name nothing twice in a list", GRANTS_FILE, number)
    return names


def _refused(advice: str, file: str, row: int) -> PurposesTableRefused:
    return PurposesTableRefused(advice, file=file, row=row)
