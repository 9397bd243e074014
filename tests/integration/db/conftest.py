"""A database with the table of stored replies."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.foundation.db.engine import Database
from services.foundation.db.replies import create_replies
from tests.databases import DatabaseUrls, MakeDatabase


@pytest.fixture
async def urls(make_database: MakeDatabase) -> DatabaseUrls:
    urls = make_database("db")
    statements = ["CREATE TABLE kept (n int PRIMARY KEY)", f"GRANT SELECT, INSERT ON kept TO {urls.app_role}"]
    create_replies(statements.append, urls.app_role)
    owner = await asyncpg.connect(urls.owner)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    return urls


@pytest.fixture
async def database(urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = Database(urls.app, 4, statement_seconds=2.0)
    yield database
    await database.close()
