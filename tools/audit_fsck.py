"""Derives every promise of a published audit log again: `python -m tools.audit_fsck DIRECTORY --vkey KEY`.

Reads a log's files as anybody may copy them (C2SP tlog-tiles), and trusts nothing but the verifier key. With a policy
(C2SP tlog-policy) the checkpoint must be cosigned by its quorum, and lately; with an older checkpoint, or the address
of a witness, nothing before what is held there may have changed; with a database, the table must hold the same entries.
Exit codes: 0 all is well, 1 something is wrong, 2 the arguments are.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import rfc8785
from rich.console import Console
from rich.table import Table

from services.foundation.audit.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash, root
from services.foundation.audit.note import Ed25519Verifier, Verifier, open_note
from services.foundation.audit.policy import Policy, load_policy
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.refusals import Refusal
from services.foundation.witness.endpoints import HttpEndpoint

WIDTH = 256
BACKWARDS = timedelta(minutes=10)
"""How far an entry's time may lie before an earlier entry's; clocks are corrected, history is not."""

WITNESS_SECONDS = 10.0
"""How long a witness is waited for."""

_SHOWN = 5
_TEXTS = ("act", "agency", "method", "node", "res", "rid", "t")
_OPTIONAL = ("asrt", "case", "op", "req", "resp", "subj", "task")
_KEYS = {*_TEXTS, *_OPTIONAL, "fields", "n", "seq", "tls", "v"}
_RESULT = re.compile(r"ALLOW|REFUSED:[A-Z][A-Z0-9_]*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_ENTRIES = "SELECT seq, body FROM public.audit_entry WHERE seq >= $1 AND seq < $2 ORDER BY seq"


class Unusable(Exception):  # noqa: N818 - says what is the case
    """What is there cannot be read as a log at all."""


@dataclass(slots=True)
class Report:
    """How many things each check looked at, and what it found wrong."""

    looked_at: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def check(self, name: str, problem: str | None) -> None:
        """Notes one look of the check `name`, and its problem if there is one."""
        self.looked_at[name] = self.looked_at.get(name, 0) + 1
        if problem is not None:
            self.wrong.setdefault(name, []).append(problem)

    def show(self, console: Console, title: str) -> None:
        """Prints a row for each check."""
        table = Table(title=title, title_justify="left")
        for heading in ("check", "looked at", "result"):
            table.add_column(heading, justify="right" if heading == "looked at" else "left")
        for name, count in self.looked_at.items():
            problems = self.wrong.get(name, [])
            more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
            table.add_row(name, f"{count:,}", "\n".join([*problems[:_SHOWN], *more]) or "ok")
        console.print(table, markup=False)


@dataclass(frozen=True, slots=True)
class Promise:
    """A checkpoint whose signature was verified."""

    size: int
    root_hash: bytes


@dataclass(frozen=True, slots=True)
class Demand:
    """What must be so beside what the log says of itself."""

    verifiers: Sequence[Verifier]
    policy: Policy | None = None
    """Whose quorum must have cosigned."""
    fresh: timedelta | None = None
    """How long ago the quorum may have cosigned."""
    older: Sequence[str] = ()
    """Signed checkpoints that the log must continue."""
    database: str | None = None


@dataclass(slots=True)
class Tree:
    """The tree as derived from the entries alone; `levels[n]` are the newest hashes of tile level n."""

    size: int = 0
    levels: list[list[bytes]] = field(default_factory=list)

    def add(self, level: int, added: bytes) -> Iterator[tuple[int, list[bytes]]]:
        """Adds a hash at a tile level, and yields (level, hashes) of each tile that became full."""
        if level == len(self.levels):
            self.levels.append([])
        self.levels[level].append(added)
        if len(self.levels[level]) == WIDTH:
            full, self.levels[level] = self.levels[level], []
            yield level, full
            yield from self.add(level + 1, root(full))

    def root(self) -> bytes:
        """Returns the root over what was added."""
        right: list[bytes] = []
        for hashes in self.levels:
            together = [*hashes, *right]
            right = [root(together)] if together else []
        return right[0] if right else EMPTY_ROOT


@dataclass(slots=True)
class Reading:
    """What the checks of single entries must remember of those before."""

    node: str | None = None
    latest: datetime | None = None


def promise(note: str, verifiers: Sequence[Verifier]) -> Promise:
    """Returns what a signed checkpoint promises; refuses as `open_note` does; raises Unusable for another's."""
    text = open_note(note, verifiers).text
    match = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n", text)
    if match is None:
        raise Unusable("the signed text is no checkpoint")
    if match[1] not in {verifier.name for verifier in verifiers if isinstance(verifier, Ed25519Verifier)}:
        raise Unusable(f"the checkpoint is of {match[1]}, whose own key was not given")
    return Promise(int(match[2]), base64.b64decode(match[3]))


