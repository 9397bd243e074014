"""How a node calls its neighbours: as itself, to nobody else, always with a deadline, and with refusals for errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import grpc

from services.foundation.identity import NodeId, node_id
from services.foundation.rpc.credentials import Credentials, CredentialSource, channel_credentials
from services.foundation.rpc.outcall import Outcall, StreamCall, UnaryCall
from services.foundation.rpc.refusals import NeighbourUnknown, NodeSuspended
from services.foundation.rpc.trust import TrustStore
from services.foundation.settings import NodeConfig
from services.foundation.telemetry import Telemetry

DEADLINE_SECONDS = 10.0
"""Deadline of a call that names none."""
MESSAGE_CEILING = 16 * 1024 * 1024
"""Most bytes of a message that gRPC itself takes in; the limits that answer with a reason lie below."""

UNARY_AT_ONCE = 50
"""Unary calls under way on one channel.

A server takes a hundred streams on a connection and counts one until its last bytes are written, by when this side may
have begun the next; at half the number no stream is refused for that.
"""

_LOOK_SECONDS = 1.0
"""How often a channel looks whether the node's certificate was replaced."""
_DRAIN_SECONDS = 3600.0
"""How long the calls of a replaced channel may still take."""
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_CEILING),
    ("grpc.max_send_message_length", MESSAGE_CEILING),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Retries are ours, so that they are seen and keep to the deadline.
    ("grpc.enable_retries", 0),
    # A channel shares no connection with one that showed another certificate.
    ("grpc.use_local_subchannel_pool", 1),
)


class Channels:
    """Channels to the neighbours that the settings name.

    A channel verifies that the server's certificate carries the neighbour's DNS name, and is replaced when the node's
    own certificate is: calls under way end on the old one. Give `trust` to call no suspended neighbour.
    """

    def __init__(
        self, config: NodeConfig, *, trust: TrustStore | None = None, telemetry: Telemetry | None = None
    ) -> None:
        self._config = config
        self._trust = trust
        self._telemetry = telemetry or Telemetry()
        self._source = CredentialSource(config.keys, config.trust)
        self._channels: dict[str, NeighbourChannel] = {}

    def to(self, neighbour: str) -> NeighbourChannel:
        """Returns the channel to a neighbour (`agency/national`), for a generated stub; refuses NEIGHBOUR_UNKNOWN."""
        channel = self._channels.get(neighbour)
        if channel is None:
            address = self._config.neighbours.get(neighbour)
            if address is None:
                raise NeighbourUnknown("add the neighbour's address to the settings", neighbour=neighbour)
            identity = node_id(neighbour, self._config.trust_domain_root)
            channel = NeighbourChannel(identity, address, self._source, self._trust, self._telemetry)
            self._channels[neighbour] = channel
        return channel

    async def close(self) -> None:
        """Closes every channel; calls under way fail."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))


class NeighbourChannel(grpc.aio.Channel):
    """A channel to one neighbour, for generated stubs.

    `await stub.Method(request, timeout=seconds)` answers, or refuses: with the neighbour's own refusal
    (RemoteRefusal), with NEIGHBOUR_UNREACHABLE or with NEIGHBOUR_FAILED. Unary calls are tried again on UNAVAILABLE
    until the deadline, so they need to be idempotent. Streams are asynchronous iterators on both sides.
    """

    def __init__(
        self,
        neighbour: NodeId,
        address: str,
        source: CredentialSource,
        trust: TrustStore | None,
        telemetry: Telemetry,
    ) -> None:
        self.neighbour = neighbour
        self._address = address
        self._source = source
        self._trust = trust
        self._telemetry = telemetry
        self._looked = 0.0
        self._credentials: Credentials | None = None
        self._present: grpc.aio.Channel | None = None
        self._draining: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(UNARY_AT_ONCE)

    def unary_unary(self, method: str, *serializers: Any, **options: Any) -> Any:
        """Returns a method that takes a request and answers with a response."""
        return UnaryCall(self._outcall("unary_unary", method, serializers, options))

    def stream_unary(self, method: str, *serializers: Any, **options: Any) -> Any:
        """Returns a method that takes an iterator of requests and answers with a response; it is not tried again."""
        return UnaryCall(self._outcall("stream_unary", method, serializers, options), attempts=1)

    def unary_stream(self, method: str, *serializers: Any, **options: Any) -> Any:
        """Returns a method that takes a request and answers with an iterator of responses."""
        return StreamCall(self._outcall("unary_stream", method, serializers, options))

    def stream_stream(self, method: str, *serializers: Any, **options: Any) -> Any:
        """Returns a method that takes an iterator of requests and answers with an iterator of responses."""
        return StreamCall(self._outcall("stream_stream", method, serializers, options))

    async def close(self, grace: float | None = None) -> None:
        """Closes the channel; calls under way have `grace` seconds."""
        for task in self._draining:
            task.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        if self._present is not None:
            await self._present.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Returns the state of the connection."""
        return self.present().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the connection's state is another than the one given."""
        await self.present().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when the neighbour is connected."""
        await self.present().channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def present(self) -> grpc.aio.Channel:
        """Returns the channel that shows the node's present certificate; refuses NODE_SUSPENDED."""
        if self._trust is not None and self._trust.is_suspended(self.neighbour):
            raise NodeSuspended("do not call the node until its suspension is lifted", peer=self.neighbour.name)
        now = time.monotonic()
        if self._present is None or now - self._looked > _LOOK_SECONDS:
            self._looked = now
            self._present = self._renewed(self._present, self._source.current())
        return self._present

    def _renewed(self, present: grpc.aio.Channel | None, credentials: Credentials) -> grpc.aio.Channel:
        """Returns a channel that shows these credentials; one that shows others takes no more calls and drains."""
        if present is not None:
            if credentials is self._credentials:
                return present
            draining = asyncio.ensure_future(present.close(_DRAIN_SECONDS))
            self._draining.add(draining)
            draining.add_done_callback(self._draining.discard)
        self._credentials = credentials
        options = [*_OPTIONS, ("grpc.ssl_target_name_override", self.neighbour.dns_name)]
        return grpc.aio.secure_channel(self._address, channel_credentials(credentials), options)

    def _outcall(self, kind: str, method: str, serializers: Sequence[Any], options: dict[str, Any]) -> Outcall:
        def bind() -> Callable[..., Any]:
            bound: Callable[..., Any] = getattr(self.present(), kind)(method, *serializers, **options)
            return bound

        return Outcall(self.neighbour, method, bind, DEADLINE_SECONDS, self._telemetry, self._places)
