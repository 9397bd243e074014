"""Building the purposes table of its sources: affairs as published, and what operators decide beside them."""

from __future__ import annotations

import base64
import csv
import io
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from services.confirmation.purposes import FORMAT, parse_table, write_table
from services.confirmation.refusals import PurposesTableRefused
from services.confirmation.rules.purposes import DOMAIN, NATIONAL, PREFECTURAL

SOURCES = Path(__file__).parent
"""The directory of the data that this checkout brings."""

AFFAIRS = "affairs.csv"
FIRST_DAYS = "first_days.csv"
RECIPIENTS = "recipients.csv"
EDITIONS = "editions.toml"
SWITCHES = "switches.toml"
BODIES = "bodies.toml"
GRANTS = "grants.toml"

_ACT = "住民基本台帳法"
_NATIONAL_TABLE = "1"
"""Table 1 names national bodies; whatever the others name, a prefecture provides for."""
_COLUMNS = ("affair_id", "table", "recipient_body_ja", "affair_ja", "provision_ja", "source")
_GRANT_KEYS = {"body", "at", "affairs", "ways"}
_GRANT_OPTIONAL = {
    "items",
    "verdicts_only",
    "from",
    "until",
    "quota_per_day",
    "pace_per_second",
    "pace_burst",
    "domain",
    "hand_over",
}

Progress = Callable[[str, int], None]
"""Is told what was read, and how many rows of it."""


def build_table(
    directory: Path,
    *,
    affairs: Path | None = None,
    body_keys: Path | None = None,
    progress: Progress = lambda _what, _count: None,
) -> bytes:
    """Returns the table of the sources in `directory`, checked whole; `affairs` replaces the published affairs.

    `body_keys` is a directory of bodies' public keys, `<id>.pub`. Refuses PURPOSES_TABLE_REFUSED with file and row.
    """
    switches = _switches(_toml(directory / SWITCHES), progress)
    table = {
        "format": FORMAT,
        "affairs": _affairs(directory, affairs or directory / AFFAIRS, switches, progress),
        "bodies": _bodies(_toml(directory / BODIES), body_keys, progress),
        "grants": _grants(_toml(directory / GRANTS), progress),
    }
    data = write_table(table)
    parse_table(data)
    return data


def _affairs(
    directory: Path, path: Path, switches: Mapping[str, list[str]], progress: Progress
) -> list[dict[str, Any]]:
    rows = _csv(path, _COLUMNS)
    known = {row["affair_id"] for row in rows}
    first_days = _by_affair(directory / FIRST_DAYS, ("affair_id", "effective_from", "basis"), known)
    recipients = _by_affair(directory / RECIPIENTS, ("affair_id", "recipient_body_ja", "basis"), known)
    for affair_id in switches:
        if affair_id not in known:
            raise _refused(f"switch on affairs of {path.name} only", SWITCHES, affair_id)
    editions = _editions(_toml(directory / EDITIONS))
    found = []
    for number, row in enumerate(rows, start=1):
        since, until, basis = _period(row, editions, path.name, number)
        first = first_days.get(row["affair_id"])
        if first is not None:
            since, basis = first["effective_from"], first["basis"]
        recipient = row["recipient_body_ja"] or recipients.get(row["affair_id"], {}).get("recipient_body_ja", "")
        found.append(
            {
                "id": row["affair_id"],
                "text": row["affair_ja"],
                "recipient": recipient,
                "article": _ACT + row["provision_ja"],
                "level": NATIONAL if row["table"] == _NATIONAL_TABLE else PREFECTURAL,
                "from": since,
                "until": until,
                "basis": basis,
                "prefectures": sorted(switches.get(row["affair_id"], [])),
            }
        )
    progress("affairs", len(found))
    progress("affairs without a recipient, which grant nothing", sum(not row["recipient"] for row in found))
    return sorted(found, key=lambda row: str(row["id"]))


def _period(row: Mapping[str, str], editions: tuple[str, Mapping[str, str]], file: str, number: int) -> tuple[str, ...]:
    newest, days = editions
    shown = row["source"].split("+")
    if not all(one in days for one in shown):
        raise _refused(f"give each edition of the column source a day in {EDITIONS}", file, str(number))
    since = min(days[one] for one in shown)
    until = "" if newest in shown else max(days[one] for one in shown)
    return since, until, f"shown by {' and '.join(shown)}"