def entry_problem(raw: bytes, seq: int, reading: Reading) -> str | None:
    """Returns what is wrong with one entry, if anything."""
    try:
        entry = json.loads(raw)
        if rfc8785.dumps(entry) != raw:
            return f"entry {seq} is not in canonical form"
    except (ValueError, RecursionError):
        return f"entry {seq} is not JSON that has a canonical form"
    if not isinstance(entry, dict) or not _well_formed(entry):
        return f"entry {seq} has not the keys and values of an entry"
    if reading.node not in (None, entry["node"]):
        return f"entry {seq} is of another node"
    reading.node = entry["node"]
    return None


def _well_formed(entry: dict[str, Any]) -> bool:
    texts = all(isinstance(entry.get(key), str) for key in _TEXTS)
    optional = all(isinstance(entry.get(key, ""), str) for key in _OPTIONAL)
    numbers = all(type(entry.get(key)) is int for key in ("n", "seq", "v"))
    fields = entry.get("fields", ["-"])
    tls = entry.get("tls", {"g": "", "v": ""})
    return (
        set(entry) <= _KEYS
        and texts
        and optional
        and numbers
        and entry["v"] == 1
        and _RESULT.fullmatch(entry["res"]) is not None
        and isinstance(fields, list)
        and len(fields) > 0
        and all(isinstance(name, str) for name in fields)
        and isinstance(tls, dict)
        and set(tls) == {"g", "v"}
        and all(isinstance(value, str) for value in tls.values())
    )


def time_problem(entry: dict[str, Any], seq: int, reading: Reading) -> str | None:
    """Returns what is wrong with an entry's time, if anything."""
    try:
        stated = datetime.fromisoformat(entry["t"]) if _TIME.fullmatch(entry["t"]) else None
    except ValueError:
        stated = None
    if stated is None:
        return f"entry {seq} states no time in UTC"
    if reading.latest is not None and stated < reading.latest - BACKWARDS:
        return f"entry {seq} is of {stated.isoformat()}, after one of {reading.latest.isoformat()}"
    reading.latest = max(stated, reading.latest or stated)
    return None


def tile_file(directory: Path, level: str, number: int, width: int) -> bytes:
    """Returns a tile's content, of the full one where the partial one is gone; raises Unusable if there is neither."""
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[place : place + 3] for place in range(0, len(digits), 3)]
    path = directory / "tile" / level / "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    partial = path.with_name(f"{path.name}.p") / str(width)
    for candidate in ([partial] if width < WIDTH else []) + [path]:
        if candidate.is_file():
            return candidate.read_bytes()
    raise Unusable(f"{path.relative_to(directory)} is missing")


def entries_of(directory: Path, number: int, width: int) -> list[bytes]:
    """Returns the entries of bundle `number`; raises Unusable for one that is missing, cut short or too long."""
    content = tile_file(directory, "entries", number, width)
    entries: list[bytes] = []
    place = 0
    while place < len(content) and len(entries) < width:
        length = int.from_bytes(content[place : place + 2])
        entries.append(content[place + 2 : place + 2 + length])
        place += 2 + length
    # A full bundle that stands for a partial one goes on after the entries that were asked for.
    if len(entries) < width or place > len(content) or (width == WIDTH and place < len(content)):
        raise Unusable(f"bundle {number} does not hold {width} whole entries")
    return entries


