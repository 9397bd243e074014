"""A desk of a municipality, before a store in memory and before PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.foundation.db.migrate import upgrade
from services.municipal.store.unit import Store
from tests.counters import Desk, fill_pool, make_codes
from tests.databases import DatabaseUrls, MakeDatabase
from tests.desks import MIGRATIONS, memory_desk, postgres_desk

_made: dict[str, DatabaseUrls] = {}


@pytest.fixture(params=["memory", "postgres"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """A desk with codes in its pool."""
    if request.param == "memory":
        async with memory_desk() as desk:
            await fill_pool(desk.store, make_codes(50))
            yield desk
        return
    async with postgres_desk(await _migrated(request.getfixturevalue("make_database"))) as desk:
        await fill_pool(desk.store, make_codes(50))
        yield desk


@pytest.fixture
def store(desk: Desk) -> Store:
    return desk.store


async def _migrated(make_database: MakeDatabase) -> DatabaseUrls:
    """Returns one database for all tests here: nobody in one test is known to another."""
    if "urls" not in _made:
        urls = make_database("municipal")
        await upgrade(urls.owner, MIGRATIONS, urls.app_role)
        _made["urls"] = urls
    return _made["urls"]
