"""The processes beside the federation: the client that makes the load, and the echo that answers at once."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from deploy.local.layout import CHECKOUT
from deploy.local.processes import tethered
from tools.bench.client import Order
from tools.bench.federation import AGENCY, Federation, free_ports
from tools.bench.figures import Rate

_LINE_LIMIT = 1 << 20
_PATIENCE_S = 150.0
_ENDING_S = 5.0
_ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}"}


class LoadFailed(Exception):  # noqa: N818 - says what is the case
    """The client reports a call that failed, or an answer that was not the right one."""


class Loader:
    """Gives orders to the client's process, one at a time."""

    def __init__(
        self,
        federation: Federation,
        process: asyncio.subprocess.Process,
        echo: asyncio.subprocess.Process,
        echo_port: int,
        receipts: Path,
    ) -> None:
        self._federation = federation
        self._process = process
        self._echo = echo
        self._echo_address = f"127.0.0.1:{echo_port}"
        self._receipts = receipts

    async def measure(self, kind: str, records: int, **details: Any) -> Rate:
        """Has `echo`, `confirm` or `bulk` measured with the details of the order; raises LoadFailed."""
        agency = self._federation.topology.node(AGENCY)
        server = self._echo.pid if kind == "echo" else self._federation.pid(AGENCY)
        order = Order(
            kind=kind,
            address=self._echo_address if kind == "echo" else agency.address,
            server=agency.identity.dns_name,
            records=records,
            receipts=str(self._receipts),
            **details,
        )
        before = _cpu_seconds(server), self._database_cpu_seconds()
        result = await self._ask(order)
        if "failed" in result:
            raise LoadFailed(f"{kind}: {result['failed']}")
        rate = Rate(**result["rate"])
        return dataclasses.replace(
            rate,
            server_cpu_us=(_cpu_seconds(server) - before[0]) / rate.answers * 1e6,
            database_cpu_us=(self._database_cpu_seconds() - before[1]) / rate.answers * 1e6,
        )

    async def _ask(self, order: Order) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the client was started without pipes")
        stdin.write(json.dumps(dataclasses.asdict(order)).encode() + b"\n")
        line = await asyncio.wait_for(stdout.readline(), _PATIENCE_S)
        result: dict[str, Any] = json.loads(line or '{"failed": "the process of the client ended; see its messages"}')
        return result

    def _database_cpu_seconds(self) -> float:
        postmaster = psutil.Process(self._federation.pid("postgres"))
        return sum(_cpu_seconds(one.pid) for one in (postmaster, *postmaster.children()))


@asynccontextmanager
async def loader(federation: Federation, receipts: Path) -> AsyncIterator[Loader]:
    """Runs the client and the echo; both end with the block, and with this process."""
    layout, agency = federation.layout, federation.topology.node(AGENCY)
    port = free_ports(1)[0]
    trust = str(layout.trust)
    echo = ["tools.bench.echo", str(port), str(layout.keys(agency.identity)), trust]
    client = ["tools.bench.client", str(layout.keys(federation.relying)), trust]
    async with _process(echo) as echoing, _process(client) as process:
        await _listening(port)
        yield Loader(federation, process, echoing, port, receipts)


@asynccontextmanager
async def _process(module: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *tethered([sys.executable, "-m", *module], on_parent_death=signal.SIGKILL),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
        env=_ENVIRONMENT,
        # Ctrl-C in a terminal reaches the bench alone, which ends the others.
        start_new_session=True,
        limit=_LINE_LIMIT,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _ENDING_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _cpu_seconds(pid: int) -> float:
    """Returns how much processor time a process has had; 0 for one that has just ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


async def _listening(port: int) -> None:
    """Returns when something listens on the port; raises TimeoutError."""
    async with asyncio.timeout(_ENDING_S * 2):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
