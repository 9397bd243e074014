"""The node itself is killed in the middle of issuing: what is left is a card that goes on, or one that is nobody's."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from deploy.pki.authority import Pki
from juki.card.v1 import card_pb2
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from juki.card.v1 import reader_service_pb2 as reader_pb
from services.card.issuer import TokenIssuer
from services.card.readers.embedded import EmbeddedReaders
from services.card.shelf import Shelf
from tests.databases import DatabaseUrls
from tests.integration.card.conftest import (
    NODE,
    READER,
    ROOT,
    SECONDS,
    Desk,
    Running,
    all_pins,
    request_id,
    resident,
)
from tests.tokens import SoftToken

pytestmark = pytest.mark.timeout(120)


@asynccontextmanager
async def _process(settings: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The node as its operator starts it."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.card", str(settings), env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


def _settings(directory: Path, pki: Pki, urls: DatabaseUrls, token: SoftToken, port: int) -> Path:
    keys = pki.issue(NODE)
    values = {
        "node": NODE,
        "listen": f"127.0.0.1:{port}",
        "database_url": urls.app,
        "keys": keys,
        "trust": pki.state / "trust",
        "log_directory": directory / "log",
        "state": directory / "cards",
        "pkcs11_module": token.settings.module,
        "pkcs11_token": token.settings.label,
        "pkcs11_pin": token.settings.pin_file,
    }
    file = directory / "node.toml"
    file.write_text("durable_database = false\n" + "".join(f'{key} = "{value}"\n' for key, value in values.items()))
    return file


async def _ready(desk: Desk) -> None:
    """Waits until the node answers and has the card in its reader."""
    async with asyncio.timeout(SECONDS):
        while True:
            with suppress(grpc.aio.AioRpcError):
                listed = await desk.readers.ListReaders(reader_pb.ListReadersRequest(), timeout=2.0)
                if listed.readers[0].presence == reader_pb.Reader.PRESENCE_PRESENT:
                    return
            await asyncio.sleep(0.1)


async def test_a_node_killed_at_any_moment_of_issuing_goes_on(
    pki: Pki, urls: DatabaseUrls, token: SoftToken, issuer: TokenIssuer, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = _settings(tmp_path, pki, urls, token, port)
    shelf = Shelf(tmp_path / "cards")
    shelf.prepare()
    running = Running(pki, urls, None, EmbeddedReaders(), issuer, port)  # type: ignore[arg-type] # for its channel
    outcomes = []
    for number, delay in enumerate((0.02, 0.05, 0.09, 0.14)):
        blank = bytes.fromhex(f"131016{900 + number:014d}")
        name = shelf.make_blank(blank, issuer.transport_keys(blank))
        shelf.insert(0, name)
        request = issuing_pb.IssueCardRequest(
            request_id=request_id(),
            reader=READER,
            holder=f"residents/{uuid4()}",
            resident=resident(jpki=True),
            pins=all_pins(),
        )
        async with _process(settings) as process, running.desk() as desk:
            await _ready(desk)
            issuing = asyncio.ensure_future(desk.issuing.IssueCard(request, timeout=SECONDS))
            await asyncio.sleep(delay)
            process.send_signal(signal.SIGKILL)
            outcomes.append(not isinstance((await asyncio.gather(issuing, return_exceptions=True))[0], Exception))
        async with _process(settings), running.desk() as desk:
            await _ready(desk)
            answer = await desk.issuing.IssueCard(request, timeout=SECONDS)
            session = await desk.open()
            await desk.verify(session, card_pb2.PIN_JUKI_NET, "4711")
            data = await desk.cards.ReadCardData(card_pb.ReadCardDataRequest(session=session), timeout=SECONDS)
        shelf.remove(0)
        assert (answer.card.name, answer.card.state) == (f"cards/{name}", card_pb2.Card.STATE_ACTIVE)
        assert data.card == f"cards/{name}"
    assert not all(outcomes), "no kill came in the middle"
