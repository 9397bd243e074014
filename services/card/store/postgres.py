"""How a card node's store keeps its transactions in PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, Select, delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.card.rules.issuing import Life
from services.card.store.unit import IssuedCard
from services.card.tables import act_begun, card, recalled_batch
from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import Receipt
from services.foundation.db.engine import Database
from services.foundation.db.replies import find_reply, store_reply, stored_reply
from services.foundation.journal import Journal
from services.foundation.refusals import RequestIdReused
from services.foundation.rpc.call import Call

_RECALLED = exists().where(recalled_batch.c.batch == card.c.batch).label("recalled")


class PostgresCards:
    """The cards of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, number: str) -> IssuedCard | None:
        """Returns a card that was issued here, or None."""
        return await self._one(select(card).where(card.c.number == number))

    async def of_issue(self, issued_for: str) -> IssuedCard | None:
        """Returns the card that an unfinished issue has begun with, or None."""
        return await self._one(select(card).where(card.c.issued_for == issued_for, card.c.unfinished))

    async def add(self, entered: IssuedCard) -> None:
        """Enters a card; refuses RACE_LOST when it is there already, or its issue has another."""
        await self._connection.execute(
            insert(card).values(
                number=entered.number,
                holder=entered.holder,
                batch=entered.batch,
                state=entered.life.name,
                issued_for=entered.issued_for,
                unfinished=entered.unfinished,
            )
        )

    async def change(self, number: str, life: Life, *, unfinished: bool | None = None) -> None:
        """Notes how a card stands now; None leaves what is known of its issue."""
        values: dict[str, Any] = {"state": life.name, "changed_at": func.now()}
        if unfinished is not None:
            values["unfinished"] = unfinished
        await self._connection.execute(update(card).where(card.c.number == number).values(values))

    async def page(self, batch: str, after: str, limit: int) -> Sequence[tuple[IssuedCard, bool]]:
        """Returns cards after a number, of one batch or, when that is empty, of all; each with whether recalled."""
        query = select(card, _RECALLED).where(card.c.number > after).order_by(card.c.number).limit(limit)
        if batch:
            query = query.where(card.c.batch == batch)
        rows = await self._connection.execute(query)
        return [(_card(row), bool(row.recalled)) for row in rows]

    async def live_numbers(self, batch: str) -> Sequence[tuple[str, Life]]:
        """Returns the cards of a batch that are not terminated, by number."""
        query = select(card.c.number, card.c.state).where(card.c.batch == batch, card.c.state != Life.TERMINATED.name)
        rows = await self._connection.execute(query.order_by(card.c.number))
        return [(row.number, Life[row.state]) for row in rows]

    async def is_recalled(self, number: str) -> bool:
        """Tells whether the batch of a card has been recalled."""
        return bool(await self._connection.scalar(select(_RECALLED).where(card.c.number == number)))

    async def recall(self, batch: str) -> None:
        """Recalls a batch for good; a second time changes nothing."""
        await self._connection.execute(upsert(recalled_batch).values(batch=batch).on_conflict_do_nothing())

    async def _one(self, query: Select[Any]) -> IssuedCard | None:
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _card(row)


class PostgresUnit:
    """One transaction in PostgreSQL."""

    def __init__(self, connection: AsyncConnection, journal: Journal) -> None:
        self.cards = PostgresCards(connection)
        self._connection = connection
        self._journal = journal

    async def replied(self, call: Call) -> bytes | None:
        """Returns the reply that this request had before, or None; refuses REQUEST_ID_REUSED."""
        return await find_reply(self._connection, *_key(call), call.request)

    async def begin_act(self, call: Call, card: str = "") -> bool:
        """Notes that an act has begun, and tells whether it had begun before; refuses REQUEST_ID_REUSED."""
        request_hash = hashlib.sha256(call.request).digest()
        row = (await self._connection.execute(select(act_begun.c.request_hash).where(*_is(call)))).one_or_none()
        if row is None:
            caller, method, request_id = _key(call)
            values = {"caller": caller, "method": method, "request_id": request_id}
            begun = insert(act_begun).values({**values, "request_hash": request_hash, "card": card})
            await self._connection.execute(begun)
            return False
        if row.request_hash != request_hash:
            raise RequestIdReused("draw a new request id for a new request", method=call.method)
        return True

    async def begun_with(self, call: Call) -> str | None:
        """Returns the number of the card with which the act has begun, None when it has not."""
        number: str | None = await self._connection.scalar(select(act_begun.c.card).where(*_is(call)))
        return number

    async def record(self, entries: Sequence[AuditEntry]) -> Sequence[Receipt]:
        """Appends audit entries."""
        return await self._journal.record(self._connection, entries)

    async def reply(self, call: Call, reply: bytes) -> None:
        """Stores the reply of an act that has begun, to be repeated when the request is."""
        if await stored_reply(self._connection, *_key(call), call.request) is None:
            await store_reply(self._connection, *_key(call), reply)
        await self._connection.execute(delete(act_begun).where(*_is(call)))


class PostgresStore:
    """A card node's store in the node's own database."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresUnit]:
        """Opens a transaction that commits when the block ends, and leaves nothing behind when it raises."""
        async with self._database.begin() as connection:
            yield PostgresUnit(connection, self._journal)


def _key(call: Call) -> tuple[str, str, str]:
    return call.peer.name, call.method, call.request_id


def _is(call: Call) -> tuple[Any, ...]:
    caller, method, request_id = _key(call)
    columns = act_begun.c
    return columns.caller == caller, columns.method == method, columns.request_id == request_id


def _card(row: Row[Any]) -> IssuedCard:
    return IssuedCard(row.number, row.holder, row.batch, Life[row.state], row.issued_for, row.unfinished)
