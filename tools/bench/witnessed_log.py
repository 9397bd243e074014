"""Measures a witnessed log: `python -m tools.bench.witnessed_log [--seconds N] [--rate N] [--large N]`; prints JSON.

Entries a second under load, the time from an entry's commit to a published checkpoint that covers it, the whole check
of a large log, and inclusion proofs in it. Starts an embedded PostgreSQL with fsync on, and three witnesses in this
process that keep what they hold on the disk; everything is removed afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import uvloop

from services.foundation.audit.checkpoint import Checkpoint, sign
from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import AuditLog, Receipt
from services.foundation.audit.merkle import verify_inclusion
from services.foundation.audit.proofs import Proofs
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.salts import Sealer
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import Edge
from services.foundation.batching import Batcher
from services.foundation.witness.witnessing import Witnessing
from tools.audit_fsck import Demand, check_log
from tools.bench.audit_append import entry, server
from tools.drill.run import prepare
from tools.drill.scene import NODE, ORIGIN, Scene

CALLERS, LANES, BATCH = 128, 2, 500
PROOFS = 500


class Load:
    """Callers whose entries share commits, and when each commit ended."""

    def __init__(self, connections: list[asyncpg.Connection[asyncpg.Record]]) -> None:
        self.commits: list[tuple[int, float]] = []
        self._log = AuditLog(NODE, ORIGIN, Sealer(bytes(32), ORIGIN))
        self._free: asyncio.Queue[asyncpg.Connection[asyncpg.Record]] = asyncio.Queue()
        for connection in connections:
            self._free.put_nowait(connection)
        self._batcher: Batcher[AuditEntry, Receipt] = Batcher(self._flush, lanes=LANES, limit=BATCH)

    async def run(self, seconds: float, rate: float) -> int:
        """Appends for so long, at most `rate` entries a second; returns how many entries were committed."""
        begin = time.perf_counter()

        async def call(place: int) -> int:
            done = 0
            while (due := begin + (place + done * CALLERS) / rate) < begin + seconds:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await self._batcher.submit(entry())
                done += 1
            return done

        return sum(await asyncio.gather(*(call(place) for place in range(CALLERS))))

    async def _flush(self, entries: list[AuditEntry]) -> list[Receipt]:
        connection = await self._free.get()
        try:
            receipts = await self._log.append(connection, entries)
            self.commits.append((receipts[-1].index, time.perf_counter()))
            return receipts
        finally:
            self._free.put_nowait(connection)


async def under_load(url: str, directory: Path, seconds: float, rate: float) -> dict[str, float]:
    """Returns entries a second, and milliseconds from commit to checkpoint."""
    owner = await asyncpg.connect(url)
    await owner.execute("CREATE ROLE bench_app")
    await prepare(owner, "bench_app")
    scene = Scene(owner, url, directory)
    connections = [await asyncpg.connect(url) for _ in range(LANES)]
    async with asyncpg.create_pool(url, min_size=1, max_size=4) as pool:
        witnessing: Witnessing = scene.witnessing(pool)
        publisher = Publisher(pool, scene.store, scene.keys.log, witnessing=witnessing)
        seen: list[tuple[int, float]] = []
        publishing = asyncio.create_task(publisher.run())
        watching = asyncio.create_task(_watch(publisher, seen))
        load = Load(connections)
        began = time.perf_counter()
        count = await load.run(seconds, rate)
        taken = time.perf_counter() - began
        await publisher.publish()
        await asyncio.sleep(0.05)
        for task in (publishing, watching):
            task.cancel()
        await asyncio.gather(publishing, watching, return_exceptions=True)
    for connection in (*connections, owner):
        await connection.close()
    delays = sorted(_delays(load.commits, seen))
    return {
        "entries a second, witnessed": count / taken,
        "commit to checkpoint, p50, ms": 1000 * delays[len(delays) // 2],
        "commit to checkpoint, p99, ms": 1000 * delays[int(len(delays) * 0.99)],
    }


async def _watch(publisher: Publisher, seen: list[tuple[int, float]]) -> None:
    while True:
        if not seen or publisher.published_size != seen[-1][0]:
            seen.append((publisher.published_size, time.perf_counter()))
        await asyncio.sleep(0.005)


def _delays(commits: list[tuple[int, float]], seen: list[tuple[int, float]]) -> list[float]:
    """Returns, for each commit, how long it took until a checkpoint covered its last entry."""
    return [next(at for size, at in seen if size > index) - done for index, done in sorted(commits)]


def make_large(scene: Scene, size: int) -> TileStore:
    """Writes the files of a cosigned log of `size` entries."""
    store, edge, start = scene.store, Edge(), datetime(2026, 4, 1, tzinfo=UTC)
    example = json.loads(entry().halves[0] + b"0" + entry().halves[1])
    for first in range(0, size, 4096):
        bodies = [
            json.dumps(
                {**example, "seq": seq, "t": (start + timedelta(seconds=seq)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
                sort_keys=True,
                separators=(",", ":"),
            ).encode()
            for seq in range(first, min(first + 4096, size))
        ]
        for tile in edge.extend(bodies):
            _write(store, str(tile.path), tile.content)
    for tile in edge.partials():
        _write(store, str(tile.path), tile.content)
    checkpoint = Checkpoint(ORIGIN, size, edge.root())
    lines = [one.line() for witness in scene.keys.witnesses for one in witness.cosign(checkpoint, scene.now())]
    store.write_checkpoint(sign(checkpoint, scene.keys.log) + "".join(lines))
    return store


def _write(store: TileStore, path: str, content: bytes) -> None:
    target = store.directory / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


async def large(url: str, directory: Path, size: int) -> dict[str, float]:
    """Returns how long the whole check and a proof of a large log take."""
    owner = await asyncpg.connect(url)
    scene = Scene(owner, url, directory)
    store = make_large(scene, size)
    await owner.close()
    policy = scene.policy
    began = time.perf_counter()
    report, _ = await check_log(store.directory, Demand([*policy.logs, *policy.keys], policy))
    checked = time.perf_counter() - began
    if report.wrong:
        raise RuntimeError(f"the log that was made is wrong: {report.wrong}")
    return {"entries": size, "fsck, s": checked, "inclusion proof, ms": 1000 * _proof_seconds(store, size)}


def _proof_seconds(store: TileStore, size: int) -> float:
    """Returns the seconds that one proof takes, its tiles read anew, over many places."""
    places = [place * (size // PROOFS) for place in range(PROOFS)]
    began = time.perf_counter()
    proved = [Proofs(store).inclusion(place, size) for place in places]
    taken = (time.perf_counter() - began) / PROOFS
    root = Proofs(store).root(size)
    for place, proof in zip(places, proved, strict=True):
        verify_inclusion(Proofs(store).leaf(place, size), place, size, proof, root)
    return taken


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="witnessed_log", description="Measures a witnessed audit log.")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long entries are appended")
    parser.add_argument("--rate", type=float, default=6000.0, help="entries a second that are tried")
    parser.add_argument("--large", type=int, default=1_000_000, help="entries of the large log")
    given = parser.parse_args()
    with server() as url, tempfile.TemporaryDirectory() as files:
        found = uvloop.run(under_load(url, Path(files) / "load", given.seconds, given.rate))
        found |= uvloop.run(large(url, Path(files) / "large", given.large))
    print(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
