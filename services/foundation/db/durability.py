"""Whether the database keeps what it has confirmed."""

from __future__ import annotations

from services.foundation.db.engine import Database
from services.foundation.db.refusals import DatabaseNotDurable

_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')"


async def require_durable(database: Database) -> None:
    """Refuses DATABASE_NOT_DURABLE, naming the setting by which a crash may lose a transaction that has committed."""
    async with database.lane() as lane:
        rows = await lane.connection.fetch(_SETTINGS)
    off = sorted(name for name, setting in rows if setting == "off")
    if off:
        raise DatabaseNotDurable("switch it on in the PostgreSQL server, and restart the node", setting=", ".join(off))
