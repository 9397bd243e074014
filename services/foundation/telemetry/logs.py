"""How log records become lines: events with named facts and the trace they belong to, and never a person."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO

from services.foundation.telemetry.attributes import permitted
from services.foundation.telemetry.traces import current_traceparent

_OURS = ("services", "deploy", "relying", "tools", "__main__")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(node: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Sends the process's log to `stream` (standard error): JSON a line, or text where a person watches a terminal.

    Loggers of other people's packages are heard from WARNING on, and only by the first line of what they say, since
    they do not know what is personal.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(TextFormatter(node) if target.isatty() else JsonFormatter(node))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        """Writes a record as one line of JSON."""
        return json.dumps(_facts_of(record, self._node), ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Time, level, node and event, then `name=value` pairs, for a terminal."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        """Writes a record as text; a traceback takes lines of its own."""
        facts = _facts_of(record, self._node)
        head = f"{facts.pop('time')} {facts.pop('level'):7} {facts.pop('node')} {facts.pop('event')}"
        facts.pop("logger")
        trace = facts.pop("traceback", None)
        text = " ".join([head, *(f"{name}={value}" for name, value in facts.items())])
        return f"{text}\n{trace}" if trace else text


def describe_failure(error: BaseException) -> str:
    """Returns an exception's type and frames, and those of its causes, without any text.

    The text of an exception is not ours to show: a database's says which value broke which constraint.
    """
    told = traceback.TracebackException.from_exception(error, capture_locals=False)
    parts: list[str] = []
    while told is not None:
        name = told.exc_type.__qualname__ if told.exc_type else "?"
        frames = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in told.stack]
        parts.append("\n".join([name, *frames]))
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)  # type: ignore[assignment]
    return "\n".join(parts)


def _facts_of(record: logging.LogRecord, node: str) -> dict[str, object]:
    facts: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "node": node,
        "logger": record.name,
        "event": _event_of(record),
    }
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    told = permitted(extra)
    facts.update({name: value for name, value in told.items() if name not in facts})
    if dropped := sorted(set(extra) - set(told)):
        facts["dropped"] = dropped
    if traceparent := current_traceparent():
        _, facts["trace_id"], facts["span_id"], _ = traceparent.split("-")
    if record.exc_info and record.exc_info[1]:
        facts["traceback"] = describe_failure(record.exc_info[1])
    return facts


def _event_of(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] in _OURS:
        return record.getMessage()
    return record.getMessage().partition("\n")[0]
