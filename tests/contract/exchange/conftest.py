"""The same receiving node on a store in memory and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.foundation.db.engine import Database, raw
from services.foundation.exchange.inbox_store import InboxStore
from services.foundation.exchange.postgres_inbox import PostgresInboxStore
from services.foundation.exchange.tables import create_exchange
from tests.databases import MakeDatabase
from tests.doubles.exchange import MemoryInbox
from tests.doubles.receiving import Receiving
from tests.streams import CITY, OTHER, PREFECTURE, TOWN, FixedClock, Pki, Stream, Tier, signers_of

PKI = Pki(CITY.trust_domain)
OTHER_PKI = Pki(OTHER.trust_domain)


class PostgresTransactions:
    """Receiving transactions in PostgreSQL, by the application role."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InboxStore]:
        async with self._database.begin() as connection:
            yield PostgresInboxStore(await raw(connection))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(params=["memory", "postgres"])
async def node(
    request: pytest.FixtureRequest, make_database: MakeDatabase, clock: FixedClock
) -> AsyncIterator[Receiving]:
    signers, tier = signers_of(PKI, OTHER_PKI, clock=clock), Tier()
    if request.param == "memory":
        yield Receiving(MemoryInbox(), signers, tier)
        return
    urls = make_database("exchange")
    owner = await asyncpg.connect(urls.owner)
    statements: list[str] = []
    create_exchange(statements.append, urls.app_role)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    database = Database(urls.app, 2)
    yield Receiving(PostgresTransactions(database), signers, tier)
    await database.close()


@pytest.fixture
def city() -> Stream:
    return Stream(PKI.signer(CITY))


@pytest.fixture
def town() -> Stream:
    return Stream(PKI.signer(TOWN))


@pytest.fixture
def prefecture() -> Stream:
    return Stream(PKI.signer(PREFECTURE))


@pytest.fixture
def stranger() -> Stream:
    return Stream(OTHER_PKI.signer(OTHER))