def _editions(table: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    days = table.get("day")
    if set(table) != {"newest", "day"} or not isinstance(days, dict) or table["newest"] not in days:
        raise _refused("give newest, and a day for each edition", EDITIONS)
    if not all(type(day) is date for day in days.values()):
        raise _refused("give days as 2026-02-02", EDITIONS)
    return table["newest"], {name: day.isoformat() for name, day in days.items()}


def _switches(table: Mapping[str, Any], progress: Progress) -> dict[str, list[str]]:
    prefectures = table.get("prefecture")
    if set(table) != {"prefecture"} or not isinstance(prefectures, dict):
        raise _refused("list affairs by prefecture in one [prefecture] table", SWITCHES)
    switched: dict[str, list[str]] = {}
    for prefecture, affairs in prefectures.items():
        if not isinstance(affairs, list) or not all(isinstance(one, str) for one in affairs):
            raise _refused("list affairs as text", SWITCHES, prefecture)
        for affair_id in affairs:
            switched.setdefault(affair_id, []).append(prefecture)
    progress("switches", sum(map(len, switched.values())))
    return switched


def _bodies(table: Mapping[str, Any], keys: Path | None, progress: Progress) -> list[dict[str, Any]]:
    found = []
    for number, row in enumerate(_stanzas(table, "body", BODIES), start=1):
        if set(row) != {"name", "title"} or not all(isinstance(value, str) for value in row.values()):
            raise _refused("give exactly name and title", BODIES, str(number))
        path = None if keys is None else keys / f"{row['name'].rpartition('/')[2]}.pub"
        found.append({**row, "key": _body_key(path) if path is not None and path.exists() else ""})
    progress("bodies", len(found))
    return found


def _body_key(path: Path) -> str:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey):
        raise _refused("register an X25519 public key, PEM", path.name)
    return base64.b64encode(key.public_bytes_raw()).decode()


def _grants(table: Mapping[str, Any], progress: Progress) -> list[dict[str, Any]]:
    found = []
    for number, row in enumerate(_stanzas(table, "grant", GRANTS), start=1):
        if not set(row) >= _GRANT_KEYS or not set(row) <= _GRANT_KEYS | _GRANT_OPTIONAL:
            raise _refused(f"give the keys {', '.join(sorted(_GRANT_KEYS))}, and known ones", GRANTS, str(number))
        affairs = row["affairs"]
        if not isinstance(affairs, list) or not affairs or len(set(map(str, affairs))) < len(affairs):
            raise _refused("list affairs, each once", GRANTS, str(number))
        rest = {key: value for key, value in row.items() if key != "affairs"}
        for day in ("from", "until"):
            rest[day] = rest[day].isoformat() if type(rest.get(day)) is date else rest.get(day, "")
        defaults = {"items": [], "verdicts_only": False, "hand_over": [], "domain": DOMAIN}
        found += [{**defaults, **rest, "affair": affair} for affair in affairs]
    progress("grants", len(found))
    return sorted(found, key=lambda row: (str(row["at"]), str(row["body"]), str(row["affair"])))


def _stanzas(table: Mapping[str, Any], key: str, file: str) -> list[dict[str, Any]]:
    rows = table.get(key)
    if set(table) != {key} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _refused(f"write each as a [[{key}]] table, and nothing else", file)
    return rows


def _by_affair(path: Path, columns: Iterable[str], known: set[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(_csv(path, columns), start=1):
        if row["affair_id"] not in known or row["affair_id"] in found or not all(row.values()):
            raise _refused("fill the row for an affair that is there, once", path.name, str(number))
        found[row["affair_id"]] = row
    return found


def _csv(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(_bytes(path).decode("utf-8-sig")), strict=True)
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise _refused("write the file as CSV in UTF-8", path.name) from None
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise _refused(f"add the columns {', '.join(missing)}", path.name)
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise _refused("give every row as many values as there are columns", path.name, str(number))
    return rows


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_bytes(path).decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise _refused("write the file as TOML in UTF-8", path.name) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise _refused("put the file there, or mend its permissions", path.name) from None


def _refused(advice: str, file: str, row: str = "") -> PurposesTableRefused:
    return PurposesTableRefused(advice, file=file, row=row)
