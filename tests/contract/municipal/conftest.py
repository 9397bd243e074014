"""The municipality's store, in memory and in PostgreSQL, and a desk before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.foundation.db.engine import Database
from services.foundation.db.migrate import upgrade
from services.foundation.exchange.outbox import Outbox
from services.municipal.store.postgres import PostgresStore
from services.municipal.store.unit import Store
from tests.counters import CITY, Desk, FixedClock, fill_pool, make_codes, make_journal, memory_journal
from tests.databases import DatabaseUrls, MakeDatabase
from tests.doubles.municipal import MemoryStore
from tests.streams import Pki

MIGRATIONS = Path("services/municipal/migrations")
_made: dict[str, DatabaseUrls] = {}


@pytest.fixture(params=["memory", "postgres"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """A desk with 50 codes in its pool."""
    clock = FixedClock()
    if request.param == "memory":
        async with memory_journal(clock) as journal:
            store: Store = MemoryStore()
            await fill_pool(store, make_codes(50))
            yield Desk(store, journal, clock)
        return
    async with postgres_desk(await _migrated(request.getfixturevalue("make_database")), clock) as desk:
        await fill_pool(desk.store, make_codes(50))
        yield desk


@pytest.fixture
def store(desk: Desk) -> Store:
    return desk.store


@asynccontextmanager
async def postgres_desk(urls: DatabaseUrls, clock: FixedClock) -> AsyncIterator[Desk]:
    """A desk before PostgreSQL."""
    database = Database(urls.app, 8)
    journal = make_journal(database, clock)
    outbox = Outbox(Pki("13.juki.example").signer(CITY))
    yield Desk(PostgresStore(database, journal, outbox), journal, clock)
    await journal.close()
    await database.close()


async def _migrated(make_database: MakeDatabase) -> DatabaseUrls:
    """Returns one database for all tests here: nobody in one test is known to another."""
    if "urls" not in _made:
        urls = make_database("municipal")
        await upgrade(urls.owner, MIGRATIONS, urls.app_role)
        _made["urls"] = urls
    return _made["urls"]
