"""What a migrated database of each tier has, and what the application's role may not do in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.foundation.db.migrate import upgrade
from tests.databases import MakeDatabase
from tests.house.tree import ROOT

_AUDIT = {"audit_head", "audit_entry", "audit_salt", "audit_checkpoint", "audit_cosigned"}
_WITNESS = {"witness_checkpoint", "witness_evidence"}
_EXCHANGE = {"exchange_signer", "exchange_alarm", "outbox", "outbox_head", "outbox_cursor", "inbox", "inbox_cursor"}
_CONFIRMATION = {"identity_record", "identity_former", "identity_change", "identity_alias"}
_PURPOSES = {"purposes_adopted", "purpose_use"}
_UPPER = _AUDIT | _WITNESS | _EXCHANGE | _CONFIRMATION | _PURPOSES | {"stored_reply", "alembic_version"}
_TABLES = {
    "prefecture": _UPPER,
    "agency": _UPPER | {"allotted_code"},
    "card": _AUDIT | _WITNESS | {"card", "recalled_batch", "act_begun", "stored_reply", "alembic_version"},
}
"""All that an upper tier keeps: envelopes verbatim, which have no field for anything else of a resident record.

A card node keeps cards by number, and has no field for anything of a resident.
"""

_HISTORY = {
    "municipal": {"resident_revision", "household_revision", "resident_code_history", "outbox", "exchange_alarm"},
    "prefecture": {"identity_change", "identity_alias", "outbox", "exchange_alarm", "purposes_adopted"},
    "agency": {"identity_change", "identity_alias", "allotted_code", "exchange_alarm", "purposes_adopted"},
    "card": {"recalled_batch"},
}
_PRIVILEGES = """
    SELECT c.relname, p.privilege
    FROM pg_class c CROSS JOIN unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (
        has_table_privilege($1, c.oid, p.privilege)
        OR p.privilege IN ('INSERT', 'UPDATE') AND has_any_column_privilege($1, c.oid, p.privilege)
    )
"""


@pytest.fixture(params=["municipal", "prefecture", "agency", "card"])
async def tier(
    request: pytest.FixtureRequest, make_database: MakeDatabase
) -> AsyncIterator[tuple[str, asyncpg.Connection, str]]:
    """A tier's name, its migrated database as the owner sees it, and the application's role."""
    name: str = request.param
    urls = make_database(name)
    await upgrade(urls.owner, ROOT / "services" / name / "migrations", urls.app_role)
    owner = await asyncpg.connect(urls.owner)
    yield name, owner, urls.app_role
    await owner.close()


async def test_the_application_writes_the_audit_log_through_its_functions_alone(
    tier: tuple[str, asyncpg.Connection, str],
) -> None:
    _, owner, role = tier

    rows = await owner.fetch(_PRIVILEGES, role)

    assert [tuple(row) for row in rows if row["relname"] in _AUDIT | _WITNESS] == []
    assert await owner.fetchval("SELECT count(*) FROM pg_class WHERE relname = ANY($1)", list(_AUDIT)) == len(_AUDIT)


async def test_the_application_adds_to_histories_and_rewrites_none(tier: tuple[str, asyncpg.Connection, str]) -> None:
    name, owner, role = tier

    rows = {tuple(row) for row in await owner.fetch(_PRIVILEGES, role)}

    assert {row for row in rows if row[0] in _HISTORY[name]} == {(table, "INSERT") for table in _HISTORY[name]}


async def test_the_application_empties_no_table(tier: tuple[str, asyncpg.Connection, str]) -> None:
    _, owner, role = tier

    rows = await owner.fetch(_PRIVILEGES, role)

    assert [row["relname"] for row in rows if row["privilege"] == "TRUNCATE"] == []


async def test_the_application_owns_nothing(tier: tuple[str, asyncpg.Connection, str]) -> None:
    _, owner, role = tier

    assert await owner.fetchval("SELECT count(*) FROM pg_class WHERE relowner = $1::regrole", role) == 0
    assert await owner.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", role) is False


@pytest.mark.parametrize("upper", _TABLES)
async def test_a_tier_keeps_these_tables_and_no_other(upper: str, make_database: MakeDatabase) -> None:
    urls = make_database(upper)
    await upgrade(urls.owner, ROOT / "services" / upper / "migrations", urls.app_role)
    owner = await asyncpg.connect(urls.owner)

    rows = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")

    await owner.close()
    assert {row["tablename"] for row in rows} == _TABLES[upper]
