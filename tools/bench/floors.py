"""What the same machine does without us: pgbench and plain SQL on the same server, and the signature by itself."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.postgres import binaries
from tools.bench.federation import AGENCY, FLOOR, Federation
from tools.bench.figures import Rate
from tools.bench.plan import BATCH
from tools.bench.synthetic import code_of

SCALE_ROWS = 100_000
"""Rows of pgbench's table in one unit of its scale."""

_ENTRY_BYTES = 600
"""About what an audit entry has."""
_DURABLE = """\
\\set aid random(1, :rows)
BEGIN;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
INSERT INTO bench_entry (body) VALUES (decode(repeat('6a', :bytes), 'hex'));
COMMIT;
"""
_TABLE = "CREATE TABLE bench_entry (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)"
_RECORDS = "SELECT * FROM public.identity_record WHERE resident_code = ANY($1::text[])"
_APPEND = "SELECT public.audit_append($1::bytea[], $2::bytea[], $3::bytea[])"
_HALF = b"-" * (_ENTRY_BYTES // 2)
_SALT = bytes(60)
_CONNECTIONS = 4
"""As many as batches of one bulk stream are under way."""
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_LATENCY = re.compile(r"^latency average = ([0-9.]+) ms", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)


class FloorFailed(Exception):  # noqa: N818 - says what is the case
    """pgbench did not do what it was asked to."""


class Floors:
    """Measures on the floor database beside the nodes' own."""

    def __init__(self, federation: Federation, records: int, scratch: Path) -> None:
        self._federation = federation
        self._records = records
        self._script = scratch / "durable.sql"
        self._chance = random.Random(20020805)  # noqa: S311 - it makes a load, not secrets

    async def prepare(self) -> None:
        """Makes pgbench's tables, as many rows as the agency has records."""
        scale = str(max(1, self._records // SCALE_ROWS))
        await self._pgbench("--initialize", "--quiet", "--scale", scale)
        connection = await asyncpg.connect(host=self._host, user="postgres", database=FLOOR)
        try:
            await connection.execute(_TABLE)
        finally:
            await connection.close()
        self._script.write_text(_DURABLE, "ascii")

    async def look_up(self, clients: int, seconds: int) -> Rate:
        """Measures `pgbench -S` with prepared statements: a row by its key, and nothing else."""
        return await self._rate(clients, seconds, "--select-only")

    async def durable(self, clients: int, seconds: int) -> Rate:
        """Measures the same with one row inserted, one transaction and one commit for each."""
        sizes = "--define", f"rows={self._records}", "--define", f"bytes={_ENTRY_BYTES}"
        return await self._rate(clients, seconds, *sizes, "--file", str(self._script))

    async def bulk(self, count: int) -> Rate:
        """Measures look-ups and appends to a log in batches, in the statements that a node uses, without a node."""
        places = self._chance.sample(range(self._records), count)
        batches = [[code_of(place) for place in places[start : start + BATCH]] for start in range(0, count, BATCH)]
        url = self._federation.app_url(AGENCY, FLOOR)
        connections = [await asyncpg.connect(url) for _ in range(_CONNECTIONS)]
        try:
            began = time.perf_counter()
            await asyncio.gather(*(_answer(connection, batches) for connection in connections))
            seconds = time.perf_counter() - began
        finally:
            for connection in connections:
                await connection.close()
        return Rate(per_second=count / seconds, seconds=seconds, answers=count)

    @property
    def _host(self) -> str:
        return str(self._federation.socket_directory)

    async def _rate(self, clients: int, seconds: int, *script: str) -> Rate:
        jobs = str(min(clients, os.cpu_count() or 1))
        measured = "--no-vacuum", "--protocol", "prepared", "--client", str(clients), "--jobs", jobs
        text = await self._pgbench(*measured, "--time", str(seconds), *script)
        rate, latency, failed = _RATE.search(text), _LATENCY.search(text), _FAILED.search(text)
        if rate is None or latency is None or (failed is not None and failed[1] != "0"):
            raise FloorFailed(f"pgbench says: {text[-300:]}")
        return Rate(per_second=float(rate[1]), seconds=seconds, p50_ms=float(latency[1]))

    async def _pgbench(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            str(binaries() / "pgbench"),
            *("--host", self._host, "--username", "postgres", *arguments, FLOOR),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        text = output.decode("utf-8", "replace")
        if process.returncode:
            raise FloorFailed(f"pgbench ended with {process.returncode}: {text[-300:]}")
        return text


async def _answer(connection: asyncpg.Connection[asyncpg.Record], batches: list[list[str]]) -> None:
    """Takes batches until none is left: one look-up and one durable append for each."""
    look_up, append = await connection.prepare(_RECORDS), await connection.prepare(_APPEND)
    while batches:
        codes = batches.pop()
        rows = await look_up.fetch(sorted(codes))
        if len(rows) != len(codes):
            raise FloorFailed("a record is missing")
        await append.fetchval([_HALF] * len(rows), [_HALF] * len(rows), [_SALT] * len(rows))


def signatures(seconds: float) -> tuple[float, float]:
    """Returns how many Ed25519 signatures of a short message one core makes a second, and how many it verifies."""
    key, message = Ed25519PrivateKey.generate(), bytes(300)
    signature, public = key.sign(message), key.public_key()
    return _repeated(lambda: key.sign(message), seconds), _repeated(lambda: public.verify(signature, message), seconds)


def _repeated(work: Callable[[], object], seconds: float) -> float:
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        work()
        done += 1
    return done / elapsed
