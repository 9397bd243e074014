"""How tools of this run call its nodes: mutual TLS with a client's own keys, and the health question."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from deploy.local.layout import Layout
from deploy.local.topology import Node
from services.foundation.identity import NodeId

_ATTEMPT_S = 2.0


def open_channel(layout: Layout, caller: NodeId, node: Node) -> grpc.aio.Channel:
    """Opens a channel to a node as `caller`; the node is verified by its own DNS name, so no other can pass for it."""
    keys = layout.keys(caller)
    credentials = grpc.ssl_channel_credentials(
        (layout.trust / "roots.crt").read_bytes(), (keys / "tls.key").read_bytes(), (keys / "tls.crt").read_bytes()
    )
    options = [("grpc.ssl_target_name_override", node.identity.dns_name), ("grpc.enable_retries", 0)]
    return grpc.aio.secure_channel(node.address, credentials, options=options)


async def is_listening(port: int) -> bool:
    """Tells whether something takes connections on a port of this machine."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def is_healthy(channel: grpc.aio.Channel) -> bool:
    """Asks the node's health service (grpc.health.v1) whether it serves."""
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        answer: health_pb2.HealthCheckResponse = await check(health_pb2.HealthCheckRequest(), timeout=_ATTEMPT_S)
    except grpc.aio.AioRpcError:
        return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING
