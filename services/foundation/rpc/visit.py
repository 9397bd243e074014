"""One call on its way through the gate: what is known of it so far, and how it ends."""

from __future__ import annotations

import time
import uuid
from typing import Any, cast

import grpc

from services.foundation.identity import NodeId
from services.foundation.refusals import Refusal
from services.foundation.rpc.call import CURRENT_CALL, Call
from services.foundation.rpc.guard import AuthContext, Peer
from services.foundation.telemetry import Telemetry
from services.foundation.telemetry.traces import HEADER, Span, SpanKind, enter


class Visit:
    """A call under way."""

    __slots__ = (
        "_began",
        "_call",
        "_request",
        "_request_id",
        "_span",
        "_telemetry",
        "connection",
        "context",
        "cut",
        "method",
        "peer",
    )

    def __init__(self, method: str, context: grpc.aio.ServicerContext[Any, Any], telemetry: Telemetry) -> None:
        self.method = method
        self.context = context
        self.connection: AuthContext = context.auth_context()
        self.peer: Peer | None = None
        self.cut: Refusal | None = None
        """Why the gate cut the open call; None while it did not."""
        self._call: Call | None = None
        self._request = b""
        self._request_id = ""
        self._telemetry = telemetry
        self._began = time.perf_counter() if telemetry.enabled else 0.0
        self._span = self._begin_span()
        enter(self._span.traceparent)

    @property
    def caller(self) -> NodeId:
        """Who calls; raises LookupError before that is known."""
        if self.peer is None:
            raise LookupError("the call has no identified peer")
        return self.peer.identity

    @property
    def call(self) -> Call:
        """The facts of the call as they are now; raises LookupError before the peer is known."""
        if self._call is None:
            caller, peer = self.caller, cast("Peer", self.peer)
            self._request_id = self._request_id or str(uuid.uuid4())
            self._call = Call(
                peer=caller,
                method=self.method,
                request_id=self._request_id,
                request=self._request,
                tls_version=peer.tls_version,
                tls_group=peer.tls_group,
                traceparent=self._span.traceparent,
            )
        return self._call

    def receive(self, request: bytes) -> None:
        """Notes the bytes of a request, of which nothing is known yet."""
        self._request = request
        self._call = None

    def publish(self, request_id: str = "") -> None:
        """Lets the handler see the facts of the call; a stream keeps the request id that it began with."""
        self._request_id = request_id or self._request_id
        CURRENT_CALL.set(self.call)

    def end(self, status: str, reason: str = "") -> None:
        """Ends the call's span and counts it."""
        attributes: dict[str, object] = {}
        if self._telemetry.enabled:
            self._telemetry.metrics.served(self.method, status, time.perf_counter() - self._began)
            attributes["reason"] = reason
            if self.peer is not None:
                attributes |= {"peer": self.caller.name, "request_id": self.call.request_id}
        self._span.end(status, attributes)

    def _begin_span(self) -> Span:
        parent = ""
        for key, value in self.context.invocation_metadata() or ():
            if key == HEADER and isinstance(value, str):
                parent = value
        return self._telemetry.begin(
            self.method.removeprefix("/"), SpanKind.SERVER, parent, {"rpc.system": "grpc", "rpc.method": self.method}
        )
