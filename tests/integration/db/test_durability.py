"""A node stands on a database that keeps what it has confirmed, and on no other."""

from __future__ import annotations

import asyncpg
import pytest

from services.foundation.db.durability import require_durable
from services.foundation.db.engine import Database
from services.foundation.db.refusals import DatabaseNotDurable
from tests.databases import DatabaseUrls


async def test_a_database_that_confirms_before_it_writes_is_refused(urls: DatabaseUrls) -> None:
    owner = await asyncpg.connect(urls.app)
    await owner.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
    await owner.close()
    database = Database(urls.app, 1)

    with pytest.raises(DatabaseNotDurable) as refused:
        await require_durable(database)

    assert "synchronous_commit" in refused.value.facts["setting"]
    await database.close()
