"""The command of a relying body.

`python -m relying confirm|confirm-by-attributes|bulk|changes|purposes|explain|hand-over|open-hand-over`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from juki.common.v1 import receipt_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as pb
from relying.asserted import asserted_of
from relying.bulk_files import BulkFiles, FilesDisagree, Run
from relying.client import Refused, RelyingClient
from relying.handed_over import NotForUs, load_key, open_handed_over
from relying.receipts import ReceiptUnproved
from relying.showing import answer_values, change_values, check_values, purpose_values, receipt_values

_NATIONAL = "national"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns 0, 1 for a refusal or an unproved receipt, 2 for wrong use."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "open-hand-over":
            return _open_hand_over(options)
        return asyncio.run(_run(options))
    except Refused as refused:
        facts = "".join(f"\n  {name}: {value}" for name, value in refused.facts.items())
        print(f"refused ({refused.code}) {refused}{facts}", file=sys.stderr)
    except ReceiptUnproved as unproved:
        print(f"the receipt is not proved: {unproved}", file=sys.stderr)
    except NotForUs as error:
        print(f"not opened: {error}", file=sys.stderr)
    except FileNotFoundError as error:
        print(f"there is no {error.filename}: see --keys, --trust and the files that you named", file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (FilesDisagree, OSError, KeyError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 1


async def _run(options: argparse.Namespace) -> int:
    client = RelyingClient.connect(options.server, _server_name(options), options.keys, options.trust)
    try:
        await _COMMANDS[options.command](client, options)
    finally:
        await client.close()
    return 0


async def _confirm(client: RelyingClient, options: argparse.Namespace) -> None:
    stated = (options.name, options.birth_date, options.sex, options.address)
    if any(stated) and not all(stated):
        raise ValueError("state all four of --name, --birth-date, --sex and --address, or none")
    asserted = asserted_of(*stated) if all(stated) else None
    response = await client.confirm(options.affair, options.case, options.code, asserted)
    await _show_answer(client, options, response.answer, response.receipt)


async def _confirm_by_attributes(client: RelyingClient, options: argparse.Namespace) -> None:
    asserted = asserted_of(options.name, options.birth_date, options.sex, options.address)
    response = await client.confirm_by_attributes(options.affair, options.case, asserted)
    await _show_answer(client, options, response.answer, response.receipt)


async def _show_answer(
    client: RelyingClient, options: argparse.Namespace, answer: pb.Answer, receipt: receipt_pb2.AuditReceipt
) -> None:
    shown: dict[str, Any] = {**answer_values(answer), "receipt": receipt_values(receipt)}
    if options.verify:
        checkpoint = await client.verify(receipt)
        shown["proved"] = {"size": checkpoint.size, "root_hash": checkpoint.root_hash.hex()}
    if options.json:
        print(json.dumps(shown, ensure_ascii=False))
        return
    _print_table("answer", [{"item": name, "value": _flat(value)} for name, value in shown.items() if value])


async def _bulk(client: RelyingClient, options: argparse.Namespace) -> None:
    run = Run(str(options.source), options.affair, options.case, options.batch)
    files = BulkFiles(run, options.output)
    try:
        answers = client.bulk(
            options.affair,
            options.case,
            files.batches(),
            first=files.progress.answered + 1,
            request_id=files.progress.request_id,
        )
        async for answered in answers:
            files.keep(answered)
            print(f"\r{answered.number} batches answered", end="", file=sys.stderr, flush=True)
    finally:
        files.close()
    print(file=sys.stderr)


async def _changes(client: RelyingClient, options: argparse.Namespace) -> None:
    rows, position = [], options.since
    async for page in client.changes(options.affair, options.case, options.code, options.since):
        rows += [change_values(change) for change in page.changes]
        position = page.next_position
    if options.json:
        print(json.dumps({"changes": rows, "next_position": position}, ensure_ascii=False))
        return
    _print_table(f"changes; go on with --since {position}", rows)


async def _purposes(client: RelyingClient, options: argparse.Namespace) -> None:
    listed = await client.purposes()
    rows = [purpose_values(purpose) for purpose in listed.purposes]
    if options.json:
        print(json.dumps({"purposes": rows, "table_version": listed.table_version}, ensure_ascii=False))
        return
    _print_table(f"purposes, table {listed.table_version[:16]}", rows)


async def _explain(client: RelyingClient, options: argparse.Namespace) -> None:
    told = await client.explain(options.affair, options.case, options.way, options.item)
    rows = [check_values(check) for check in told.checks]
    if options.json:
        shown = {"answered": told.answered, "checks": rows, "affair": told.affair, "article": told.article}
        shown |= {"released": list(told.released), "withheld": list(told.withheld), "receipt": told.receipt.index}
        print(json.dumps(shown, ensure_ascii=False))
        return
    _print_table("would be answered" if told.answered else "would not be answered, or not in full", rows)
    for name, text in (("affair", told.affair), ("recipient", told.recipient), ("article", told.article)):
        print(f"{name}: {text}")


async def _hand_over(client: RelyingClient, options: argparse.Namespace) -> None:
    response = await client.hand_over(options.affair, options.case, options.code, (options.to, options.to_affair))
    shown = {
        "outcome": pb.Outcome.Name(response.outcome).removeprefix("OUTCOME_"),
        "sealed": base64.b64encode(response.sealed).decode(),
        "receipt": receipt_values(response.receipt),
    }
    print(json.dumps(shown))


def _open_hand_over(options: argparse.Namespace) -> int:
    try:
        sealed = base64.b64decode(options.sealed, validate=True)
    except binascii.Error:
        raise NotForUs("give it in base64, whole") from None
    key = load_key(options.keys / "hand-over.key")
    opened = open_handed_over(sealed, key, options.sender, options.receiver, options.affair)
    print(json.dumps({"identifier": f"{opened.pairwise_id}.{opened.pairwise_key_version}"}))
    return 0


_COMMANDS = {
    "confirm": _confirm,
    "confirm-by-attributes": _confirm_by_attributes,
    "bulk": _bulk,
    "changes": _changes,
    "purposes": _purposes,
    "explain": _explain,
    "hand-over": _hand_over,
}


def _print_table(title: str, rows: Sequence[dict[str, str]]) -> None:
    table = Table(title=title)
    for name in rows[0] if rows else ("nothing",):
        table.add_column(name)
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


def _flat(value: object) -> str:
    return " ".join(f"{name}={part}" for name, part in value.items()) if isinstance(value, dict) else str(value)


def _server_name(options: argparse.Namespace) -> str:
    """The DNS name that the node's certificate carries: `13.prefecture.13.juki.example`."""
    tier, _, code = options.node.partition("/")
    domain = code[:2] if tier in ("prefecture", "municipal") else _NATIONAL
    return f"{code}.{tier}.{domain}.{options.trust_domain}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m relying", description="Confirms identities at a node.")
    parser.add_argument("--server", default=os.environ.get("JUKI_SERVER", "127.0.0.1:7001"), help="host:port")
    parser.add_argument("--node", default=os.environ.get("JUKI_NODE", "agency/national"), help="the node's short name")
    parser.add_argument("--trust-domain", default=os.environ.get("JUKI_TRUST_DOMAIN", "juki.example"))
    for name, content in (("keys", "tls.key and tls.crt"), ("trust", "roots.crt and logs.vkeys")):
        given = os.environ.get(f"JUKI_{name.upper()}")
        parser.add_argument(
            f"--{name}", type=Path, default=given, required=given is None, help=f"directory of {content}"
        )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("confirm", "confirm-by-attributes", "bulk", "changes", "explain", "hand-over"):
        _add_purpose(commands.add_parser(name))
    _add_hand_over(commands)
    explaining = commands.choices["explain"]
    explaining.add_argument("--way", required=True, help="by_code, by_attributes, bulk or changes")
    explaining.add_argument("--item", action="append", default=[], help="item that is wanted; may be given again")
    explaining.add_argument("--json", action="store_true")
    by_code, by_attributes, bulk, changes = (
        commands.choices[name] for name in ("confirm", "confirm-by-attributes", "bulk", "changes")
    )
    by_code.add_argument("--code", required=True, help="resident code, eleven digits")
    for command, required in ((by_code, False), (by_attributes, True)):
        for attribute in ("name", "birth-date", "sex", "address"):
            command.add_argument(f"--{attribute}", required=required, help="as the applicant stated it")
        command.add_argument("--verify", action="store_true", help="prove the receipt against the published log")
        command.add_argument("--json", action="store_true")
    bulk.add_argument("--in", dest="source", type=Path, required=True, help="CSV with the column resident_code")
    bulk.add_argument("--out", dest="output", type=Path, required=True, help="CSV to write, or to go on with")
    bulk.add_argument("--batch", type=int, default=500, help="questions a batch, at most 1000")
    changes.add_argument("--code", action="append", required=True, help="resident code; may be given again")
    changes.add_argument("--since", type=int, default=0, help="position of the last call")
    changes.add_argument("--json", action="store_true")
    commands.add_parser("purposes").add_argument("--json", action="store_true")
    return parser


def _add_hand_over(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    handing = commands.choices["hand-over"]
    handing.add_argument("--code", required=True, help="resident code, eleven digits")
    handing.add_argument("--to", required=True, help="body that is to have it, relying/<id>")
    handing.add_argument("--to-affair", required=True, help="affair for which it is to have it")
    opening = commands.add_parser("open-hand-over")
    opening.add_argument("--sealed", required=True, help="what was handed over, base64")
    opening.add_argument("--from", dest="sender", required=True, help="body that handed it over, relying/<id>")
    opening.add_argument("--receiver", required=True, help="your own short name, relying/<id>")
    opening.add_argument("--affair", required=True, help="your affair for which it is")


def _add_purpose(command: argparse.ArgumentParser) -> None:
    command.add_argument("--affair", required=True, help="affair of the purposes table, b1-19")
    command.add_argument("--case", required=True, help="your own number of the case")


if __name__ == "__main__":
    sys.exit(main())
