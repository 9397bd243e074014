"""A service of all four kinds that exists only in these tests, and a node that serves it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from services.foundation.identity import Tier, node_id
from services.foundation.refusals import Kind, Refusal
from services.foundation.rpc.access import Access, above, any_of, within
from services.foundation.rpc.call import Call, current_call
from services.foundation.rpc.gate import Gate
from services.foundation.rpc.server import Server
from services.foundation.rpc.trust import TrustStore
from services.foundation.settings import NodeConfig
from services.foundation.telemetry import Telemetry
from tests.certificates import ROOT, Network, Pair

NAME = "test.EchoService"
KINDS = {"Say": (False, False), "Repeat": (False, True), "Gather": (True, False), "Talk": (True, True)}
NODE = "prefecture/13"
CALLER = "municipal/131016"


def _declare() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="test/echo.proto", package="test", syntax="proto3")
    file.dependency.append("google/api/field_behavior.proto")
    message = file.message_type.add(name="Words")
    for number, name in enumerate(("text", "request_id"), start=1):
        one = message.field.add(name=name, number=number, type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING, label=1)
        if name == "text":
            one.options.Extensions[field_behavior_pb2.field_behavior].append(field_behavior_pb2.REQUIRED)
    service = file.service.add(name="EchoService")
    for method, (from_many, to_many) in {**KINDS, "Forbidden": (False, False)}.items():
        service.method.add(
            name=method,
            input_type=".test.Words",
            output_type=".test.Words",
            client_streaming=from_many,
            server_streaming=to_many,
        )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_pool = _declare()
Words: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName("test.Words"))
SERVICE = _pool.FindServiceByName(NAME)
ACCESS: Access = {
    f"/{NAME}/Say": within(Tier.MUNICIPAL) | any_of(Tier.RELYING),
    f"/{NAME}/Repeat": within(Tier.MUNICIPAL),
    f"/{NAME}/Gather": within(Tier.MUNICIPAL),
    f"/{NAME}/Talk": within(Tier.MUNICIPAL),
    f"/{NAME}/Forbidden": above(Tier.AGENCY),
}


class Refused(Refusal):
    """A refusal of a handler."""

    kind = Kind.WRONG_STATE
    reason = "REFUSED_BY_HANDLER"


@dataclass
class Echo:
    """Answers with what it was told; some words make it fail."""

    seen: list[Call] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        self.seen.append(current_call())
        if request.text == "refuse":
            raise Refused("say something else", word="refuse")
        if request.text == "fail":
            raise RuntimeError("a secret: 31415926535")
        if request.text == "lose the store":
            raise ConnectionRefusedError
        if request.text == "abort":
            await context.abort(grpc.StatusCode.DATA_LOSS, "aborted by the handler")
        if request.text == "slow":
            self.waiting.set()
            await asyncio.sleep(0.5)
        if request.text == "wait":
            self.waiting.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        return Words(text=request.text)

    async def repeat(self, request: Any, _context: object) -> AsyncIterator[Any]:
        self.seen.append(current_call())
        with contextlib.suppress(GeneratorExit):
            while True:
                yield Words(text=request.text)
                await asyncio.sleep(0.02)

    async def gather(self, requests: AsyncIterator[Any], _context: object) -> Any:
        texts = [request.text async for request in requests]
        self.seen.append(current_call())
        return Words(text=" ".join(texts))

    async def talk(self, requests: AsyncIterator[Any], _context: object) -> AsyncIterator[Any]:
        async for request in requests:
            if request.text == "fail in a group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.say(Words(text="refuse"), _context))  # type: ignore[arg-type]
            yield Words(text=request.text)


def register(echo: Echo, server: grpc.aio.Server) -> None:
    """Stands for a generated `add_..._to_server`."""
    coders = {"request_deserializer": Words.FromString, "response_serializer": Words.SerializeToString}
    handlers = {
        "Say": grpc.unary_unary_rpc_method_handler(echo.say, **coders),
        "Repeat": grpc.unary_stream_rpc_method_handler(echo.repeat, **coders),
        "Gather": grpc.stream_unary_rpc_method_handler(echo.gather, **coders),
        "Talk": grpc.stream_stream_rpc_method_handler(echo.talk, **coders),
        "Forbidden": grpc.unary_unary_rpc_method_handler(echo.say, **coders),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))


class Stub:
    """What protoc would generate for a client."""

    def __init__(self, channel: Any, *more: str) -> None:
        unary = dict.fromkeys(("Forbidden", *more), (False, False))
        for method, (from_many, to_many) in {**KINDS, **unary}.items():
            kind = f"{'stream' if from_many else 'unary'}_{'stream' if to_many else 'unary'}"
            coders = {"request_serializer": _plain, "response_deserializer": Words.FromString}
            setattr(self, method.lower(), getattr(channel, kind)(f"/{NAME}/{method}", **coders))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _plain(request: Any) -> bytes:
    """Serializes a message; bytes go as they are, so that a test can send what is no message."""
    return request if isinstance(request, bytes) else bytes(request.SerializeToString())


@dataclass
class Node:
    """A running node."""

    network: Network
    config: NodeConfig
    server: Server
    gate: Gate
    echo: Echo
    recorded: list[tuple[Call, Refusal]]
    port: int

    def channel(self, pair: Pair, server_name: str = "") -> grpc.aio.Channel:
        """A bare channel that shows a certificate."""
        credentials = grpc.ssl_channel_credentials(self.network.root.leaf_pem, pair.key_pem, pair.certificate_pem)
        name = server_name or node_id(NODE, ROOT).dns_name
        return grpc.aio.secure_channel(
            f"localhost:{self.port}",
            credentials,
            [("grpc.ssl_target_name_override", name), ("grpc.max_send_message_length", 64 * 1024 * 1024)],
        )


def config_of(network: Network, node: str, **settings: Any) -> NodeConfig:
    """Settings of a node with a fresh certificate."""
    keys = network.directory / node.replace("/", "-")
    if not (keys / "tls").exists():
        network.keys(node)
    return NodeConfig(
        **{
            "node": node,
            "listen": "127.0.0.1:0",
            "database_url": "",
            "keys": keys,
            "trust": network.trust,
            "log_directory": Path("unused"),
            **settings,
        }
    )


@asynccontextmanager
async def running(
    network: Network,
    *,
    access: Access = ACCESS,
    telemetry: Telemetry | None = None,
    recorder: Callable[[Call, Refusal], Any] | None = None,
    message_bytes: dict[str, int] | None = None,
    standing: Callable[[str], None] | None = None,
    **settings: Any,
) -> AsyncIterator[Node]:
    """Runs a node of the network that serves the echo."""
    recorded: list[tuple[Call, Refusal]] = []

    async def record(call: Call, refusal: Refusal) -> None:
        recorded.append((call, refusal))

    config = config_of(network, NODE, **settings)
    trust = TrustStore.for_node(config)
    gate = Gate.for_node(
        config,
        trust,
        access,
        recorder or record,
        telemetry=telemetry,
        message_bytes=message_bytes,
        standing=standing,
    )
    echo = Echo()
    server = Server(config, gate).add(register, echo, SERVICE)
    port = await server.start()
    try:
        yield Node(network, config, server, gate, echo, recorded, port)
    finally:
        await server.stop(0.2)
