"""A node that confirms identities over mutual TLS, with its database, its log, and a body that asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from juki.audit.v1 import audit_service_pb2, audit_service_pb2_grpc
from juki.confirmation.v1 import (
    confirmation_service_pb2,
    confirmation_service_pb2_grpc,
    hand_over_service_pb2,
    hand_over_service_pb2_grpc,
    purpose_service_pb2,
    purpose_service_pb2_grpc,
)
from relying.client import RelyingClient
from services.confirmation.adopting import AdoptedPurposes
from services.confirmation.bulk import MESSAGE_BYTES
from services.confirmation.hand_over_handlers import HandOverHandlers
from services.confirmation.handlers import ConfirmationHandlers
from services.confirmation.pairwise import FileKey, Pairwise
from services.confirmation.purpose_handlers import PurposeHandlers
from services.confirmation.questions import Recorder
from services.confirmation.rules.record import ReportedChange
from services.confirmation.store import PostgresChanges
from services.confirmation.tables import create_confirmation, create_purposes
from services.foundation.audit.log import AuditLog
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.salts import Sealer
from services.foundation.audit.service import AuditService
from services.foundation.audit.table import create_audit
from services.foundation.audit.tile_store import TileStore
from services.foundation.clock import SystemClock
from services.foundation.db.engine import Database
from services.foundation.identity import Tier, node_id
from services.foundation.refusals import Refusal
from services.foundation.rpc.access import any_of, anyone
from services.foundation.rpc.call import Call
from services.foundation.rpc.gate import Gate
from services.foundation.rpc.server import Server
from services.foundation.rpc.trust import TrustStore
from services.foundation.settings import NodeConfig
from tests.certificates import ROOT, Network, make_network
from tests.databases import DatabaseUrls, MakeDatabase
from tests.integration.audit.makers import NODE, ORIGIN, SALT_KEY, SIGNER
from tests.purposes import ordered, write_administrators
from tests.unit.confirmation.makers import NOW

SERVICE = confirmation_service_pb2.DESCRIPTOR.services_by_name["ConfirmationService"]
PURPOSE = purpose_service_pb2.DESCRIPTOR.services_by_name["PurposeService"]
HAND_OVER = hand_over_service_pb2.DESCRIPTOR.services_by_name["HandOverService"]
AUDIT = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"]

GRACE_SECONDS = 1.0
"""How long the node answers although the tier above has another purposes table."""
_ADOPTED = b'"act":"PURPOSES_ADOPTED"'


@dataclass
class Node:
    """The running node, and doors into it that no caller has."""

    network: Network
    port: int
    owner: asyncpg.Connection
    recorded: list[tuple[Call, Refusal]]
    purposes: AdoptedPurposes
    directory: Path
    """Where orders are laid for the node."""

    async def adopt(self, data: bytes, number: int = 2) -> None:
        """Orders a table, and waits until the node has adopted it."""
        ordered(self.directory, data, number=number)
        async with asyncio.timeout(10):
            while self.purposes.newest.order.number != number:  # noqa: ASYNC110 - the node polls, and so does this
                await asyncio.sleep(0.02)

    async def apply(self, changes: Sequence[ReportedChange]) -> None:
        """Puts changes into the node's state as if municipalities had sent them."""
        async with self.owner.transaction():
            store = PostgresChanges(self.owner)
            ledger = await store.load({code for one in changes for code in (one.about, one.resident_code.digits)})
            for one in changes:
                ledger.apply(one, one.municipality.digits, NOW)
            await store.write(ledger)

    async def entries(self) -> list[bytes]:
        """Returns the bytes of the audit entries of calls, in order."""
        return [body for body in await self._bodies() if _ADOPTED not in body]

    async def adoptions(self) -> list[bytes]:
        """Returns the bytes of the audit entries of purposes tables, in order."""
        return [body for body in await self._bodies() if _ADOPTED in body]

    async def _bodies(self) -> list[bytes]:
        return [row[0] for row in await self.owner.fetch("SELECT body FROM audit_entry ORDER BY seq")]