def tile_problem(directory: Path, level: int, number: int, hashes: Sequence[bytes]) -> str | None:
    """Returns what is wrong with a hash tile, if anything."""
    try:
        content = tile_file(directory, str(level), number, len(hashes))
    except Unusable as missing:
        return str(missing)
    size = len(content) if len(hashes) == WIDTH else len(hashes) * HASH_SIZE
    return None if content[:size] == b"".join(hashes) else f"tile {number} of level {level} is not of these entries"


def quorum_problem(note: str, demand: Demand) -> str | None:
    """Returns what is wrong with a checkpoint's cosignatures, if anything."""
    if demand.policy is None:
        return None
    at = demand.policy.witnessed_at(open_note(note, demand.verifiers))
    if at is None:
        return "too few of the policy's witnesses have cosigned the checkpoint"
    age = datetime.now(UTC) - datetime.fromtimestamp(at, UTC)
    late = demand.fresh is not None and age > demand.fresh
    return f"the quorum cosigned the checkpoint {age.total_seconds():.0f} s ago" if late else None


async def check_log(directory: Path, demand: Demand) -> tuple[Report, str]:
    """Returns the report on a log, and a line that says which log it is; raises Unusable if there is none to check."""
    report = Report()
    try:
        note = (directory / "checkpoint").read_text(encoding="utf-8")
        promised = promise(note, demand.verifiers)
        earlier = [promise(older, demand.verifiers) for older in demand.older]
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"the checkpoint cannot be read: {type(error).__name__}") from None
    except Refusal as refusal:
        raise Unusable(f"a checkpoint is not trustworthy: {refusal.reason}: {refusal.advice}") from None
    report.check("signature of the checkpoint", None)
    if demand.policy is not None:
        report.check("quorum of witnesses", quorum_problem(note, demand))
    connection = await asyncpg.connect(demand.database) if demand.database is not None else None
    try:
        await _check_entries(directory, promised, earlier, connection, report)
    finally:
        if connection is not None:
            await connection.close()
    return report, f"{note.partition(chr(10))[0]}, {promised.size:,} entries"


