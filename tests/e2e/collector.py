"""A collector that keeps what nodes send it over OTLP/gRPC."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"
_METRICS = "opentelemetry.proto.collector.metrics.v1.MetricsService"


@dataclass(frozen=True, slots=True)
class Span:
    """What a span says of itself."""

    node: str
    name: str
    trace_id: str
    attributes: tuple[str, ...]


@dataclass
class Collector:
    """Everything that came, as it came."""

    endpoint: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _traces: list[bytes] = field(default_factory=list)
    _metrics: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Span]:
        """Returns the spans that came so far."""
        with self._lock:
            requests = [ExportTraceServiceRequest.FromString(raw) for raw in self._traces]
        return [
            Span(
                next(one.value.string_value for one in group.resource.attributes if one.key == "service.instance.id"),
                span.name,
                span.trace_id.hex(),
                tuple(f"{one.key}={one.value}" for one in span.attributes),
            )
            for request in requests
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def received(self) -> bytes:
        """Returns the bytes of all that came, for a search."""
        with self._lock:
            return b"\n".join([*self._traces, *self._metrics])

    def has_metric(self, name: str) -> bool:
        """Tells whether a metric of that name came."""
        with self._lock:
            return any(name.encode() in raw for raw in self._metrics)

    def keep(self, kept: list[bytes]) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Returns the handler that keeps requests of one kind."""

        def export(request: bytes, _context: grpc.ServicerContext) -> bytes:
            with self._lock:
                kept.append(request)
            return b""

        return grpc.unary_unary_rpc_method_handler(export)

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Returns the services of a collector."""
        return tuple(
            grpc.method_handlers_generic_handler(service, {"Export": self.keep(kept)})
            for service, kept in ((_TRACES, self._traces), (_METRICS, self._metrics))
        )


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Yields a collector on a free port of the loopback address."""
    server = grpc.server(ThreadPoolExecutor(4))
    port = server.add_insecure_port("127.0.0.1:0")
    collector = Collector(f"http://127.0.0.1:{port}")
    server.add_generic_rpc_handlers(collector.handlers())
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()
