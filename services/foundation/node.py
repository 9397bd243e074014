"""How a node stands up, and in which order it stops: the part of the composition that all tiers share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import asyncpg
from google.protobuf.descriptor import ServiceDescriptor

from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.audit.v1 import audit_service_pb2_grpc as audit_grpc
from juki.witness.v1 import witness_service_pb2 as witness_pb
from juki.witness.v1 import witness_service_pb2_grpc as witness_grpc
from services.foundation import telemetry
from services.foundation.audit.log import AuditLog
from services.foundation.audit.note import NoteSigner
from services.foundation.audit.policy import load_policy
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.salts import load_sealer
from services.foundation.audit.service import AuditService
from services.foundation.audit.tile_store import TileStore
from services.foundation.clock import Clock, SystemClock
from services.foundation.db.durability import require_durable
from services.foundation.db.engine import Database
from services.foundation.exchange.envelope import EnvelopeSigner
from services.foundation.exchange.signers import Signers
from services.foundation.identity import log_origin, parse_spiffe_id
from services.foundation.journal import Journal
from services.foundation.keys import load_ed25519
from services.foundation.refusals import StoreUnreachable
from services.foundation.rpc.access import Access
from services.foundation.rpc.channel import Channels
from services.foundation.rpc.gate import Gate
from services.foundation.rpc.server import Server
from services.foundation.rpc.trust import TrustStore
from services.foundation.settings import NodeConfig
from services.foundation.telemetry.metrics import Gauge
from services.foundation.witness.endpoints import Endpoint, HttpEndpoint, NodeEndpoint
from services.foundation.witness.keys import load_cosigner, witness_name
from services.foundation.witness.service import WitnessService
from services.foundation.witness.store import PostgresWitnessStore
from services.foundation.witness.witness import LogKeys, Witness
from services.foundation.witness.witnessing import Witnessing

_log = logging.getLogger(__name__)

_LOG_CONNECTIONS = 4
_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 60.0
_UNWITNESSED = ("/juki.audit.v1.", "/juki.witness.v1.", "/juki.exchange.v1.StreamStatusService/List")
"""What is answered also while the node's own log goes without witnesses: whatever shows how it stands."""


