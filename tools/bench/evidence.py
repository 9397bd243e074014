"""Whether every answer is in the audit log: a fast answer that was not logged would show here."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from services.foundation.audit.merkle import leaf_hash
from services.foundation.audit.vkeys import parse_vkey
from tools.audit_fsck import Demand, Report, check_log
from tools.bench.client import RECEIPT
from tools.bench.federation import AGENCY, Federation

_SIZE = "SELECT size FROM public.audit_head"
_ENTRIES = "SELECT seq, body FROM public.audit_entry ORDER BY seq"
_CHUNK = 5_000
_PATIENCE_S = 60.0
_ACTIONS = {"look-ups": b'"act":"CONFIRM_BY_CODE"', "bulk look-ups": b'"act":"CONFIRM_BULK"'}


class LogLacking(Exception):  # noqa: N818 - says what is the case
    """The log does not hold what was answered, or a check of it does not find what it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the log was found to hold."""

    entries: int
    counts: dict[str, int]
    """Entries of each kind of look-up; as many as answers."""
    receipts: int
    """Receipts whose entry stands at its place with its hash."""
    checks: dict[str, int]
    """What `audit_fsck` looked at, and found in order."""


async def published(federation: Federation) -> float:
    """Waits until the checkpoint covers the whole log; returns how many seconds that took; raises LogLacking."""
    began = time.perf_counter()
    connection = await asyncpg.connect(federation.app_url(AGENCY))
    checkpoint = federation.log_directory(AGENCY) / "checkpoint"
    try:
        while time.perf_counter() - began < _PATIENCE_S:
            size: int = await connection.fetchval(_SIZE)
            if checkpoint.exists() and int(checkpoint.read_text("utf-8").split("\n")[1]) == size:
                return time.perf_counter() - began
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    raise LogLacking("the checkpoint does not come to cover the log")


async def control(federation: Federation, scratch: Path) -> None:
    """Shows that the check can fail: of a copy of the log with one byte changed it must; raises LogLacking."""
    await published(federation)
    copy = scratch / "altered-log"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(federation.log_directory(AGENCY), copy)
    bundle = max(copy.glob("tile/entries/**/*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = bytearray(bundle.read_bytes())
    place = content.index(b'"t":"') + len(b'"t":"2')
    content[place] ^= 1
    bundle.write_bytes(content)
    report = await _fsck(federation, copy, database=None)
    shutil.rmtree(copy)
    if not report.wrong:
        raise LogLacking("a changed entry was not found: the check proves nothing")


async def collect(federation: Federation, answers: dict[str, int], receipts: Path) -> Evidence:
    """Compares the log with the answers that were received; raises LogLacking."""
    all_receipts = list(read_receipts(receipts))
    held = dict(all_receipts)
    if len(held) < len(all_receipts):
        raise LogLacking("two answers have the same receipt")
    counts, entries, missing = dict.fromkeys(_ACTIONS, 0), 0, dict(held)
    connection = await asyncpg.connect(federation.app_url(AGENCY))
    try:
        async with connection.transaction():
            async for row in connection.cursor(_ENTRIES, prefetch=_CHUNK):
                entries += 1
                body: bytes = row["body"]
                for kind, action in _ACTIONS.items():
                    counts[kind] += action in body
                expected = missing.get(row["seq"])
                if expected is not None and expected == leaf_hash(body):
                    del missing[row["seq"]]
    finally:
        await connection.close()
    if missing:
        raise LogLacking(f"{len(missing)} receipts have no entry in the log")
    if counts != answers:
        raise LogLacking(f"the log has {counts}, the client received {answers}")
    report = await _fsck(federation, federation.log_directory(AGENCY), federation.app_url(AGENCY))
    if report.wrong:
        raise LogLacking(f"audit_fsck finds: {report.wrong}")
    return Evidence(entries=entries, counts=counts, receipts=len(held), checks=report.looked_at)


def read_receipts(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yields index and leaf hash of each receipt in a file."""
    yield from RECEIPT.iter_unpack(file.read_bytes())


async def _fsck(federation: Federation, directory: Path, database: str | None) -> Report:
    report, _ = await check_log(directory, Demand([parse_vkey(federation.vkey(AGENCY))], database=database))
    return report
