"""How the municipality's store keeps its transactions in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import Receipt
from services.foundation.db.engine import Database
from services.foundation.db.replies import store_reply, stored_reply
from services.foundation.exchange.envelope import open_envelope
from services.foundation.exchange.outbox import Outbox, OutgoingMessage
from services.foundation.journal import Journal
from services.foundation.rpc.call import Call
from services.municipal.store.codes import PostgresCodes
from services.municipal.store.residents import PostgresResidents

_SENT = text("SELECT envelope FROM public.outbox WHERE sequence = :sequence")


class PostgresUnit:
    """One transaction in PostgreSQL."""

    def __init__(self, connection: AsyncConnection, journal: Journal, outbox: Outbox) -> None:
        self.residents = PostgresResidents(connection)
        self.codes = PostgresCodes(connection)
        self.has_sent = False
        self._connection = connection
        self._journal = journal
        self._outbox = outbox

    async def replied(self, call: Call) -> bytes | None:
        """Returns the reply that this request had before, or None; refuses REQUEST_ID_REUSED."""
        return await stored_reply(self._connection, call.peer.name, call.method, call.request_id, call.request)

    async def send(self, changes: Sequence[bytes], *, traceparent: str, supersedes: int = 0) -> None:
        """Puts serialized change events on the stream to the prefecture."""
        messages = [OutgoingMessage(change=one, traceparent=traceparent, supersedes=supersedes) for one in changes]
        self.has_sent = bool(await self._outbox.append(self._connection, messages)) or self.has_sent

    async def sent(self, sequence: int) -> bytes | None:
        """Returns the serialized change event that was sent under `sequence`."""
        envelope = await self._connection.scalar(_SENT, {"sequence": sequence})
        if envelope is None:
            return None
        change = open_envelope(envelope).change
        return change.SerializeToString() if change is not None else None

    async def record(self, entries: Sequence[AuditEntry]) -> Sequence[Receipt]:
        """Appends audit entries; the last write of the transaction, but for the reply."""
        return await self._journal.record(self._connection, entries)

    async def reply(self, call: Call, reply: bytes) -> None:
        """Stores the reply, to be repeated when the request is."""
        await store_reply(self._connection, call.peer.name, call.method, call.request_id, reply)


class PostgresStore:
    """The municipality's store in the node's own database."""

    def __init__(self, database: Database, journal: Journal, outbox: Outbox) -> None:
        self._database = database
        self._journal = journal
        self._outbox = outbox

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresUnit]:
        """Opens a transaction; once it has committed, the stream's sender is told of what it sent."""
        async with self._database.begin() as connection:
            unit = PostgresUnit(connection, self._journal, self._outbox)
            yield unit
        # Dying here loses nothing: the sender looks into the outbox by itself, too.
        if unit.has_sent:
            self._outbox.wake()
