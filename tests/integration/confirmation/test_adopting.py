"""How a node adopts a purposes table: by an order that holds, once, on record, and the same as the other tier's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.confirmation.adopting import AdoptedPurposes
from services.confirmation.pairwise import FileKey, Pairwise
from services.foundation.audit.log import AuditLog
from services.foundation.audit.salts import Sealer
from services.foundation.db.engine import Database
from services.foundation.refusals import Refusal, StoreUnreachable
from tests.databases import DatabaseUrls
from tests.integration.audit.makers import NODE, ORIGIN, SALT_KEY
from tests.purposes import AUDIT, REGISTER, SECOND_AUDIT, changed, grant_of, ordered, write_administrators

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
GRACE = timedelta(seconds=300)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class Store(Database):
    """A database that is away for transactions whenever the test says so."""

    def __init__(self, url: str, is_away: Callable[[], bool]) -> None:
        super().__init__(url, 2)
        self._is_away = is_away

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        if self._is_away():
            raise StoreUnreachable("start it again")
        async with super().begin() as connection:
            yield connection


class Adopting:
    """A node's purposes on one database, started as often as the test likes."""

    def __init__(self, urls: DatabaseUrls, directory: Path) -> None:
        self.directory = directory / "purposes"
        self.clock = Clock()
        self.away = False
        self._urls = urls
        self._administrators = write_administrators(directory)
        (directory / "salt.key").write_text("5a" * 32, "ascii")
        self._pairwise = Pairwise(FileKey(directory, 1))

    @asynccontextmanager
    async def started(self) -> AsyncIterator[AdoptedPurposes]:
        """Runs the purposes; raises whatever refused them."""
        database = Store(self._urls.app, lambda: self.away)
        purposes = AdoptedPurposes(
            self.directory,
            self._administrators,
            database,
            AuditLog(NODE, ORIGIN, Sealer(SALT_KEY, ORIGIN)),
            self.clock,
            self._pairwise,
            reload=timedelta(seconds=0.02),
            grace=GRACE,
        )
        running = asyncio.create_task(purposes.run())
        ready = asyncio.create_task(purposes.ready())
        try:
            await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            yield purposes
        finally:
            for task in (running, ready):
                task.cancel()
            await asyncio.gather(running, ready, return_exceptions=True)
            await database.close()

    async def refusal(self) -> Refusal:
        """Starts what must be refused."""
        with pytest.raises(Refusal) as refused:
            async with self.started():
                pass
        return refused.value

    async def log(self) -> list[dict[str, object]]:
        connection = await asyncpg.connect(self._urls.owner)
        rows = await connection.fetch("SELECT body FROM audit_entry ORDER BY seq")
        await connection.close()
        return [json.loads(row[0]) for row in rows]


@pytest.fixture
def adopting(database: DatabaseUrls, tmp_path: Path) -> Adopting:
    return Adopting(database, tmp_path)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def another(quota: int = 5) -> bytes:
    return changed(lambda table: grant_of(table, "b1-19").update(quota_per_day=quota))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the node polls, and so does this
            await asyncio.sleep(0.01)


async def test_a_table_is_adopted_once_and_on_record_and_still_holds_after_its_order_expired(
    adopting: Adopting,
) -> None:
    ordered(adopting.directory, now=NOW)
    for years in range(2):
        adopting.clock.time = NOW + timedelta(days=365 * years)
        async with adopting.started() as purposes:
            assert purposes.current().number == 1

    (entry,) = await adopting.log()
    assert (entry["act"], entry["case"], entry["n"]) == ("PURPOSES_ADOPTED", "purposes/1", 1)
    assert entry["rid"] == purposes.newest.order.nonce


@pytest.mark.parametrize(
    ("order", "form"),
    [
        ({"signers": [REGISTER]}, "SINGLE_SIGNED"),
        ({"signers": [AUDIT, SECOND_AUDIT]}, "SAME_ROLE"),
        ({"now": NOW - timedelta(days=31)}, "EXPIRED"),
        ({"now": NOW + timedelta(days=1)}, "NOT_YET"),
    ],
)
async def test_a_node_does_not_start_by_an_order_that_does_not_hold(
    adopting: Adopting, order: dict[str, object], form: str
) -> None:
    ordered(adopting.directory, **{"now": NOW, **order})  # type: ignore[arg-type] # each row knows its fields

    refusal = await adopting.refusal()

    assert (refusal.reason, refusal.facts["form"]) == ("PURPOSES_ORDER_REFUSED", form)
    assert await adopting.log() == []


