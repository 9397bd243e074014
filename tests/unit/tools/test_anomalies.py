"""Whether the report finds the offenders of generated scenarios, and leaves ordinary days alone."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.foundation.audit.entry import AuditEntry, canonical
from services.foundation.identity import node_id
from tests.unit.confirmation.makers import code
from tools.anomalies.__main__ import main
from tools.anomalies.detectors import Finding, Limits, find
from tools.anomalies.holidays import is_holiday
from tools.anomalies.lookups import Lookup, about, read_entry

PENSION = node_id("relying/local-pension", "juki.example").uri
TUESDAY = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
"""Ten in the morning in Japan."""


class Log:
    """A log that is written as a node writes it, and read as the report reads it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.lookups: list[Lookup] = []

    def add(
        self,
        at: datetime,
        *,
        who: str = PENSION,
        action: str = "CONFIRM_BY_CODE",
        about: str = code(),
        case: str = "c-1",
        result: str = "ALLOW",
    ) -> None:
        """Adds an entry."""
        entry = AuditEntry(
            node="agency/national",
            time=at,
            request_id="0" * 36,
            caller=who,
            method="/x/Y",
            action=action if result == "ALLOW" else "REFUSE",
            result=result,
            affair="b1-19",
            case=case,
            count=1,
            subject=about,
        )
        body = canonical(entry, len(self.bodies))
        self.bodies.append(body)
        found = read_entry(body, entry.salt)
        if found is not None:
            self.lookups.append(found)

    def found(self, residents: list[str] | None = None) -> list[Finding]:
        """What the report says."""
        return find(self.lookups, Limits(), about(self.lookups, residents or []))


def working_days(first: date, count: int) -> Iterator[date]:
    day = first
    while count:
        if day.weekday() < 5 and not is_holiday(day):
            yield day
            count -= 1
        day += timedelta(days=1)


@pytest.fixture
def ordinary() -> Log:
    """Twenty working days of a few dozen look-ups each, spread over the day, about many residents."""
    log, draw = Log(), random.Random(7)
    for day in working_days(date(2026, 10, 1), 20):
        for minute in sorted(draw.sample(range(600), 40)):
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)
            log.add(at, about=code(draw.randrange(2, 10**6)), case=f"c-{draw.randrange(10**6)}")
    return log


def kinds(found: list[Finding]) -> set[tuple[str, str]]:
    return {(one.kind, one.who) for one in found}


def test_ordinary_days_need_no_explanation(ordinary: Log) -> None:
    assert len(ordinary.lookups) == 800
    assert ordinary.found([code()]) == []


def test_a_mass_of_look_ups_is_found_beside_ordinary_days(ordinary: Log) -> None:
    for minute in range(500):
        ordinary.add(TUESDAY + timedelta(minutes=minute / 2), about=code(minute + 2))

    (found,) = ordinary.found()

    assert (found.kind, found.count, found.day) == ("MASS_LOOK_UPS", 500, date(2026, 11, 24))
    assert "on the other days 40" in found.explanation


def test_a_bulk_confirmation_that_is_like_the_others_is_none() -> None:
    log = Log()
    for day in range(3):
        for number in range(1000):
            log.add(TUESDAY + timedelta(days=day), action="CONFIRM_BULK", about=code(number))
    assert log.found() == []

    for number in range(4000):
        log.add(TUESDAY + timedelta(days=3), action="CONFIRM_BULK", about=code(number))
    assert kinds(log.found()) == {("MASS_BULK", PENSION)}


@pytest.mark.parametrize(
    ("at", "when"),
    [
        (datetime(2026, 11, 24, 15, 0, tzinfo=UTC), "at night"),
        (datetime(2026, 11, 21, 3, 0, tzinfo=UTC), "on a weekend"),
        (datetime(2026, 11, 23, 3, 0, tzinfo=UTC), "on a holiday"),
    ],
)
def test_look_ups_outside_working_hours_are_found(ordinary: Log, at: datetime, when: str) -> None:
    for number in range(5):
        ordinary.add(at + timedelta(minutes=number), about=code(number + 2))

    (found,) = ordinary.found()

    assert found.kind == "OFF_HOURS"
    assert when in found.explanation


