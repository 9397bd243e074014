"""Telemetry as the settings of a node ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from services.foundation.settings import NodeConfig
from services.foundation.telemetry.metrics import Gauge, Metrics, SilentMetrics
from services.foundation.telemetry.traces import SilentTracer, Span, SpanKind, Tracer, span


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Traces and metrics of a node; the default collects nothing."""

    enabled: bool = False
    """Whether anything is collected, so that nobody measures for nothing."""
    tracer: Tracer = field(default_factory=SilentTracer)
    metrics: Metrics = field(default_factory=SilentMetrics)
    stop: Callable[[], None] = _nothing
    """Sends what is left, for at most a few seconds, and stops; blocks, so call it in a thread."""

    def span(self, name: str, **attributes: object) -> AbstractContextManager[Span]:
        """Runs a block as a span of the present trace; attributes that are not on the list are left out."""
        return span(self.tracer, name, **attributes)

    def begin(self, name: str, kind: SpanKind, parent: str, attributes: Mapping[str, object]) -> Span:
        """Begins a span under `parent`; the caller ends it."""
        return self.tracer.begin(name, kind, parent, attributes)

    def gauge(self, gauge: Gauge) -> None:
        """Adds a gauge to what is collected."""
        self.metrics.gauge(gauge)


def start(config: NodeConfig) -> Telemetry:
    """Returns the telemetry of a node: to the collector at `otlp_endpoint`, or none at all when that is empty."""
    if not config.otlp_endpoint:
        return Telemetry()
    # OpenTelemetry takes 200 ms and 25 MiB to import; a node that sends nothing does without.
    from services.foundation.telemetry import otlp  # noqa: PLC0415

    exporting = otlp.Exporting(config.node, config.otlp_endpoint)
    return Telemetry(enabled=True, tracer=exporting, metrics=exporting, stop=exporting.stop)
