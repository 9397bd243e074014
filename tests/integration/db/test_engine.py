"""Transactions and lanes of a node's database."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.foundation.db.engine import Database, raw
from services.foundation.db.refusals import RaceLost
from services.foundation.refusals import StoreUnreachable
from tests.databases import DatabaseUrls


async def count(urls: DatabaseUrls) -> int:
    connection = await asyncpg.connect(urls.owner)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM kept"))
    finally:
        await connection.close()


async def cut_connections(urls: DatabaseUrls) -> None:
    owner = await asyncpg.connect(urls.app)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND usename = current_user"
    )
    await owner.close()


async def test_what_a_block_wrote_is_there_after_it(database: Database, urls: DatabaseUrls) -> None:
    async with database.begin() as connection:
        await (await raw(connection)).execute("INSERT INTO kept VALUES (1)")
        await connection.execute(text("INSERT INTO kept VALUES (2)"))

    assert await count(urls) == 2


async def test_a_block_that_raises_leaves_nothing_behind(database: Database, urls: DatabaseUrls) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
        async with database.begin() as connection:
            await (await raw(connection)).execute("INSERT INTO kept VALUES (1)")
            raise ZeroDivisionError

    assert await count(urls) == 0


async def test_a_lost_race_is_refused_as_one(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO kept VALUES (1)"))

    with pytest.raises(RaceLost):
        async with database.begin() as connection:
            await (await raw(connection)).execute("INSERT INTO kept VALUES (1)")
    with pytest.raises(RaceLost):
        async with database.begin() as connection:
            await connection.execute(text("INSERT INTO kept VALUES (1)"))


async def test_an_errors_text_has_no_parameters(database: Database) -> None:
    with pytest.raises(DBAPIError) as failed:
        async with database.begin() as connection:
            await connection.execute(text("SELECT CAST(:number AS int) / 0"), {"number": 31415926})

    assert "31415926" not in str(failed.value)


async def test_a_statement_that_runs_too_long_is_given_up(urls: DatabaseUrls) -> None:
    database = Database(urls.app, 1, statement_seconds=0.1)
    try:
        with pytest.raises(StoreUnreachable):
            async with database.begin() as connection:
                await connection.execute(text("SELECT pg_sleep(10)"))
    finally:
        await database.close()


async def test_a_database_that_is_away_is_refused_as_unreachable(urls: DatabaseUrls) -> None:
    away = replace(urls, app="postgresql://nobody@127.0.0.1:1/nowhere")
    database = Database(away.app, 1)
    try:
        with pytest.raises(StoreUnreachable):
            async with database.begin() as connection:
                await connection.execute(text("SELECT 1"))
        with pytest.raises(StoreUnreachable):
            async with database.lane():
                pass
    finally:
        await database.close()


async def test_a_connection_cut_in_a_block_is_refused_and_the_next_block_gets_another(
    database: Database, urls: DatabaseUrls
) -> None:
    with pytest.raises(StoreUnreachable):  # noqa: PT012 - the block is what is tested
        async with database.begin() as connection:
            driver = await raw(connection)
            await cut_connections(urls)
            await driver.execute("INSERT INTO kept VALUES (1)")

    async with database.begin() as connection:
        await (await raw(connection)).execute("INSERT INTO kept VALUES (2)")
    assert await count(urls) == 1


async def test_an_idle_connection_that_was_cut_is_replaced_unseen(database: Database, urls: DatabaseUrls) -> None:
    async with database.begin() as connection:
        await connection.execute(text("SELECT 1"))
    async with database.lane() as lane:
        await lane.prepared("SELECT 1")
    await cut_connections(urls)
    await asyncio.sleep(0.1)

    async with database.begin() as connection:
        assert await (await raw(connection)).fetchval("SELECT 1") == 1
    async with database.lane() as lane:
        assert await (await lane.prepared("SELECT 1")).fetchval() == 1


async def test_a_lane_keeps_its_connection_and_its_statements(database: Database) -> None:
    async with database.lane() as lane:
        first, statement = lane.connection, await lane.prepared("SELECT 1")

    async with database.lane() as lane:
        assert lane.connection is first
        assert await lane.prepared("SELECT 1") is statement


async def test_a_lane_whose_user_raised_is_not_lent_again(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
        async with database.lane() as lane:
            first = lane.connection
            await first.execute("BEGIN")
            raise ZeroDivisionError

    async with database.lane() as lane:
        assert lane.connection is not first


async def test_no_more_lanes_are_lent_at_once_than_there_are_connections(urls: DatabaseUrls) -> None:
    database = Database(urls.app, 2)
    lent = most = 0

    async def work() -> None:
        nonlocal lent, most
        async with database.lane() as lane:
            lent += 1
            most = max(most, lent)
            await lane.connection.execute("SELECT pg_sleep(0.01)")
            lent -= 1

    try:
        await asyncio.gather(*(work() for _ in range(20)))
    finally:
        await database.close()
    assert most == 2


async def test_a_lane_that_does_not_become_free_is_refused_as_unreachable(urls: DatabaseUrls) -> None:
    database = Database(urls.app, 1, statement_seconds=0.1)
    try:
        async with database.lane():
            with pytest.raises(StoreUnreachable):
                async with database.lane():
                    pass
        async with database.lane() as lane:
            assert await lane.connection.fetchval("SELECT 1") == 1
    finally:
        await database.close()
