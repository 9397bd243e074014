"""How many envelopes a second one process seals and appends, and receives and verifies, on an embedded PostgreSQL.

Run `PYTHONPATH=.:gen python -m tools.bench.exchange_stream [count]`. No gRPC, and a tier that keeps nothing: what is
measured is the exchange alone, with its durable commits.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.foundation.db.engine import Database
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.messages import Accepted, Applied, Delivery, Outcome, ReceiveResult
from services.foundation.exchange.outbox import Outbox, OutgoingMessage
from services.foundation.exchange.outbox_reader import PostgresOutboxReader
from services.foundation.exchange.signers import Signers
from services.foundation.exchange.tables import create_exchange
from services.foundation.identity import NodeId
from tests.databases import MakeDatabase, database_factory, running_server
from tests.streams import CITY, PREFECTURE, Pki, change, line_of, signers_of

_BATCH = 200


async def _apply(_connection: AsyncConnection, accepted: Sequence[Accepted]) -> list[Outcome]:
    return [Applied()] * len(accepted)


async def _finish(_connection: AsyncConnection, _result: ReceiveResult) -> None:
    """Writes no audit entry: the log has a bench of its own."""


async def _database(make: MakeDatabase, name: str) -> Database:
    urls = make(name)
    statements: list[str] = []
    create_exchange(statements.append, urls.app_role)
    owner = await asyncpg.connect(urls.owner)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    return Database(urls.app, 4)


async def _append(database: Database, outbox: Outbox, messages: Sequence[OutgoingMessage], size: int) -> float:
    began = time.perf_counter()
    for start in range(0, len(messages), size):
        async with database.begin() as connection:
            await outbox.append(connection, messages[start : start + size])
    return len(messages) / (time.perf_counter() - began)


async def _receive(
    source: Database, target: Database, sender: NodeId, signers: Signers, certificates: Sequence[bytes]
) -> tuple[float, float]:
    """Returns envelopes a second, and a second of this process's CPU."""
    reader, inbox = PostgresOutboxReader(source), Inbox(target, signers, line_of, _apply)
    count, position = 0, 0
    began, used = time.perf_counter(), time.process_time()
    while batch := await reader.batch(position, _BATCH, 512 * 1024):
        deliveries = [Delivery(each.envelope, each.traceparent) for each in batch]
        await inbox.deliver(sender, deliveries, certificates, _finish)
        position, count = batch[-1].sequence, count + len(batch)
    return count / (time.perf_counter() - began), count / (time.process_time() - used)


async def _make_durable(server: str) -> None:
    """Undoes what the tests' server does for speed: without it, commits would wait for no disk."""
    connection = await asyncpg.connect(server)
    for statement in ("ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on"):
        await connection.execute(statement)
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute("SELECT pg_sleep(0.5)")
    if [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "full_page_writes")] != ["on", "on"]:
        raise RuntimeError("the server did not become durable")
    await connection.close()


async def _bench(server: str, make: MakeDatabase, count: int) -> None:
    await _make_durable(server)
    pki = Pki(CITY.trust_domain)
    city, prefecture = pki.signer(CITY), pki.signer(PREFECTURE)
    first, second, third = [await _database(make, name) for name in ("city", "prefecture", "agency")]
    own = [OutgoingMessage(change=change(f"{number:011d}")) for number in range(count)]
    print(f"sealed and appended, {_BATCH} a transaction: {await _append(first, Outbox(city), own, _BATCH):,.0f}/s")
    signers, certificates = signers_of(pki), [*city.certificates, *prefecture.certificates]
    rate, cpu = await _receive(first, second, CITY, signers, certificates)
    print(f"received and verified, one signature: {rate:,.0f}/s, {cpu:,.0f} per second of CPU")
    envelopes = await PostgresOutboxReader(first).batch(0, count, 2**40)
    relayed = [OutgoingMessage(relayed=each.envelope) for each in envelopes]
    print(f"relayed, sealed and appended: {await _append(second, Outbox(prefecture), relayed, _BATCH):,.0f}/s")
    rate, cpu = await _receive(second, third, PREFECTURE, signers_of(pki), certificates)
    print(f"received and verified, two signatures: {rate:,.0f}/s, {cpu:,.0f} per second of CPU")
    one = own[: count // 10]
    print(
        f"sealed and appended, 1 a transaction, one after another: {await _append(third, Outbox(city), one, 1):,.0f}/s"
    )
    for database in (first, second, third):
        await database.close()


def main() -> None:
    """Makes the databases, measures, and prints."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with running_server() as server, database_factory(server) as make:
        asyncio.run(_bench(server, make, count))


if __name__ == "__main__":
    main()
