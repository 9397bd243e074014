"""Reports look-ups that somebody should explain: `python -m tools.anomalies --database URL | --entries FILE`.

Mass look-ups, look-ups at night and on days off, bursts, refusals, and, with a watch list and the node's salt key,
residents whom many looked up or one again and again. The report numbers watched residents and tells no code. Exit
codes: 0 nothing was found, 1 something was, 2 the arguments or the input are wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table

from services.foundation.audit.salts import load_sealer
from services.foundation.refusals import Refusal
from tools.anomalies.detectors import Finding, Limits, find
from tools.anomalies.lookups import Lookup, about, read_database, read_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the report and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        limits = _limits(options.limit)
        lookups = _read(options)
        residents = options.residents.read_text("ascii").split() if options.residents else []
    except (OSError, ValueError, KeyError, Refusal, asyncpg.PostgresError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    found = find(lookups, limits, about(lookups, residents))
    if options.json:
        rows = [{**dataclasses.asdict(one), "day": one.day.isoformat()} for one in found]
        sys.stdout.write(json.dumps({"looked_at": len(lookups), "findings": rows}, ensure_ascii=False) + "\n")
    else:
        _print(found, len(lookups))
    return 1 if found else 0


def _read(options: argparse.Namespace) -> list[Lookup]:
    if options.entries is not None:
        return read_lines(options.entries)
    sealer = load_sealer(options.keys / "salt.key", options.origin) if options.keys is not None else None
    since = datetime.now(UTC) - timedelta(days=options.days)
    return asyncio.run(read_database(options.database, since, sealer))


def _limits(given: Sequence[str]) -> Limits:
    kinds = {name: type(value) for name, value in dataclasses.asdict(Limits()).items()}
    values: dict[str, float] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in kinds:
            raise ValueError(f"name one of {', '.join(kinds)}")
        values[name] = kinds[name](value)
    return dataclasses.replace(Limits(), **values)  # type: ignore[arg-type] # each is of its field's kind


def _print(found: Sequence[Finding], looked_at: int) -> None:
    out = Console()
    if found:
        table = Table(title=f"{len(found)} findings in {looked_at:,} entries", title_justify="left")
        for heading in ("day", "what", "who", "explanation", "entries"):
            table.add_column(heading, overflow="fold")
        for one in found:
            places = " ".join(map(str, one.places)) + (" …" if one.count > len(one.places) else "")
            table.add_row(one.day.isoformat(), one.kind, one.who, one.explanation, places)
        out.print(table, markup=False)
    else:
        out.print(f"nothing to explain in {looked_at:,} entries")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.anomalies", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--database", help="PostgreSQL URL of the node")
    source.add_argument("--entries", type=Path, help="entries as JSON lines; without salts")
    parser.add_argument("--days", type=float, default=35.0, help="how far back to look in the database")
    parser.add_argument("--keys", type=Path, help="key directory of the node, to open its salts")
    parser.add_argument("--origin", default="", help="origin of the log, which its salts are bound to")
    parser.add_argument("--residents", type=Path, help="watch list: resident codes, one a line")
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=VALUE", help="e.g. burst_count=50")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
