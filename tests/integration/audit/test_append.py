"""Appending inside the caller's transaction, and what the table refuses."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from services.foundation.audit.entry import canonical, opens
from services.foundation.audit.log import AuditLog
from services.foundation.audit.merkle import leaf_hash
from services.foundation.audit.salts import Sealer
from services.foundation.audit.table import create_audit
from tests.databases import DatabaseUrls
from tests.integration.audit.makers import ORIGIN, SALT_KEY, make_entry


async def test_entries_are_kept_in_canonical_form_with_receipts(app: asyncpg.Connection, log: AuditLog) -> None:
    entries = [make_entry(number) for number in range(3)]

    receipts = await log.append(app, entries)

    rows = await app.fetch("SELECT seq, body FROM audit_entry ORDER BY seq")
    assert [row["body"] for row in rows] == [canonical(entry, seq) for seq, entry in enumerate(entries)]
    assert [receipt.index for receipt in receipts] == [0, 1, 2]
    assert [receipt.leaf_hash for receipt in receipts] == [leaf_hash(row["body"]) for row in rows]


async def test_nothing_to_append_appends_nothing(app: asyncpg.Connection, log: AuditLog) -> None:
    assert await log.append(app, []) == []
    assert await app.fetchval("SELECT size FROM audit_head") == 0


async def test_a_rolled_back_transaction_leaves_no_gap(app: asyncpg.Connection, log: AuditLog) -> None:
    transaction = app.transaction()
    await transaction.start()
    await log.append(app, [make_entry(0), make_entry(1)])
    await transaction.rollback()

    (receipt,) = await log.append(app, [make_entry(2)])

    assert receipt.index == 0


async def test_writers_at_once_number_without_gaps_or_doubles(urls: DatabaseUrls, log: AuditLog) -> None:
    async with asyncpg.create_pool(urls.app, min_size=8, max_size=8) as pool:

        async def write(writer: int) -> list[int]:
            indexes = []
            for turn in range(20):
                async with pool.acquire() as connection, connection.transaction():
                    batch = [make_entry(writer * 1000 + turn)] * (1 + turn % 3)
                    indexes += [receipt.index for receipt in await log.append(connection, batch)]
            return indexes

        written = await asyncio.gather(*(write(writer) for writer in range(8)))

        indexes = sorted(index for indexes in written for index in indexes)
        assert indexes == list(range(len(indexes)))
        assert await pool.fetchval("SELECT size FROM audit_head") == len(indexes)
        assert await pool.fetchval("SELECT count(*) FROM audit_entry") == len(indexes)


async def test_the_sealed_salt_opens_the_entry_until_it_is_erased(app: asyncpg.Connection, log: AuditLog) -> None:
    await log.append(app, [make_entry(subject="10000000001")])

    body = await app.fetchval("SELECT body FROM audit_entry WHERE seq = 0")
    sealed = await app.fetchval("SELECT sealed FROM audit_salt WHERE seq = 0")
    salt = Sealer(SALT_KEY, ORIGIN).open(sealed)

    assert opens(body, salt, "10000000001")
    assert not opens(body, salt, "10000000002")
    assert await app.fetchval("SELECT audit_erase_salt(0)")
    assert not await app.fetchval("SELECT audit_erase_salt(0)")
    assert await app.fetchval("SELECT count(*) FROM audit_salt") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_entry (seq, body) VALUES (7, '{}')",
        "UPDATE audit_entry SET body = '{}'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "UPDATE audit_head SET size = 0",
        "DELETE FROM audit_salt",
        "INSERT INTO audit_checkpoint (size, note) VALUES (1, 'x')",
        "DELETE FROM audit_checkpoint",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "DROP TABLE audit_entry",
        "SET session_replication_role = replica",
    ],
)
async def test_the_application_role_only_reads_and_appends(
    app: asyncpg.Connection, log: AuditLog, statement: str
) -> None:
    await log.append(app, [make_entry()])

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET body = '{}'",
        "DELETE FROM audit_entry",
        "DELETE FROM audit_entry WHERE false",
        "TRUNCATE audit_entry",
        "UPDATE audit_checkpoint SET note = ''",
        "DELETE FROM audit_checkpoint",
        "TRUNCATE audit_checkpoint",
        "UPDATE audit_head SET size = 0",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "UPDATE audit_salt SET sealed = ''",
        "TRUNCATE audit_salt",
    ],
)
async def test_even_the_owner_cannot_change_what_is_written(
    owner: asyncpg.Connection, app: asyncpg.Connection, log: AuditLog, statement: str
) -> None:
    await log.append(app, [make_entry()])

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(statement)


async def test_a_strangers_role_may_not_append(postgres_server: str, urls: DatabaseUrls) -> None:
    owner = await asyncpg.connect(urls.owner)
    granted = await owner.fetchval(
        "SELECT count(*) FROM pg_proc, aclexplode(proacl) WHERE proname LIKE 'audit%' AND grantee = 0"
        " AND proname NOT LIKE 'audit_refuse%'"
    )
    await owner.close()

    assert granted == 0


@pytest.mark.parametrize(("heads", "tails", "salts"), [(0, 0, 0), (1, 2, 1), (1, 1, 2)])
async def test_uneven_or_empty_arrays_are_refused(app: asyncpg.Connection, heads: int, tails: int, salts: int) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await app.fetchval("SELECT audit_append($1, $2, $3)", [b"{"] * heads, [b"}"] * tails, [b"s"] * salts)


async def test_checkpoints_only_grow_and_never_pass_the_entries(app: asyncpg.Connection, log: AuditLog) -> None:
    await log.append(app, [make_entry(number) for number in range(5)])
    await app.execute("SELECT audit_publish(3, 'three')")

    for size in (2, 3, 6):
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await app.execute("SELECT audit_publish($1, 'other')", size)
    await app.execute("SELECT audit_publish(5, 'five')")


@pytest.mark.parametrize("role", ["", "Role", "a b", 'x"; DROP TABLE audit_entry; --'])
def test_a_role_that_is_no_plain_name_is_not_granted_anything(role: str) -> None:
    statements: list[str] = []

    with pytest.raises(ValueError, match="role name"):
        create_audit(statements.append, role)

    assert statements == []


async def test_the_append_function_cannot_be_led_to_other_tables(app: asyncpg.Connection, log: AuditLog) -> None:
    await app.execute("SET search_path = pg_temp, public")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TEMPORARY TABLE audit_entry (seq bigint, body bytea)")
    (receipt,) = await log.append(app, [make_entry()])

    assert await app.fetchval("SELECT count(*) FROM public.audit_entry") == receipt.index + 1
