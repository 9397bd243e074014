"""What reaches the log, and what never does."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from services.foundation.telemetry import continued
from services.foundation.telemetry.logs import configure

CANARY = "山田太郎"
CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("services", "deploy", "relying", "tools", "__main__"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure("municipal/131016", "INFO", stream)
    return stream


def last(stream: io.StringIO) -> dict[str, object]:
    line: dict[str, object] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_an_event_is_one_line_of_json_with_its_facts(stream: io.StringIO) -> None:
    logging.getLogger("services.municipal").info("outbox.sent", extra={"sequence": 7, "neighbour": "prefecture/13"})

    line = last(stream)
    assert (line["event"], line["sequence"], line["neighbour"]) == ("outbox.sent", 7, "prefecture/13")
    assert (line["node"], line["level"]) == ("municipal/131016", "INFO")


def test_the_trace_of_the_work_is_told(stream: io.StringIO) -> None:
    with continued(CONTEXT):
        logging.getLogger("services.a").info("event")

    assert (last(stream)["trace_id"], last(stream)["span_id"]) == tuple(CONTEXT.split("-")[1:3])


def test_a_fact_that_is_not_on_the_list_is_left_out_and_named(stream: io.StringIO) -> None:
    logging.getLogger("services.a").info("event", extra={"resident_name": CANARY, "count": 1})

    assert CANARY not in stream.getvalue()
    assert last(stream)["dropped"] == ["resident_name"]


def test_a_failure_is_told_by_type_and_frames_without_its_text(stream: io.StringIO) -> None:
    def look_up() -> object:
        try:
            return dict[str, object]()[CANARY]
        except KeyError as cause:
            raise ValueError(f"no such resident: {CANARY}") from cause

    try:
        look_up()
    except ValueError:
        logging.getLogger("services.a").exception("event")

    assert CANARY not in stream.getvalue()
    trace = str(last(stream)["traceback"])
    assert "ValueError" in trace
    assert "KeyError" in trace
    assert "test_logs.py" in trace


def test_others_packages_are_heard_by_their_first_line_from_warning_on(stream: io.StringIO) -> None:
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task %s>", CANARY)

    assert last(stream)["event"] == "Task exception was never retrieved"
    assert CANARY not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1


def test_the_level_is_kept_to(stream: io.StringIO) -> None:
    logging.getLogger("services.a").debug("event")

    assert stream.getvalue() == ""


def test_a_terminal_gets_text() -> None:
    stream = Terminal()
    configure("municipal/131016", "INFO", stream)

    logging.getLogger("services.a").warning("event", extra={"count": 2})

    assert "WARNING municipal/131016 event count=2" in stream.getvalue()