async def test_a_forged_order_and_one_for_another_table_are_refused(adopting: Adopting) -> None:
    note = ordered(adopting.directory, now=NOW)
    (adopting.directory / "order.note").write_text(note.replace("number: 1", "number: 2"), "utf-8")
    assert (await adopting.refusal()).facts["form"] == "FORGED"

    (adopting.directory / "order.note").write_text(note, "utf-8")
    (adopting.directory / "table.json").write_bytes(another())
    assert (await adopting.refusal()).facts["form"] == "OTHER_TABLE"


async def test_an_older_order_and_a_nonce_used_before_are_refused(adopting: Adopting) -> None:
    first = ordered(adopting.directory, now=NOW, number=3)
    nonce = next(line for line in first.splitlines() if line.startswith("nonce: ")).removeprefix("nonce: ")
    async with adopting.started():
        pass

    ordered(adopting.directory, another(), now=NOW, number=2)
    assert (await adopting.refusal()).facts["form"] == "OLDER"
    ordered(adopting.directory, another(), now=NOW, number=3)
    assert (await adopting.refusal()).facts["form"] == "OLDER"
    ordered(adopting.directory, another(), now=NOW, number=4, nonce=nonce)
    assert (await adopting.refusal()).facts["form"] == "REPLAYED"


async def test_what_was_asked_today_still_counts_after_a_restart(adopting: Adopting, database: DatabaseUrls) -> None:
    ordered(adopting.directory, another(5), now=NOW)
    owner = await asyncpg.connect(database.owner)
    await owner.execute(
        "INSERT INTO purpose_use (day, body, affair, asked) VALUES "
        "('2026-11-24', 'relying/local-pension', 'b1-19', 4), ('2026-11-23', 'relying/local-pension', 'b1-19', 100)"
    )
    await owner.close()

    async with adopting.started() as purposes:
        row = purposes.in_force().grants["relying/local-pension", "b1-19"]
        purposes.meter.take(row, 1, NOW)
        with pytest.raises(Refusal) as refused:
            purposes.meter.take(row, 1, NOW)

    assert refused.value.reason == "QUOTA_EXHAUSTED"


async def test_a_node_without_table_or_order_does_not_start(adopting: Adopting) -> None:
    assert (await adopting.refusal()).reason == "PURPOSES_TABLE_REFUSED"


async def test_a_newer_table_is_adopted_while_the_node_runs(adopting: Adopting) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started() as purposes:
        ordered(adopting.directory, another(), now=NOW, number=2)
        await until(lambda: purposes.newest.order.number == 2)

        assert purposes.in_force().grants["relying/local-pension", "b1-19"].quota_per_day == 5

    assert [entry["case"] for entry in await adopting.log()] == ["purposes/1", "purposes/2"]


async def test_a_newer_order_that_does_not_hold_changes_nothing_and_is_recorded_once(adopting: Adopting) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started() as purposes:
        ordered(adopting.directory, another(), now=NOW, number=2, signers=[REGISTER])
        async with asyncio.timeout(5):
            while len(await adopting.log()) < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)

        assert purposes.in_force().number == 1

    log = await adopting.log()
    assert [entry["res"] for entry in log] == ["ALLOW", "REFUSED:PURPOSES_ORDER_REFUSED"]


async def test_an_order_that_may_not_be_carried_out_yet_is_once_its_time_has_come(adopting: Adopting) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started() as purposes:
        ordered(adopting.directory, another(), now=at(60), number=2)
        await asyncio.sleep(0.1)
        assert purposes.newest.order.number == 1

        adopting.clock.time = at(60)
        await until(lambda: purposes.newest.order.number == 2)

    assert [entry["res"] for entry in await adopting.log()] == ["ALLOW", "ALLOW"]


