"""A municipality's node as it runs: its own database and keys, mutual TLS, an agency doubled at the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from deploy.pki.authority import Pki
from deploy.pki.settings import load_settings
from services.foundation.db.migrate import upgrade
from services.foundation.identity import node_id
from services.municipal.app import build
from services.municipal.config import Config
from tests.counters import CITY, ROOT
from tests.databases import DatabaseUrls, MakeDatabase
from tests.desks import MIGRATIONS

_CEREMONY = Path(__file__).parents[3] / "deploy/pki/ceremony.toml"


@dataclass
class Running:
    """A node that serves."""

    pki: Pki
    urls: DatabaseUrls
    config: Config
    port: int

    def channel(self, caller: str = "counter/131016-1") -> grpc.aio.Channel:
        """A channel to the node that shows the certificate of `caller`."""
        keys = self.pki.issue(caller)
        credentials = grpc.ssl_channel_credentials(
            (self.pki.state / "trust" / "roots.crt").read_bytes(),
            (keys / "tls.key").read_bytes(),
            (keys / "tls.crt").read_bytes(),
        )
        options = [
            ("grpc.ssl_target_name_override", node_id(CITY.name, ROOT).dns_name),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 100),
        ]
        return grpc.aio.secure_channel(f"localhost:{self.port}", credentials, options)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Authorities of a network, and the keys of the city's node."""
    pki = Pki(tmp_path_factory.mktemp("pki"), load_settings(_CEREMONY))
    pki.init()
    pki.issue(CITY.name)
    return pki


@pytest.fixture(scope="session")
def urls(make_database: MakeDatabase) -> DatabaseUrls:
    """The city's migrated database."""
    urls = make_database("city")
    asyncio.run(upgrade(urls.owner, MIGRATIONS, urls.app_role))
    return urls


@asynccontextmanager
async def running(pki: Pki, urls: DatabaseUrls, directory: Path, **settings: Any) -> AsyncIterator[Running]:
    """Runs the city's node."""
    config = Config(
        **{
            "node": CITY.name,
            "listen": "127.0.0.1:0",
            "database_url": urls.app,
            "durable_database": False,
            "keys": pki.issue(CITY.name),
            "trust": pki.state / "trust",
            "log_directory": directory / "log",
            "neighbours": {"agency/national": "127.0.0.1:1", "prefecture/13": "127.0.0.1:1"},
            **settings,
        }
    )
    node = build(config)
    serving = asyncio.create_task(node.run())
    while not node.server.port:
        await asyncio.sleep(0.01)
        if serving.done():
            await serving
    try:
        yield Running(pki, urls, config, node.server.port)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture
async def city(pki: Pki, urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(pki, urls, tmp_path) as city:
        yield city
