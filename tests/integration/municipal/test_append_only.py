"""What PostgreSQL itself keeps from happening to the register."""

from __future__ import annotations

import asyncpg
import pytest

from services.foundation.db.migrate import upgrade
from tests.counters import fill_pool, make_codes
from tests.databases import DatabaseUrls, MakeDatabase
from tests.desks import MIGRATIONS, postgres_desk


@pytest.fixture
async def register(make_database: MakeDatabase) -> DatabaseUrls:
    """A register with a resident in it."""
    urls = make_database("kept")
    await upgrade(urls.owner, MIGRATIONS, urls.app_role)
    async with postgres_desk(urls) as desk:
        await fill_pool(desk.store, make_codes(3))
        await desk.move_in()
    return urls


_REWRITES = [
    "UPDATE resident_revision SET name = 'x'",
    "DELETE FROM resident_revision",
    "TRUNCATE resident_revision CASCADE",
    "UPDATE household_revision SET address = 'x'",
    "DELETE FROM household_revision",
    "UPDATE resident_code_history SET resident_code = '0'",
    "DELETE FROM resident_code_history",
    "UPDATE code_pool SET drawn_at = NULL WHERE drawn_at IS NOT NULL",
]


@pytest.mark.parametrize("role", ["app", "owner"])
async def test_nobody_rewrites_history(register: DatabaseUrls, role: str) -> None:
    connection = await asyncpg.connect(getattr(register, role))
    try:
        for statement in _REWRITES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_application_removes_nothing(register: DatabaseUrls) -> None:
    connection = await asyncpg.connect(register.app)
    try:
        for table in ("resident", "household", "code_pool", "code_allotment", "stored_reply", "outbox", "audit_entry"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"DELETE FROM {table}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE code_pool SET resident_code = '0'")
    finally:
        await connection.close()


async def test_two_live_records_never_have_one_code(register: DatabaseUrls) -> None:
    connection = await asyncpg.connect(register.owner)
    try:
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(
                "INSERT INTO resident SELECT gen_random_uuid(), revision, state, household, resident_code, name_folded,"
                " kana_folded, address_folded, birth_date, sex FROM resident"
            )
    finally:
        await connection.close()


async def test_every_column_of_personal_data_says_what_protects_it(register: DatabaseUrls) -> None:
    connection = await asyncpg.connect(register.owner)
    try:
        bare = await connection.fetch(
            "SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attname IN ("
            "'resident_code', 'name', 'kana',"
            " 'birth_date', 'sex', 'address', 'name_folded', 'kana_folded', 'address_folded', 'former_address',"
            " 'destination_address') AND col_description(attrelid, attnum) IS NULL"
        )
    finally:
        await connection.close()

    assert not bare
