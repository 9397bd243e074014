"""The databases that tests stand on."""

from __future__ import annotations

import asyncpg
import pytest

from tests.databases import MakeDatabase


async def test_the_owner_may_create_tables_and_the_application_may_not(make_database: MakeDatabase) -> None:
    urls = make_database("roles")
    owner = await asyncpg.connect(urls.owner)
    app = await asyncpg.connect(urls.app)
    try:
        await owner.execute("CREATE TABLE kept (n int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("CREATE TABLE other (n int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("SELECT * FROM kept")
    finally:
        await owner.close()
        await app.close()


async def test_two_databases_of_one_name_are_apart(make_database: MakeDatabase) -> None:
    first, second = make_database("same"), make_database("same")

    assert first.app != second.app
