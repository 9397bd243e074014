"""Two nodes with databases of their own: a municipality that sends, and its prefecture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from services.foundation.db.engine import Database
from services.foundation.db.replies import create_replies
from services.foundation.exchange.tables import create_exchange
from tests.databases import DatabaseUrls, MakeDatabase
from tests.streams import CITY, Pki


@dataclass(frozen=True, slots=True)
class Store:
    """A node's database, and how to reach it."""

    database: Database
    urls: DatabaseUrls

    async def column(self, sql: str) -> list[object]:
        """Returns the first column of a query, as the owner sees it."""
        owner = await asyncpg.connect(self.urls.owner)
        try:
            return [row[0] for row in await owner.fetch(sql)]
        finally:
            await owner.close()


async def make_store(make_database: MakeDatabase, name: str) -> Store:
    urls = make_database(name)
    statements = [
        "CREATE TABLE register (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text, note text)",
        f"GRANT SELECT, INSERT ON register TO {urls.app_role}",
    ]
    create_exchange(statements.append, urls.app_role)
    create_replies(statements.append, urls.app_role)
    owner = await asyncpg.connect(urls.owner)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    return Store(Database(urls.app, 4), urls)


@pytest.fixture
async def city_store(make_database: MakeDatabase) -> AsyncIterator[Store]:
    store = await make_store(make_database, "city")
    yield store
    await store.database.close()


@pytest.fixture
async def prefecture_store(make_database: MakeDatabase) -> AsyncIterator[Store]:
    store = await make_store(make_database, "prefecture")
    yield store
    await store.database.close()


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki(CITY.trust_domain)
