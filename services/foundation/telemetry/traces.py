"""Which trace the present work belongs to (W3C Trace Context), whether or not anybody collects spans."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from typing import Protocol

HEADER = "traceparent"
"""The metadata key that carries the trace context."""

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_current: ContextVar[str] = ContextVar("traceparent", default="")
_bits = random.SystemRandom().getrandbits(64)
_random = random.Random(_bits)  # noqa: S311 - trace ids need to differ, not to be secret


class SpanKind(Enum):
    """Which side of a call a span is about."""

    SERVER = auto()
    CLIENT = auto()
    INTERNAL = auto()


class Span(Protocol):
    """A piece of work under way; `traceparent` is what its parts continue."""

    @property
    def traceparent(self) -> str:
        """The W3C trace context of this span."""
        ...

    def end(self, status: str, attributes: Mapping[str, object] | None = None) -> None:
        """Ends the span; `status` is a gRPC code's name, OK or another."""
        ...


class Tracer(Protocol):
    """Anything that begins spans."""

    def begin(self, name: str, kind: SpanKind, parent: str, attributes: Mapping[str, object]) -> Span:
        """Begins a span under `parent`, a trace context, or a new trace when that is none."""
        ...


class Untraced:
    """A span that nobody collects; it only passes the trace context on."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def end(self, status: str, attributes: Mapping[str, object] | None = None) -> None:
        """Does nothing."""


class SilentTracer:
    """Collects nothing; passes the parent's trace context on, or begins one for the logs' sake."""

    def begin(self, name: str, kind: SpanKind, parent: str, attributes: Mapping[str, object]) -> Span:  # noqa: ARG002 - the Tracer protocol
        """Returns a span that is not recorded."""
        return Untraced(parent if is_traceparent(parent) else new_traceparent())


def is_traceparent(text: str) -> bool:
    """Tells whether `text` is a trace context of version 00."""
    return _FORM.fullmatch(text) is not None


def new_traceparent() -> str:
    """Begins a trace that is not sampled."""
    return f"00-{_random.getrandbits(128) or 1:032x}-{_random.getrandbits(64) or 1:016x}-00"


def current_traceparent() -> str:
    """Returns the trace context of the present work; empty outside of any."""
    return _current.get()


def enter(traceparent: str) -> None:
    """Makes a trace context that of the running task, which ends with the call."""
    _current.set(traceparent)


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """Goes on with a trace whose context was stored, such as that of an act whose notification is sent later."""
    token = _current.set(traceparent if is_traceparent(traceparent) else "")
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def span(tracer: Tracer, name: str, **attributes: object) -> Iterator[Span]:
    """Runs the block as a span under the present trace context."""
    begun = tracer.begin(name, SpanKind.INTERNAL, current_traceparent(), attributes)
    token = _current.set(begun.traceparent)
    status = "UNKNOWN"
    try:
        yield begun
        status = "OK"
    finally:
        _current.reset(token)
        begun.end(status)