def test_a_burst_is_found_and_its_entries_named(ordinary: Log) -> None:
    before = len(ordinary.bodies)
    for number in range(40):
        ordinary.add(TUESDAY + timedelta(seconds=number), about=code(number + 2))

    (found,) = ordinary.found()

    assert (found.kind, found.count) == ("BURST", 40)
    assert found.places == tuple(range(before, before + 5))


def test_one_resident_looked_up_by_many_is_found_by_the_salts_alone(ordinary: Log) -> None:
    victim = code(1)
    for number in range(5):
        who = node_id(f"relying/body-{number}", "juki.example").uri
        ordinary.add(TUESDAY + timedelta(hours=number), who=who, about=victim)

    (found,) = ordinary.found([code(2), victim])

    assert (found.kind, found.count) == ("ONE_BY_MANY", 5)
    assert "resident 2 of the list" in found.explanation
    assert victim not in repr(found)
    assert ordinary.found([code(2)]) == []


def test_one_resident_looked_up_again_and_again_is_found(ordinary: Log) -> None:
    for number in range(6):
        ordinary.add(TUESDAY + timedelta(hours=number / 2), about=code(1), case=f"case-{number}")

    assert kinds(ordinary.found([code(1)])) == {("ONE_AGAIN_AND_AGAIN", PENSION)}


def test_a_salt_erased_by_law_is_not_opened() -> None:
    log = Log()
    for number in range(6):
        log.add(TUESDAY + timedelta(hours=number / 2), about=code(1), case=f"case-{number}")
    erased = [read for body in log.bodies if (read := read_entry(body)) is not None]

    assert about(erased, [code(1)]) == {}


def test_a_body_that_is_refused_often_is_found(ordinary: Log) -> None:
    for number in range(12):
        ordinary.add(TUESDAY + timedelta(minutes=number), result="REFUSED:PURPOSE_NOT_GRANTED")

    (found,) = ordinary.found()

    assert (found.kind, found.count) == ("REFUSED_OFTEN", 12)
    assert "PURPOSE_NOT_GRANTED" in found.explanation


def test_what_is_no_look_up_is_not_counted() -> None:
    log = Log()
    for number in range(300):
        log.add(TUESDAY + timedelta(seconds=number), action="APPLY_CHANGE")

    assert log.lookups == []


def write(log: Log, path: Path) -> Path:
    path.write_bytes(b"".join(body + b"\n" for body in log.bodies))
    return path


def test_the_command_reports_as_json_and_by_its_exit_code(
    ordinary: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = write(ordinary, tmp_path / "entries.jsonl")
    assert main(["--entries", str(entries), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"looked_at": 800, "findings": []}

    assert main(["--entries", str(entries), "--json", "--limit", "burst_count=2", "--limit", "burst_seconds=600"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {one["kind"] for one in findings} == {"BURST"}
    assert main(["--entries", str(entries), "--limit", "burst_count=2"]) == 1
    assert "BURST" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--limit", "nothing=1"], ["--limit", "burst_count=x"], ["--residents", "/no"]])
def test_the_command_refuses_what_it_cannot_read(ordinary: Log, tmp_path: Path, arguments: list[str]) -> None:
    assert main(["--entries", str(write(ordinary, tmp_path / "entries.jsonl")), *arguments]) == 2
    (tmp_path / "bad.jsonl").write_text("{", "ascii")
    assert main(["--entries", str(tmp_path / "bad.jsonl")]) == 2


def test_holidays_are_those_of_the_calendar() -> None:
    days = {date(2026, 1, 1) + timedelta(days=number) for number in range(365)}

    assert sorted(day for day in days if is_holiday(day)) == [
        date(2026, month, day)
        for month, day in (
            (1, 1), (1, 12), (2, 11), (2, 23), (3, 20), (4, 29), (5, 3), (5, 4), (5, 5), (5, 6), (7, 20), (8, 11),
            (9, 21), (9, 22), (9, 23), (10, 12), (11, 3), (11, 23),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "holiday"),
    [
        (date(2019, 4, 30), True),
        (date(2019, 5, 1), True),
        (date(2020, 7, 24), True),
        (date(2020, 7, 20), False),
        (date(2021, 8, 9), True),
        (date(2021, 10, 11), False),
        (date(2018, 12, 24), True),
        (date(2019, 12, 23), False),
        (date(2003, 2, 11), True),
    ],
)
def test_holidays_of_other_years_are_those_of_their_law(day: date, holiday: bool) -> None:
    assert is_holiday(day) == holiday
