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

    def __init__(self, process: asyncio.subprocess.Process, agency: str, echo: str, server: str, receipts: Path) -> None:
        self._process = process
        self._addresses = {"echo": echo, "confirm": agency, "bulk": agency}
        self._server = server
        self._receipts = receipts

    async def measure(self, kind: str, records: int, **details: float) -> Rate:
        """Has `echo`, `confirm` or `bulk` measured with the details of the order; raises LoadFailed."""
        order = Order(
            kind=kind,
            address=self._addresses[kind],
            server=self._server,
            records=records,
            receipts=str(self._receipts),
            **details,  # type: ignore[arg-type] # counts among them are whole already
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the client was started without pipes")
        stdin.write(json.dumps(dataclasses.asdict(order)).encode() + b"\n")
        line = await asyncio.wait_for(stdout.readline(), _PATIENCE_S)
        result = json.loads(line) if line else {"failed": "the client's process ended; see its messages above"}
        if "failed" in result:
            raise LoadFailed(f"{kind}: {result['failed']}")
        return Rate(**result["rate"])


@asynccontextmanager
async def loader(federation: Federation, receipts: Path) -> AsyncIterator[Loader]:
    """Runs the client and the echo; both end with the block, and with this process."""
    layout, agency = federation.layout, federation.topology.node(AGENCY)
    port = free_ports(1)[0]
    trust = str(layout.trust)
    echo = ["tools.bench.echo", str(port), str(layout.keys(agency.identity)), trust]
    client = ["tools.bench.client", str(layout.keys(federation.relying)), trust]
    async with _process(echo), _process(client) as process:
        await _listening(port)
        yield Loader(process, agency.address, f"127.0.0.1:{port}", agency.identity.dns_name, receipts)


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