class Node:
    """One node's parts; a tier's `app.py` adds its services and its background work, then calls `run`.

    Opening reads keys and settings and connects to nothing; `run` connects, proves the log, serves, and stops in order.
    """

    def __init__(
        self,
        config: NodeConfig,
        access: Access,
        *,
        message_bytes: Mapping[str, int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.identity = config.identity
        self.clock = clock or SystemClock()
        self.telemetry = telemetry.start(config)
        self.database = Database(config.database_url, config.database_connections)
        origin = log_origin(self.identity, config.trust_domain_root)
        self.log = AuditLog(self.identity, origin, load_sealer(config.keys / "salt.key", origin))
        self.journal = Journal(self.log, self.database, self.clock)
        self.trust = TrustStore.for_node(config, clock=self.clock)
        self.channels = Channels(config, trust=self.trust, telemetry=self.telemetry)
        self.gate = Gate.for_node(
            config,
            self.trust,
            access,
            self.journal.record_refusal,
            message_bytes=message_bytes,
            telemetry=self.telemetry,
            standing=self._check_witnessed,
        )
        self.server = Server(config, self.gate)
        self._note_signer = NoteSigner(origin, load_ed25519(config.keys / "log.key"))
        self._tiles = TileStore(config.log_directory)
        self._policy = load_policy(Path(config.witness_policy)) if config.witness_policy else None
        self._cosigner = load_cosigner(witness_name(self.identity, config.trust_domain_root), config.keys)
        self._witnessing: Witnessing | None = None
        self._background: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        self._closing: list[Callable[[], Awaitable[None]]] = []

    def serve(self, register: Callable[[Any, Any], None], servicer: object, service: ServiceDescriptor) -> Self:
        """Adds a servicer with its generated `add_..._to_server` and its descriptor."""
        self.server.add(register, servicer, service)
        return self

    def background(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> Self:
        """Adds work that runs beside the server until it stops; an error of it stops the node."""
        self._background.append((name, work))
        return self

    def on_close(self, close: Callable[[], Awaitable[None]]) -> Self:
        """Adds what is to be closed after the last answer, in reverse order of adding."""
        self._closing.append(close)
        return self

    def envelope_signer(self) -> EnvelopeSigner:
        """Returns the signer of this node's stream."""
        return EnvelopeSigner.load(self.identity.name, self.config.keys)

    def signers(self) -> Signers:
        """Returns what verifies the streams of others."""
        return Signers.load(self.config.trust, self.config.trust_domain_root, self.clock, self.trust.is_revoked)

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT.

        Refuses to start, with STORE_UNREACHABLE, DATABASE_NOT_DURABLE, LOG_TAMPERED, LOG_ROLLED_BACK, PORT_TAKEN and
        those of the keys, before any call is answered. Stops in the order server, background work, waiting audit
        entries, last checkpoint, connections.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.telemetry.stop)
            stack.push_async_callback(self.channels.close)
            stack.push_async_callback(self.database.close)
            if self.config.durable_database:
                await require_durable(self.database)
            pool = await self._log_pool()
            stack.push_async_callback(pool.close)
            self._witnessing = self._witnessed_by(pool)
            publisher = Publisher(
                pool,
                self._tiles,
                self._note_signer,
                interval=self.config.publish_seconds,
                witnessing=self._witnessing,
            )
            await publisher.start()
            stack.push_async_callback(publisher.publish)
            stack.push_async_callback(self.journal.close)
            for close in self._closing:
                stack.push_async_callback(close)
            self._serve_log(pool, publisher)
            self._serve_witness(pool)
            await self._serve_with({"audit.publisher": publisher.run, **dict(self._background)})

    async def _serve_with(self, works: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        serving = asyncio.create_task(self.server.serve(), name="server")
        tasks = [serving, *(asyncio.create_task(work(), name=name) for name, work in works.items())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The server first, so that no call comes in while what it needs is going away.
            for task in tasks:
                task.cancel()
                results = await asyncio.gather(task, return_exceptions=True)
                if isinstance(results[0], Exception):
                    _log.error("node.work_failed", extra={"work": task.get_name(), "error": type(results[0]).__name__})
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _serve_log(self, pool: asyncpg.Pool[asyncpg.Record], publisher: Publisher) -> None:
        service = AuditService(pool, self._tiles, self._note_signer.vkey, witnessed=self._witnessing is not None)
        descriptor = audit_pb.DESCRIPTOR.services_by_name["AuditService"]
        self.serve(audit_grpc.add_AuditServiceServicer_to_server, service, descriptor)
        self.telemetry.gauge(
            Gauge(
                "juki.log.published",
                "{entry}",
                "Entries that the newest checkpoint covers.",
                lambda: [(publisher.published_size, {})],
            )
        )

    def _serve_witness(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        keys = LogKeys(self.config.trust / "logs.vkeys")
        service = WitnessService(Witness(self._cosigner, keys, PostgresWitnessStore(pool), self.clock))
        descriptor = witness_pb.DESCRIPTOR.services_by_name["WitnessService"]
        self.serve(witness_grpc.add_WitnessServiceServicer_to_server, service, descriptor)

    def _witnessed_by(self, pool: asyncpg.Pool[asyncpg.Record]) -> Witnessing | None:
        if self._policy is None:
            return None
        witnessing = Witnessing(
            self._policy,
            self._note_signer.name,
            pool,
            self._witness,
            self.clock,
            alarm=timedelta(seconds=self.config.witness_alarm_seconds),
            refuse=timedelta(seconds=self.config.witness_refuse_seconds),
        )
        freshness = witnessing.freshness
        self.telemetry.gauge(
            Gauge(
                "juki.log.witness_age",
                "s",
                "Age of the newest checkpoint that the log's witnesses cosigned.",
                lambda: [(freshness.age.total_seconds(), {})],
            )
        )
        return witnessing

    def _witness(self, url: str) -> Endpoint:
        """Returns the witness at an address of the policy: a node's SPIFFE id, or an HTTP prefix."""
        if not url.startswith("spiffe://"):
            return HttpEndpoint(url)
        node = parse_spiffe_id(url, self.config.trust_domain_root)
        return NodeEndpoint(node, self.channels.to(node.name))

    def _check_witnessed(self, method: str) -> None:
        if self._witnessing is not None and not method.startswith(_UNWITNESSED):
            self._witnessing.freshness.check()

    async def _log_pool(self) -> asyncpg.Pool[asyncpg.Record]:
        try:
            return await asyncpg.create_pool(
                self.config.database_url,
                min_size=1,
                max_size=_LOG_CONNECTIONS,
                timeout=_CONNECT_SECONDS,
                command_timeout=_STATEMENT_SECONDS,
                server_settings={"application_name": "jukinet-log"},
            )
        except (OSError, asyncpg.PostgresError) as error:
            raise StoreUnreachable("start the database, or mend database_url", cause=type(error).__name__) from error
