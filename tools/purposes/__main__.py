"""The command of purposes tables: `python -m tools.purposes build|check|show|diff|order|sign`.

Exit codes: 0 done, 1 refused (and for diff: the tables differ), 2 the arguments are wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.pki.certificates import load_ed25519_key
from deploy.pki.files import write_atomic
from deploy.purposes.publishing import order_for
from deploy.purposes.sources import SOURCES, build_table
from services.confirmation.adopting import ACTION, ORDER_FILE, TABLE_FILE, Adopted, read_kept
from services.confirmation.purposes import Purposes, parse_table
from services.confirmation.refusals import PurposesTableRefused
from services.foundation.audit.note import NoteSigner, parse_note
from services.foundation.orders import load_administrators, parse_order
from services.foundation.refusals import Refusal
from tools.purposes.showing import counts_of, differences, print_rows, rows_of

_PIPE_WIDTH = 200
"""Room for a table's row where the output is no terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.act(options, Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)))
    except Refusal as refused:
        facts = ", ".join(f"{name} {value}" for name, value in refused.facts.items() if value)
        sys.stderr.write(f"{refused.reason}: {refused.advice}" + (f" ({facts})" if facts else "") + "\n")
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
    return 1


def build(options: argparse.Namespace, out: Console) -> int:
    """Builds a table of its sources and writes it."""
    data = build_table(
        options.sources,
        affairs=options.affairs,
        body_keys=options.body_keys,
        progress=lambda what, count: out.print(f"read {count:,} {what}", highlight=False),
    )
    write_atomic(options.out, data)
    told = f"wrote {options.out}, {len(data):,} bytes, version {parse_table(data).version}"
    out.print(told, highlight=False, soft_wrap=True)
    return 0


def check(options: argparse.Namespace, out: Console) -> int:
    """Checks a table, or a directory of a table and its order."""
    if options.table.is_dir():
        kept = read_kept(options.table)
        if options.administrators is None:
            order, purposes = parse_order(parse_note(kept.note)[0]), parse_table(kept.body)
            signed = "signatures not checked: name --administrators"
        else:
            adopted = Adopted.verified(kept, load_administrators(options.administrators))
            order, purposes, signed = adopted.order, adopted.purposes, "signed by administrators of two roles"
        if order.target != f"sha256:{purposes.version}":
            raise PurposesTableRefused("bring the table that the order is about", row="order")
        out.print(f"order {order.number}, in force from {order.effective_from}, {signed}", highlight=False)
    else:
        purposes = _table(options.table)
    for what, count in counts_of(purposes, datetime.now(UTC).date()).items():
        out.print(f"{count:>6,} {what}", highlight=False)
    out.print(f"version {purposes.version}", highlight=False)
    return 0


def show(options: argparse.Namespace, out: Console) -> int:
    """Shows the grants of a table, or its affairs."""
    rows = rows_of(_table(options.table), body=options.body, affair=options.affair, affairs=options.affairs)
    _print(options, out, rows)
    return 0


def diff(options: argparse.Namespace, out: Console) -> int:
    """Shows what a newer table changes; returns 1 where there is anything."""
    rows = differences(_table(options.old), _table(options.new))
    _print(options, out, rows)
    return 1 if rows else 0


def order(options: argparse.Namespace, out: Console) -> int:
    """Writes the text of an order to adopt a table, for administrators to sign."""
    data = options.table.read_bytes()
    parse_table(data)
    text = order_for(
        data,
        number=options.number,
        now=datetime.now(UTC),
        reason=options.reason,
        effective_from=options.effective_from,
    ).text()
    write_atomic(options.out, f"{text}\n".encode())
    out.print(text, highlight=False, end="")
    out.print(f"wrote {options.out}; two administrators of different roles sign it", highlight=False)
    return 0


def sign(options: argparse.Namespace, out: Console) -> int:
    """Adds an administrator's signature to an order."""
    note = options.order.read_text("utf-8")
    text = note.rpartition("\n\n")[0] + "\n"
    parsed = parse_order(text)
    if parsed.action != ACTION:
        raise PurposesTableRefused("sign orders for purposes tables with this", row="order")
    signed = NoteSigner(options.name, load_ed25519_key(options.key)).sign(text)
    write_atomic(options.order, (note + signed.removeprefix(f"{text}\n")).encode())
    out.print(f"signed as {options.name}: {parsed.target}", highlight=False)
    return 0


def _table(path: Path) -> Purposes:
    return parse_table((path / TABLE_FILE if path.is_dir() else path).read_bytes())


def _print(options: argparse.Namespace, out: Console, rows: list[dict[str, Any]]) -> None:
    if options.json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False) + "\n")
    else:
        print_rows(out, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.purposes", description=__doc__)
    acts = parser.add_subparsers(required=True, metavar="<act>")
    builds, checks, shows, diffs, orders, signs = (_add(acts, act) for act in (build, check, show, diff, order, sign))
    builds.add_argument("--sources", type=Path, default=SOURCES, help="directory of the sources")
    builds.add_argument("--affairs", type=Path, help="a newer or fuller affairs.csv")
    builds.add_argument("--body-keys", type=Path, help="directory of bodies' public keys, <id>.pub")
    builds.add_argument("--out", type=Path, required=True)
    checks.add_argument("table", type=Path, help=f"a table, or a directory of {TABLE_FILE} and {ORDER_FILE}")
    checks.add_argument("--administrators", type=Path, help="the trust directory's file of their keys")
    shows.add_argument("table", type=Path)
    shows.add_argument("--body", default="")
    shows.add_argument("--affair", default="")
    shows.add_argument("--affairs", action="store_true", help="affairs instead of grants")
    diffs.add_argument("old", type=Path)
    diffs.add_argument("new", type=Path)
    for command in (shows, diffs):
        command.add_argument("--json", action="store_true")
    orders.add_argument("table", type=Path)
    orders.add_argument("--number", type=int, required=True, help="one more than the order in force")
    orders.add_argument("--reason", required=True)
    orders.add_argument("--effective-from", type=date.fromisoformat, help="first day; today where none is given")
    orders.add_argument("--out", type=Path, required=True)
    signs.add_argument("order", type=Path)
    signs.add_argument("--key", type=Path, required=True, help="Ed25519 private key, PEM PKCS#8")
    signs.add_argument("--name", required=True, help="name of the key, as in the administrators' file")
    return parser


def _add(acts: argparse._SubParsersAction[argparse.ArgumentParser], act: Any) -> argparse.ArgumentParser:
    parser = acts.add_parser(act.__name__, help=act.__doc__, description=act.__doc__)
    parser.set_defaults(act=act)
    return parser


if __name__ == "__main__":
    sys.exit(main())
