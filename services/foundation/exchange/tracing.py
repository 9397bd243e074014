"""How the trace of an act goes on through a stream that is sent long after it."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACEPARENT = "traceparent"
_LIMIT = 64  # a version 00 header has 55 characters
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("juki.exchange")


def continued(traceparent: str, step: str) -> str:
    """Marks a step in the trace that `traceparent` names and returns the context to go on with; empty for none."""
    if not traceparent or len(traceparent) > _LIMIT:
        return ""
    parent = _propagator.extract({_TRACEPARENT: traceparent})
    span = _tracer.start_span(step, context=parent)
    span.end()
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context=trace.set_span_in_context(span, parent))
    return carrier.get(_TRACEPARENT, "")
