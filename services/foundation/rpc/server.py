"""A node's server: mutual TLS, the gate, health, reflection; how it starts, drains and stops."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.foundation.rpc.access import check_complete
from services.foundation.rpc.channel import MESSAGE_CEILING
from services.foundation.rpc.credentials import CredentialSource, server_credentials
from services.foundation.rpc.gate import Gate
from services.foundation.rpc.refusals import PortTaken
from services.foundation.settings import NodeConfig
from services.foundation.telemetry.metrics import Gauge

_log = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0
"""How long calls under way may still take when the server stops."""
_METADATA_BYTES = 16 * 1024
_HOUR = 3_600_000

_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_concurrent_streams", 100),
    # The C core counts streams that have ended until Python lets go of them, and would refuse calls of a client that
    # keeps well below the limit.
    ("grpc.http.overload_protection", 0),
    ("grpc.max_metadata_size", _METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", _METADATA_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_CEILING),
    ("grpc.max_send_message_length", MESSAGE_CEILING),
    # A few kilobytes of gzip become sixteen mebibytes in each of a hundred streams: messages come as they are.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.keepalive_time_ms", 120_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    # Connections end after an hour, so that every peer comes to show its present certificate; calls end in peace.
    ("grpc.max_connection_age_ms", _HOUR),
    ("grpc.max_connection_age_grace_ms", _HOUR),
    # Two processes on one port would share its calls without a word.
    ("grpc.so_reuseport", 0),
)


class Server:
    """Serves what is added to it on `config.listen`, each method behind the gate."""

    def __init__(self, config: NodeConfig, gate: Gate) -> None:
        self._config = config
        self.gate = gate
        self._source = CredentialSource(config.keys, config.trust)
        self._server = grpc.aio.server(interceptors=[gate], options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        self._services: list[ServiceDescriptor] = []
        self._watching: asyncio.Task[None] | None = None
        self.started = asyncio.Event()
        """Set once calls are answered."""
        self.port = 0
        """The port served on, once started."""

    def add(self, register: Callable[[Any, Any], None], servicer: object, service: ServiceDescriptor) -> Server:
        """Adds a servicer with its generated `add_..._to_server` and its descriptor; returns the server."""
        register(servicer, self._server)
        self._services.append(service)
        return self

    async def start(self) -> int:
        """Serves from now on and returns the port.

        Refuses ACCESS_INCOMPLETE when a method has no row, CREDENTIALS_UNREADABLE or ISSUER_NOT_TRUSTED when the
        node's own certificate is of no use, and PORT_TAKEN.
        """
        check_complete(self.gate.access, self._services)
        leaf, *chain = self._source.current().certificates()
        self.gate.trust.issuer_of(leaf, chain)
        await self._add_common()
        self.port = self._bind()
        await self._server.start()
        self._watching = asyncio.create_task(self.gate.trust.watch())
        self._add_gauges()
        self.started.set()
        _log.info("server.started", extra={"address": self._config.listen, "port": self.port})
        return self.port

    async def set_serving(self, service: str, serving: bool) -> None:
        """Says to those who ask for health whether a service, by its full name, can be used."""
        states = health_pb2.HealthCheckResponse
        await self._health.set(service, states.SERVING if serving else states.NOT_SERVING)

    async def serve(self) -> None:
        """Starts, serves until SIGTERM or SIGINT, and stops."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            await self.start()
            await stopping.wait()
        finally:
            await self.stop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def stop(self, seconds: float = DRAIN_SECONDS) -> None:
        """Takes no more calls, lets those under way end for so many seconds, cuts the rest."""
        _log.info("server.stopping", extra={"port": self.port})
        await self._health.enter_graceful_shutdown()
        await self._server.stop(seconds)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.gate.settle()

    async def _add_common(self) -> None:
        names = [service.full_name for service in self._services]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for name in names:
            await self.set_serving(name, True)
        if self._config.reflection:
            common = [health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection([*names, *common], self._server)

    def _bind(self) -> int:
        try:
            return self._server.add_secure_port(self._config.listen, server_credentials(self._source))
        except RuntimeError:
            raise PortTaken(
                "stop what listens there, or give the node another address", address=self._config.listen
            ) from None

    def _add_gauges(self) -> None:
        telemetry, trust = self.gate.telemetry, self.gate.trust
        telemetry.gauge(
            Gauge(
                "juki.trust.overdue_lists",
                "{list}",
                "Revocation lists past their next update.",
                lambda: [(len(trust.overdue_lists()), {})],
            )
        )
        telemetry.gauge(
            Gauge("juki.tls.remaining", "s", "Time until the node's own certificate expires.", self._read_remaining)
        )

    def _read_remaining(self) -> list[tuple[float, dict[str, str]]]:
        remaining = self._source.current().expires_at() - datetime.now(UTC)
        return [(remaining.total_seconds(), {})]
