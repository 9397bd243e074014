"""How a node reaches its database: transactions, and connections held for hot paths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.foundation.db.errors import refusal_of
from services.foundation.refusals import StoreUnreachable

DriverConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A connection of the driver, below SQLAlchemy."""

_CONNECT_SECONDS = 5.0
_SLACK_SECONDS = 2.0  # the server gives up first, so that its reason arrives instead of a cut connection
_IDLE_IN_TRANSACTION_SECONDS = 60.0


class Lane:
    """A driver connection that one user at a time holds, with its prepared statements."""

    def __init__(self, connection: DriverConnection) -> None:
        self.connection = connection
        self._prepared: dict[str, PreparedStatement[asyncpg.Record]] = {}

    async def prepared(self, sql: str) -> PreparedStatement[asyncpg.Record]:
        """Returns `sql` prepared on this connection, preparing it the first time."""
        statement = self._prepared.get(sql)
        if statement is None:
            statement = self._prepared[sql] = await self.connection.prepare(sql)
        return statement


class Database:
    """The node's database.

    `url` is a PostgreSQL URL, `postgresql://user:password@host/database` or with `?host=/socket/directory`; several
    hosts may be named for failover. At most `connections` serve transactions, and as many again are lanes. A statement
    that runs, or a lane that is waited for, longer than `statement_seconds` is given up.
    """

    def __init__(self, url: str, connections: int, *, statement_seconds: float = 30.0) -> None:
        self._url = url
        self._statement_seconds = statement_seconds
        self._idle: list[Lane] = []
        self._lanes = asyncio.Semaphore(connections)
        self._closed = False
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self.connect,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            # Parameters are personal data, and would be part of an error's text.
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)

    async def connect(self) -> DriverConnection:
        """Opens a driver connection of its own, which the caller closes; refuses STORE_UNREACHABLE."""
        try:
            return await asyncpg.connect(
                self._url,
                timeout=_CONNECT_SECONDS,
                command_timeout=self._statement_seconds + _SLACK_SECONDS,
                server_settings={
                    "application_name": "jukinet",
                    "statement_timeout": _milliseconds(self._statement_seconds),
                    "idle_in_transaction_session_timeout": _milliseconds(_IDLE_IN_TRANSACTION_SECONDS),
                },
            )
        except OSError as error:
            raise StoreUnreachable("retry with the same request id in a moment") from error

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction that commits when the block ends, and leaves nothing behind when it raises.

        Refuses STORE_UNREACHABLE when the database is away or does not answer in time, and RACE_LOST when another
        transaction came first. After STORE_UNREACHABLE the commit may have happened: repeat with the same request id.
        """
        try:
            async with self._engine.connect() as connection:
                try:
                    yield connection
                    await connection.commit()
                except BaseException:
                    await _drop_if_broken(connection)
                    raise
        except Exception as error:
            _raise_refusal(error)

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[Lane]:
        """Lends a held connection, without a transaction; waits while all are lent, so never take two at a time.

        It goes back with its prepared statements, unless the block raised or left a transaction open: then it is
        closed, and the next user gets a new one. Refuses like `begin`.
        """
        try:
            async with asyncio.timeout(self._statement_seconds):
                await self._lanes.acquire()
            try:
                lane = await self._take()
                try:
                    yield lane
                except BaseException:
                    lane.connection.terminate()
                    raise
                self._give_back(lane)
            finally:
                self._lanes.release()
        except Exception as error:
            _raise_refusal(error)

    async def close(self) -> None:
        """Closes all connections; those in use close when they come back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().connection.close(timeout=_CONNECT_SECONDS)
        await self._engine.dispose()

    async def _take(self) -> Lane:
        while self._idle:
            lane = self._idle.pop()
            if not lane.connection.is_closed():
                return lane
        return Lane(await self.connect())

    def _give_back(self, lane: Lane) -> None:
        if self._closed or lane.connection.is_closed() or lane.connection.is_in_transaction():
            lane.connection.terminate()
        else:
            self._idle.append(lane)


async def raw(connection: AsyncConnection) -> DriverConnection:
    """Returns the driver connection below `connection`, inside the same transaction.

    The transaction stays SQLAlchemy's: never begin, commit or roll back on the driver.
    """
    held = await connection.get_raw_connection()
    driver: DriverConnection | None = held.driver_connection
    if driver is None:
        raise RuntimeError("the connection was given back already")
    if not driver.is_in_transaction():
        # SQLAlchemy sends BEGIN with its first statement only.
        await connection.exec_driver_sql("SELECT 1")
    return driver


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _refuse_closed(adapted: Any, *_: object) -> None:
    """Lets the pool replace a connection whose server is gone before anybody uses it."""
    if adapted.driver_connection.is_closed():
        raise exc.DisconnectionError


async def _drop_if_broken(connection: AsyncConnection) -> None:
    """Keeps a connection that failed on the driver, unseen by SQLAlchemy, from going back to the pool."""
    if connection.invalidated or connection.closed:
        return
    held = await connection.get_raw_connection()
    if held.driver_connection is None or held.driver_connection.is_closed():
        await connection.invalidate()


def _raise_refusal(error: Exception) -> None:
    """Raises the refusal that `error` is, or `error` itself."""
    refusal = refusal_of(error)
    if refusal is None:
        raise error
    raise refusal from error
