"""How a node's database comes to the newest form of its tables."""

from __future__ import annotations

from pathlib import Path

import asyncpg
from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.foundation.db.engine import DriverConnection
from services.foundation.db.errors import refusal_of
from services.foundation.refusals import StoreUnreachable

_LOCK = 0x6A756B69_6D696772  # "jukimigr"
_CONNECT_SECONDS = 10.0
_STATEMENT_SECONDS = 3600.0  # an index over a nation takes minutes
_APP_ROLE = "app_role"


async def upgrade(owner_url: str, script_location: Path, app_role: str) -> None:
    """Brings the database to the newest revision in `script_location`/versions, in one transaction.

    `owner_url` is a PostgreSQL URL of the role that owns the tables; `app_role` names the application's role, which
    gets what the migrations grant. Of two at once the second waits, and finds nothing to do. Refuses
    STORE_UNREACHABLE.
    """
    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))
    config.attributes[_APP_ROLE] = app_role

    async def connect() -> DriverConnection:
        try:
            return await asyncpg.connect(owner_url, timeout=_CONNECT_SECONDS, command_timeout=_STATEMENT_SECONDS)
        except OSError as error:
            raise StoreUnreachable("start the database, or mend its URL, and migrate again") from error

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, config)
    except Exception as error:
        if (refusal := refusal_of(error)) is not None:
            raise refusal from error
        raise
    finally:
        await engine.dispose()


def app_role() -> str:
    """Returns the application role that `upgrade` was given; for use inside a migration."""
    config = op.get_context().config
    if config is None:
        raise RuntimeError("run migrations through services.foundation.db.migrate.upgrade")
    return str(config.attributes[_APP_ROLE])


def _upgrade(connection: Connection, config: Config) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    script = ScriptDirectory.from_config(config)

    def steps(revision: object, _: object) -> list[RevisionStep]:
        return script._upgrade_revs("head", revision)  # type: ignore[arg-type] # noqa: SLF001 - as alembic.command.upgrade does; there is no public way without an env.py

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