async def _check_entries(
    directory: Path,
    promised: Promise,
    earlier: Sequence[Promise],
    connection: asyncpg.Connection[asyncpg.Record] | None,
    report: Report,
) -> None:
    tree, reading = Tree(), Reading()
    for shrunk in (older.size for older in earlier if older.size > promised.size):
        report.check("continues the older checkpoint", f"the log shrank from {shrunk} to {promised.size} entries")
    for number in range((promised.size + WIDTH - 1) // WIDTH):
        width = min(WIDTH, promised.size - number * WIDTH)
        try:
            entries = entries_of(directory, number, width)
        except Unusable as problem:
            report.check("entry bundles", str(problem))
            return
        report.check("entry bundles", None)
        for raw in entries:
            _check_before(tree, earlier, report)
            _check_entry(raw, tree.size, reading, report)
            tree.size += 1
            for level, full in tree.add(0, leaf_hash(raw)):
                report.check("hash tiles", tile_problem(directory, level, (tree.size >> 8 * (level + 1)) - 1, full))
        if connection is not None:
            await _check_table(connection, number * WIDTH, entries, report)
    _check_before(tree, earlier, report)
    for level, hashes in enumerate(tree.levels):
        if hashes:
            report.check("hash tiles", tile_problem(directory, level, tree.size >> 8 * (level + 1), hashes))
    same = tree.root() == promised.root_hash
    report.check("root of the checkpoint", None if same else "the entries do not yield the signed root")


def _check_before(tree: Tree, earlier: Sequence[Promise], report: Report) -> None:
    for older in earlier:
        if tree.size == older.size:
            same = tree.root() == older.root_hash
            problem = None if same else f"the first {older.size} entries are not those of the older checkpoint"
            report.check("continues the older checkpoint", problem)


def _check_entry(raw: bytes, seq: int, reading: Reading, report: Report) -> None:
    problem = entry_problem(raw, seq, reading)
    report.check("form of the entries", problem)
    if problem is None:
        entry = json.loads(raw)
        numbered = entry["seq"] == seq
        report.check("sequence", None if numbered else f"entry {seq} says that it is entry {entry['seq']}")
        report.check("times", time_problem(entry, seq, reading))


async def _check_table(
    connection: asyncpg.Connection[asyncpg.Record], first: int, entries: Sequence[bytes], report: Report
) -> None:
    rows = {row["seq"]: row["body"] for row in await connection.fetch(_ENTRIES, first, first + len(entries))}
    for seq, raw in enumerate(entries, start=first):
        same = rows.get(seq) == raw
        report.check("table against files", None if same else f"entry {seq} is another in the table, or missing")


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Returns the command line's arguments; exits with 2 for wrong ones."""
    parser = argparse.ArgumentParser(prog="audit_fsck", description="Verifies a published audit log from outside.")
    parser.add_argument("directory", type=Path, help="directory with `checkpoint` and `tile/`")
    parser.add_argument("--vkey", action="append", default=[], help="verifier key of the log or of a witness")
    parser.add_argument("--policy", type=Path, help="C2SP tlog-policy file whose quorum must have cosigned")
    parser.add_argument("--fresh", type=float, metavar="SECONDS", help="how long ago the quorum may have cosigned")
    parser.add_argument("--older", type=Path, action="append", default=[], help="file with an older checkpoint of it")
    parser.add_argument("--witness", action="append", default=[], metavar="URL", help="HTTP witness to compare with")
    parser.add_argument("--database", help="postgresql:// address of the node's database, to compare the table")
    return parser.parse_args(given)


async def demanded(chosen: argparse.Namespace) -> Demand:
    """Returns what the command line demands; refuses, or raises OSError, for what cannot be used."""
    policy = load_policy(chosen.policy) if chosen.policy else None
    verifiers: list[Verifier] = [parse_vkey(text) for text in chosen.vkey]
    if policy is not None:
        verifiers += [*policy.logs, *policy.keys]
    older = [path.read_text(encoding="utf-8") for path in chosen.older]
    origins = [verifier.name for verifier in verifiers if isinstance(verifier, Ed25519Verifier)]
    held = [await HttpEndpoint(url).checkpoint(origin, WITNESS_SECONDS) for url in chosen.witness for origin in origins]
    return Demand(
        verifiers=verifiers,
        policy=policy,
        fresh=timedelta(seconds=chosen.fresh) if chosen.fresh is not None else None,
        older=[*older, *(note for note in held if note is not None)],
        database=chosen.database,
    )


async def check(chosen: argparse.Namespace, console: Console) -> int:
    """Checks a log as the command line says, prints the report, and returns the exit code."""
    try:
        demand = await demanded(chosen)
    except Refusal as refusal:
        console.print(f"an argument cannot be used: {refusal.reason}: {refusal.advice}", markup=False)
        return 2
    except (OSError, UnicodeDecodeError) as error:
        console.print(f"an older checkpoint or a witness cannot be read: {error}", markup=False)
        return 2
    try:
        report, title = await check_log(chosen.directory, demand)
    except Unusable as problem:
        console.print(f"WRONG: {problem}", markup=False)
        return 1
    report.show(console, title)
    console.print("WRONG" if report.wrong else "OK", markup=False)
    return 1 if report.wrong else 0


def main(given: Sequence[str]) -> int:
    """Checks a log and returns the exit code."""
    chosen = arguments(given)
    if not chosen.vkey and not chosen.policy:
        Console().print("give the log's verifier key with --vkey, or its policy with --policy", markup=False)
        return 2
    return asyncio.run(check(chosen, Console()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
