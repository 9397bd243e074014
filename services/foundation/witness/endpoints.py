"""How a log reaches a witness: another node over mutual TLS, or one that runs alone over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import ssl
from typing import Protocol
from urllib.parse import urlsplit

from juki.witness.v1 import witness_service_pb2 as pb
from juki.witness.v1 import witness_service_pb2_grpc as rpc
from services.foundation.identity import NodeId
from services.foundation.rpc.channel import NeighbourChannel
from services.foundation.witness.refusals import WitnessUnusable
from services.foundation.witness.rules import Answer, Status

_ANSWER_LIMIT = 1 << 20
_NOT_FOUND = 404
_OK = 200


class Endpoint(Protocol):
    """A witness as a log sees it; each call refuses WITNESS_UNUSABLE, or as the channel does, or raises OSError."""

    async def add_checkpoint(self, request: str, seconds: float) -> Answer:
        """Sends a request and returns the answer, within `seconds`."""
        ...

    async def checkpoint(self, origin: str, seconds: float) -> str | None:
        """Returns the newest checkpoint that the witness holds of a log, within `seconds`."""
        ...


class NodeEndpoint:
    """Another node of the network."""

    def __init__(self, node: NodeId, channel: NeighbourChannel) -> None:
        self.name = node.name
        self._stub: rpc.WitnessServiceAsyncStub = rpc.WitnessServiceStub(channel)

    async def add_checkpoint(self, request: str, seconds: float) -> Answer:
        """Sends a request and returns the answer, within `seconds`."""
        answer = await self._stub.AddCheckpoint(pb.AddCheckpointRequest(request=request), timeout=seconds)
        return Answer(_status(answer.outcome), answer.body)

    async def checkpoint(self, origin: str, seconds: float) -> str | None:
        """Returns the newest checkpoint that the witness holds of a log, within `seconds`."""
        answer = await self._stub.GetCheckpoint(pb.GetCheckpointRequest(origin=origin), timeout=seconds)
        return answer.checkpoint or None


class HttpEndpoint:
    """A witness behind `http://host:port/prefix` or `https://`, C2SP tlog-witness."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WitnessUnusable("give the witness an http or https address in the policy", what=parts.scheme)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self.name = f"{parts.hostname}:{parts.port or parts.scheme}"

    async def add_checkpoint(self, request: str, seconds: float) -> Answer:
        """Sends a request and returns the answer, within `seconds`."""
        code, body = await asyncio.to_thread(self._ask, "POST", "/add-checkpoint", request.encode(), seconds)
        return Answer(_status(code), body)

    async def checkpoint(self, origin: str, seconds: float) -> str | None:
        """Returns the newest checkpoint that the witness holds of a log, within `seconds`."""
        path = f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
        code, body = await asyncio.to_thread(self._ask, "GET", path, None, seconds)
        if code not in (_OK, _NOT_FOUND):
            raise WitnessUnusable("look into the witness's log", what=code)
        return body if code == _OK else None

    def _ask(self, method: str, path: str, body: bytes | None, seconds: float) -> tuple[int, str]:
        connection = self._connection(seconds)
        try:
            connection.request(method, self._prefix + path, body)
            response = connection.getresponse()
            content = response.read(_ANSWER_LIMIT)
            return response.status, content.decode()
        except (http.client.HTTPException, UnicodeDecodeError) as error:
            raise WitnessUnusable("look into the witness's log", what=type(error).__name__) from None
        finally:
            connection.close()

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=seconds)


def _status(code: int) -> Status:
    try:
        return Status(code)
    except ValueError:
        raise WitnessUnusable("look into the witness's log", what=code) from None