@pytest.fixture
async def database(make_database: MakeDatabase) -> DatabaseUrls:
    urls = make_database("confirm")
    statements: list[str] = []
    create_audit(statements.append, urls.app_role)
    create_confirmation(statements.append, urls.app_role)
    create_purposes(statements.append, urls.app_role)
    owner = await asyncpg.connect(urls.owner)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    return urls


@pytest.fixture
async def node(database: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Node]:
    network = make_network(tmp_path)
    config = NodeConfig(
        node=NODE.name,
        listen="127.0.0.1:0",
        database_url=database.app,
        keys=network.keys(NODE.name),
        trust=network.trust,
        log_directory=tmp_path / "log",
    )
    (network.trust / "logs.vkeys").write_text(f"# logs\n{SIGNER.vkey}\n", encoding="utf-8")
    recorded: list[tuple[Call, Refusal]] = []

    async def record(call: Call, refusal: Refusal) -> None:
        recorded.append((call, refusal))

    access = {
        f"/{service.full_name}/{method.name}": any_of(Tier.RELYING)
        for service in (SERVICE, PURPOSE, HAND_OVER)
        for method in service.methods
    }
    access |= {f"/{AUDIT.full_name}/{method.name}": anyone() for method in AUDIT.methods}
    gate = Gate(
        NODE,
        TrustStore(network.trust, ROOT),
        access,
        record,
        message_bytes={f"/{SERVICE.full_name}/ConfirmBulk": MESSAGE_BYTES},
    )
    pool = await asyncpg.create_pool(database.app, min_size=1, max_size=2)
    owner = await asyncpg.connect(database.owner)
    publisher = Publisher(pool, TileStore(config.log_directory), SIGNER, interval=0.05)
    await publisher.start()
    publishing = asyncio.create_task(publisher.run())
    store = Database(database.app, 2)
    log, clock = AuditLog(NODE, ORIGIN, Sealer(SALT_KEY, ORIGIN)), SystemClock()
    directory = tmp_path / "purposes"
    ordered(directory)
    (tmp_path / "salt.key").write_text("5a" * 32, "ascii")
    pairwise = Pairwise(FileKey(tmp_path, 1))
    administrators = write_administrators(network.trust)
    purposes = AdoptedPurposes(
        directory,
        administrators,
        store,
        log,
        clock,
        pairwise,
        reload=timedelta(seconds=0.05),
        grace=timedelta(seconds=GRACE_SECONDS),
    )
    adopting = asyncio.create_task(purposes.run())
    recorder = Recorder(log, clock, pairwise)
    handlers = ConfirmationHandlers(store, log, purposes, clock, pairwise)
    explaining = PurposeHandlers(store, purposes, recorder, clock)
    handing_over = HandOverHandlers(store, purposes, recorder, clock, pairwise)
    audit = AuditService(pool, TileStore(config.log_directory), SIGNER.vkey)
    server = Server(config, gate)
    server.add(confirmation_service_pb2_grpc.add_ConfirmationServiceServicer_to_server, handlers, SERVICE)
    server.add(purpose_service_pb2_grpc.add_PurposeServiceServicer_to_server, explaining, PURPOSE)
    server.add(hand_over_service_pb2_grpc.add_HandOverServiceServicer_to_server, handing_over, HAND_OVER)
    server.add(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, audit, AUDIT)
    port = await server.start()
    await purposes.ready()
    yield Node(network, port, owner, recorded, purposes, directory)
    await server.stop(0.2)
    await handlers.close()
    for work in (publishing, adopting):
        work.cancel()
    await asyncio.gather(publishing, adopting, return_exceptions=True)
    await store.close()
    await owner.close()
    await pool.close()


Connect = Callable[[str], RelyingClient]


@pytest.fixture
async def connect(node: Node) -> AsyncIterator[Connect]:
    """A function from a body's short name to its client."""
    clients: list[RelyingClient] = []

    def make(body: str) -> RelyingClient:
        keys = node.network.keys(body)
        client = RelyingClient.connect(
            f"localhost:{node.port}", node_id(NODE.name, ROOT).dns_name, keys, node.network.trust
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def pension(connect: Connect) -> RelyingClient:
    return connect("relying/local-pension")


@pytest.fixture
def construction(connect: Connect) -> RelyingClient:
    return connect("relying/construction")
