"""Desks of a municipality before a store in memory and before PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from juki.common.v1 import change_pb2
from services.foundation.audit.log import AuditLog
from services.foundation.audit.salts import Sealer
from services.foundation.db.engine import Database
from services.foundation.exchange.envelope import open_envelope
from services.foundation.exchange.outbox import Outbox
from services.foundation.journal import Journal
from services.municipal.store.postgres import PostgresStore
from services.municipal.tables import metadata
from tests.counters import CITY, Desk, FixedClock
from tests.databases import DatabaseUrls
from tests.doubles.municipal import MemoryStore
from tests.streams import Pki

MIGRATIONS = Path(__file__).parents[1] / "services/municipal/migrations"
_ORIGIN = "audit.municipal-131016.juki.example"
_TABLES = (*metadata.tables, "outbox", "audit_entry", "stored_reply")


@asynccontextmanager
async def memory_desk() -> AsyncIterator[Desk]:
    """A desk before a store in memory, with an empty pool."""
    clock = FixedClock()
    # The journal makes entries and writes none of them: the store in memory keeps them itself.
    database = Database("postgresql://nobody@nowhere/nothing", 1)
    store = MemoryStore()

    async def count_rows() -> dict[str, int]:
        return {name: len(value) for name, value in vars(store.kept).items()}

    async def sent() -> list[change_pb2.ChangeEvent]:
        return [change_pb2.ChangeEvent.FromString(change) for change, _ in store.kept.sent]

    async def logged() -> list[tuple[str, int]]:
        return [(entry.action, entry.count) for entry in store.kept.log]

    async def fields() -> list[list[str]]:
        return [list(entry.fields) for entry in store.kept.log]

    journal = Journal(AuditLog(CITY, _ORIGIN, Sealer(bytes(32), _ORIGIN)), database, clock)
    yield Desk(store, journal, clock, count_rows=count_rows, sent=sent, logged=logged, fields=fields)
    await database.close()


@asynccontextmanager
async def postgres_desk(urls: DatabaseUrls) -> AsyncIterator[Desk]:
    """A desk before a migrated database."""
    clock = FixedClock()
    database = Database(urls.app, 8)

    async def count_rows() -> dict[str, int]:
        async with database.begin() as connection:
            return {name: await connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in _TABLES}

    async def sent() -> list[change_pb2.ChangeEvent]:
        async with database.begin() as connection:
            envelopes = await connection.scalars(text("SELECT envelope FROM outbox ORDER BY sequence"))
            return [change for one in envelopes if (change := open_envelope(one).change) is not None]

    async def entries() -> list[dict[str, Any]]:
        async with database.begin() as connection:
            bodies = await connection.scalars(text("SELECT body FROM audit_entry ORDER BY seq"))
            return [json.loads(body) for body in bodies]

    async def logged() -> list[tuple[str, int]]:
        return [(entry["act"], entry["n"]) for entry in await entries()]

    async def fields() -> list[list[str]]:
        return [entry.get("fields", []) for entry in await entries()]

    journal = Journal(AuditLog(CITY, _ORIGIN, Sealer(bytes(32), _ORIGIN)), database, clock)
    store = PostgresStore(database, journal, Outbox(Pki("13.juki.example").signer(CITY)))
    yield Desk(store, journal, clock, count_rows=count_rows, sent=sent, logged=logged, fields=fields)
    await journal.close()
    await database.close()
