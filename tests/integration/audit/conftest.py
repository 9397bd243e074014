"""A database with an audit log in it, and connections to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.foundation.audit.log import AuditLog
from services.foundation.audit.salts import Sealer
from services.foundation.audit.table import create_audit
from services.foundation.audit.tile_store import TileStore
from services.foundation.witness.table import create_witnessing
from tests.databases import DatabaseUrls, MakeDatabase
from tests.integration.audit.makers import NODE, ORIGIN, SALT_KEY


@pytest.fixture
async def urls(make_database: MakeDatabase) -> DatabaseUrls:
    urls = make_database("audit")
    statements: list[str] = []
    create_audit(statements.append, urls.app_role)
    create_witnessing(statements.append, urls.app_role)
    owner = await asyncpg.connect(urls.owner)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    return urls


@pytest.fixture
async def app(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(urls.app)
    yield connection
    await connection.close()


@pytest.fixture
async def owner(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(urls.owner)
    yield connection
    await connection.close()


@pytest.fixture
def log() -> AuditLog:
    return AuditLog(NODE, ORIGIN, Sealer(SALT_KEY, ORIGIN))


@pytest.fixture
async def pool(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    async with asyncpg.create_pool(urls.app, min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
def store(tmp_path: Path) -> TileStore:
    return TileStore(tmp_path / "log")
