"""Traces and metrics sent to an OpenTelemetry collector over OTLP/gRPC."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from services.foundation.telemetry.attributes import permitted
from services.foundation.telemetry.metrics import Gauge
from services.foundation.telemetry.traces import Span, SpanKind, is_traceparent

_KINDS = {
    SpanKind.SERVER: trace.SpanKind.SERVER,
    SpanKind.CLIENT: trace.SpanKind.CLIENT,
    SpanKind.INTERNAL: trace.SpanKind.INTERNAL,
}
_EXPORT_MILLISECONDS = 5_000
_STOP_SECONDS = 3.0


class _Recorded:
    """A span that is sent when it ends."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, begun: trace.Span) -> None:
        self._span = begun
        context = begun.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, status: str, attributes: Mapping[str, object] | None = None) -> None:
        """Ends the span; any status but OK marks it as an error, without a text."""
        if attributes:
            self._span.set_attributes(permitted(attributes))
        if status != "OK":
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attribute("status", status)
        self._span.end()


class Exporting:
    """Tracer and metrics that send to a collector; what it does not take in time is dropped, never waited for."""

    def __init__(self, node: str, endpoint: str) -> None:
        insecure = not endpoint.startswith("https://")
        resource = Resource.create({"service.name": f"juki.{node.partition('/')[0]}", "service.instance.id": node})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=insecure)))
        self._tracer = self._traces.get_tracer("juki")
        exporter = OTLPMetricExporter(endpoint=endpoint, insecure=insecure)
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=_EXPORT_MILLISECONDS)
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._meter = self._meters.get_meter("juki")
        self._served = self._meter.create_histogram("rpc.server.duration", "s", "Time to answer a call.")
        self._called = self._meter.create_histogram("rpc.client.duration", "s", "Time until a call was answered.")

    def begin(self, name: str, kind: SpanKind, parent: str, attributes: Mapping[str, object]) -> Span:
        """Begins a recorded span under `parent`, a trace context that may be another node's."""
        context = trace.set_span_in_context(NonRecordingSpan(_context_of(parent))) if is_traceparent(parent) else None
        return _Recorded(
            self._tracer.start_span(name, context, _KINDS[kind], permitted(attributes), record_exception=False)
        )

    def served(self, method: str, status: str, seconds: float) -> None:
        """Counts a call that this node answered."""
        self._served.record(seconds, {"rpc.method": method, "rpc.grpc.status_code": status})

    def called(self, method: str, status: str, seconds: float) -> None:
        """Counts a call that this node made."""
        self._called.record(seconds, {"rpc.method": method, "rpc.grpc.status_code": status})

    def gauge(self, gauge: Gauge) -> None:
        """Has a gauge read at each export."""

        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, permitted(labels)) for value, labels in gauge.read()]

        self._meter.create_observable_gauge(gauge.name, [observe], gauge.unit, gauge.description)

    def stop(self) -> None:
        """Sends what is left, for at most some seconds, and stops."""
        # The exporters try again and again; a thread that nobody waits for keeps a node from hanging on its collector.
        stopping = threading.Thread(target=self._shut_down, daemon=True)
        stopping.start()
        stopping.join(_STOP_SECONDS)

    def _shut_down(self) -> None:
        self._traces.shutdown()
        self._meters.shutdown()


def _context_of(traceparent: str) -> SpanContext:
    _, trace_id, span_id, _ = traceparent.split("-")
    # Every span of the network is recorded: whoever asked for no record is not asked.
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
