"""Trace contexts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.telemetry import Telemetry, continued, current_traceparent
from services.foundation.telemetry.traces import SilentTracer, SpanKind, is_traceparent, new_traceparent

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_new_trace_context_is_one_and_differs_from_others() -> None:
    contexts = {new_traceparent() for _ in range(100)}

    assert len(contexts) == 100
    assert all(is_traceparent(context) for context in contexts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        CONTEXT.upper(),
        CONTEXT[:-1],
        f"{CONTEXT}0",
        f"{CONTEXT}\n",
        f"ff{CONTEXT[2:]}",
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
    ],
)
def test_what_is_no_trace_context_is_not_taken_for_one(text: str) -> None:
    assert not is_traceparent(text)


@given(st.text())
def test_the_silent_tracer_continues_good_contexts_and_replaces_bad_ones(parent: str) -> None:
    tracer = SilentTracer()

    assert tracer.begin("name", SpanKind.SERVER, CONTEXT, {}).traceparent == CONTEXT
    assert is_traceparent(tracer.begin("name", SpanKind.SERVER, parent, {}).traceparent)


def test_a_stored_trace_is_continued_inside_the_block_alone() -> None:
    with continued(CONTEXT):
        inside = current_traceparent()

    assert (inside, current_traceparent()) == (CONTEXT, "")


def test_a_stored_text_that_is_no_context_begins_a_new_trace() -> None:
    with continued("Yamada Taro"):
        assert current_traceparent() == ""


def test_a_span_passes_the_trace_on_and_gives_it_back_when_the_block_fails() -> None:
    def work() -> None:
        with Telemetry().span("work"):
            assert current_traceparent() == CONTEXT
            raise KeyError

    with continued(CONTEXT):
        with pytest.raises(KeyError):
            work()
        assert current_traceparent() == CONTEXT