async def test_files_that_vanish_change_nothing_and_are_recorded_once(adopting: Adopting) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started() as purposes:
        note = adopting.directory / "order.note"
        note.rename(adopting.directory / "away")
        await asyncio.sleep(0.2)
        assert purposes.in_force().number == 1
        (adopting.directory / "away").rename(note)
        await asyncio.sleep(0.1)
        ordered(adopting.directory, another(), now=NOW, number=2)
        await until(lambda: purposes.newest.order.number == 2)

    results = [entry["res"] for entry in await adopting.log()]
    assert results == ["ALLOW", "REFUSED:PURPOSES_TABLE_REFUSED", "ALLOW"]


async def test_an_order_that_came_while_the_database_was_away_is_adopted_when_it_is_back(adopting: Adopting) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started() as purposes:
        adopting.away = True
        ordered(adopting.directory, another(), now=NOW, number=2)
        await asyncio.sleep(0.2)
        assert purposes.newest.order.number == 1

        adopting.away = False
        await until(lambda: purposes.newest.order.number == 2)

    assert [entry["res"] for entry in await adopting.log()] == ["ALLOW", "ALLOW"]


async def test_a_table_for_a_later_day_is_adopted_at_once_and_in_force_on_that_day(adopting: Adopting) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started():
        pass
    ordered(adopting.directory, another(), now=NOW, number=2, effective_from=date(2026, 12, 1))

    async with adopting.started() as purposes:
        assert (purposes.newest.order.number, purposes.current().number) == (2, 1)
        adopting.clock.time = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
        assert purposes.current().number == 2
    async with adopting.started() as purposes:
        assert purposes.current().number == 2


async def test_a_first_table_for_a_later_day_answers_nobody_before(adopting: Adopting) -> None:
    ordered(adopting.directory, now=NOW, effective_from=date(2026, 12, 1))
    async with adopting.started() as purposes:
        with pytest.raises(Refusal) as refused:
            purposes.in_force()

    assert refused.value.reason == "PURPOSES_NOT_READY"


async def test_a_stored_table_that_was_altered_is_refused(adopting: Adopting, database: DatabaseUrls) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started():
        pass
    owner = await asyncpg.connect(database.owner)
    await owner.execute("UPDATE purposes_adopted SET body = $1", another(10**9))
    await owner.close()

    assert (await adopting.refusal()).facts["form"] == "OTHER_TABLE"


async def test_a_node_whose_table_differs_from_the_tier_above_refuses_after_the_grace(adopting: Adopting) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started() as purposes:
        purposes.compared(2, "0" * 64)
        adopting.clock.time = NOW + GRACE
        assert purposes.in_force().number == 1
        adopting.clock.time += timedelta(seconds=1)
        purposes.compared(2, "0" * 64)

        with pytest.raises(Refusal) as refused:
            purposes.in_force()
        assert (refused.value.reason, purposes.current().number) == ("PURPOSES_VERSION_DIFFERS", 1)

        purposes.compared(1, purposes.newest.purposes.version)
        assert purposes.in_force().number == 1


async def test_the_tier_above_is_behind_only_by_an_order_that_holds(adopting: Adopting, tmp_path: Path) -> None:
    ordered(adopting.directory, now=NOW)
    async with adopting.started() as purposes:
        forged = ordered(tmp_path / "forged", another(), now=NOW, number=9, signers=[REGISTER])
        with pytest.raises(Refusal) as refused:
            purposes.shown(forged)
        assert refused.value.reason == "PURPOSES_ORDER_REFUSED"
        purposes.shown(purposes.newest.note)
        adopting.clock.time = at(10)
        assert purposes.in_force().number == 1

        purposes.shown(ordered(tmp_path / "newer", another(), now=NOW, number=2))
        adopting.clock.time = at(20)
        with pytest.raises(Refusal) as refused:
            purposes.in_force()
        assert refused.value.reason == "PURPOSES_VERSION_DIFFERS"

        ordered(adopting.directory, another(), now=at(20), number=2)
        await until(lambda: purposes.newest.order.number == 2)
        assert purposes.in_force().number == 2
