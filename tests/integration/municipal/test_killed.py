"""What is left of the acts of a node that is killed while it works, time and again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import grpc
import pytest

from deploy.pki.authority import Pki
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import register_service_pb2_grpc as rpc
from services.municipal.config import Config
from tests.counters import CITY, make_codes, make_entrant, make_move_in
from tests.databases import DatabaseUrls, MakeDatabase
from tests.integration.municipal.conftest import Running

_ROOT = Path(__file__).parents[3]
_KILLS = 3
_ACTS = 60
_SECONDS = 10.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _spawn(*arguments: str) -> asyncio.subprocess.Process:
    """Starts the municipality's command."""
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'gen'}"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.municipal",
        *arguments,
        cwd=_ROOT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


@pytest.fixture
async def city(pki: Pki, make_database: MakeDatabase, tmp_path: Path) -> tuple[Running, Path]:
    """A city whose database its own command has migrated, and its settings file."""
    urls = make_database("killed")
    owner = tmp_path / "owner"
    owner.write_text(f"{urls.owner}\n{urls.app_role}\n")
    port = _free_port()
    keys, trust = pki.issue(CITY.name), pki.state / "trust"
    settings = tmp_path / "node.toml"
    settings.write_text(
        f'node = "{CITY.name}"\nlisten = "127.0.0.1:{port}"\ndatabase_url = "{urls.app}"\n'
        f'durable_database = false\nkeys = "{keys}"\n'
        f'trust = "{trust}"\nlog_directory = "{tmp_path / "log"}"\n'
        '[neighbours]\n"agency/national" = "127.0.0.1:1"\n"prefecture/13" = "127.0.0.1:1"\n'
    )
    migration = await _spawn(str(settings), "--migrate", str(owner))
    assert await migration.wait() == 0
    config = Config(
        node=CITY.name,
        listen=f"127.0.0.1:{port}",
        database_url=urls.app,
        keys=keys,
        trust=trust,
        log_directory=tmp_path / "log",
    )
    return Running(pki, urls, config, port), settings


@asynccontextmanager
async def _process(settings: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await _spawn(str(settings))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Counter:
    """A counter that asks until it is answered, and keeps every first answer; a second one must be the same."""

    def __init__(self, running: Running, requests: list[pb.ReportMoveInRequest]) -> None:
        self.answers: dict[str, pb.ReportMoveInResponse] = {}
        self._running = running
        self._requests = requests

    async def ask(self, count: int = _ACTS) -> None:
        """Sends the first `count` requests, eight at a time."""
        async with self._running.channel() as channel:
            register: rpc.RegisterServiceAsyncStub = rpc.RegisterServiceStub(channel)
            waiting = iter(self._requests[:count])

            async def work() -> None:
                for request in waiting:
                    answer = await register.ReportMoveIn(request, timeout=_SECONDS, wait_for_ready=True)
                    assert self.answers.setdefault(request.act.request_id, answer) == answer

            await asyncio.gather(*(work() for _ in range(8)))


async def _counts(urls: DatabaseUrls) -> dict[str, int]:
    connection = await asyncpg.connect(urls.owner)
    try:
        tables = ("resident", "resident_revision", "household", "outbox", "stored_reply", "resident_code_history")
        counts = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
        query = "SELECT count(*) FROM audit_entry WHERE convert_from(body, 'UTF8') LIKE '%\"REPORT_MOVE_IN\"%'"
        return counts | {"entries": await connection.fetchval(query)}
    finally:
        await connection.close()


async def test_a_node_killed_at_any_time_loses_nothing_and_does_nothing_twice(city: tuple[Running, Path]) -> None:
    running, settings = city
    requests = [make_move_in(make_entrant(resident_code=code.digits)) for code in make_codes(_ACTS)]
    counter = Counter(running, requests)
    chance = random.Random()
    for _ in range(_KILLS):
        async with _process(settings) as process:
            await counter.ask(8)
            asking = asyncio.create_task(counter.ask())
            await asyncio.sleep(chance.uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
            await process.wait()
            asking.cancel()
            (ended,) = await asyncio.gather(asking, return_exceptions=True)
            assert ended is None or isinstance(ended, asyncio.CancelledError | grpc.aio.AioRpcError)

    async with _process(settings):
        await counter.ask()

    assert len(counter.answers) == _ACTS
    assert set((await _counts(running.urls)).values()) == {_ACTS}
