"""Migrations run in-process, once, and grant what they say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from services.foundation.db.grants import grant_table
from services.foundation.db.migrate import upgrade
from services.foundation.refusals import StoreUnreachable
from tests.databases import MakeDatabase

FIRST = '''
"""First."""
from alembic import op
from services.foundation.db.grants import grant_table
from services.foundation.db.migrate import app_role
revision, down_revision, branch_labels, depends_on = "0001", None, None, None
def upgrade() -> None:
    op.execute("CREATE TABLE thing (n int)")
    grant_table(op.execute, "thing", app_role(), ["SELECT", "INSERT"])
'''
SECOND = '''
"""Second."""
from alembic import op
revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None
def upgrade() -> None:
    op.execute("ALTER TABLE thing ADD COLUMN m int")
    op.execute("{statement}")
'''


def write(path: Path, *, statement: str = "SELECT 1") -> Path:
    (path / "versions").mkdir(parents=True)
    (path / "versions" / "0001_first.py").write_text(FIRST)
    (path / "versions" / "0002_second.py").write_text(SECOND.replace("{statement}", statement))
    return path


async def test_two_migrators_at_once_migrate_once(make_database: MakeDatabase, tmp_path: Path) -> None:
    urls, scripts = make_database("migrate"), write(tmp_path / "migrations")

    await asyncio.gather(*(upgrade(urls.owner, scripts, urls.app_role) for _ in range(2)))

    app = await asyncpg.connect(urls.app)
    try:
        await app.execute("INSERT INTO thing VALUES (1, 2)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("DELETE FROM thing")
    finally:
        await app.close()


async def test_a_migration_that_fails_leaves_nothing_behind(make_database: MakeDatabase, tmp_path: Path) -> None:
    urls, scripts = make_database("migrate"), write(tmp_path / "migrations", statement="SELECT 1/0")

    with pytest.raises(Exception, match="division by zero"):
        await upgrade(urls.owner, scripts, urls.app_role)

    owner = await asyncpg.connect(urls.owner)
    assert await owner.fetchval("SELECT to_regclass('thing')") is None
    await owner.close()


async def test_a_database_that_is_away_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable):
        await upgrade("postgresql://nobody@127.0.0.1:1/nowhere", write(tmp_path / "migrations"), "app")


@pytest.mark.parametrize(("table", "privilege"), [("a; DROP", "SELECT"), ("a", "ALL"), ("a", "SELECT; DROP")])
def test_only_plain_names_and_privileges_are_granted(table: str, privilege: str) -> None:
    statements: list[str] = []

    with pytest.raises(ValueError, match="is not a"):
        grant_table(statements.append, table, "app", [privilege])

    assert statements == []
