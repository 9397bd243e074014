"""What both the store in memory and the one in PostgreSQL keep, find and list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import asyncpg
import pytest

from services.confirmation.rules.ledger import Ledger
from services.confirmation.rules.matching import Candidate
from services.confirmation.rules.record import ReportedChange, State, stay_of
from services.confirmation.store import CANDIDATES_LIMIT, LookUps, PostgresChanges, PostgresLookUps
from services.confirmation.tables import create_confirmation
from services.foundation.db.engine import Lane
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from tests.databases import DatabaseUrls, MakeDatabase
from tests.doubles.memory_identity import MemoryIdentity
from tests.streams import FixedClock
from tests.unit.confirmation.makers import CHIYODA, HACHIOJI, NOW, attributes, change, code

Apply = Callable[[Sequence[ReportedChange]], Awaitable[Ledger]]


class Store:
    """Look-ups, and a way to apply changes in one transaction, of either kind of store."""

    def __init__(self, find: LookUps, apply: Apply, clock: FixedClock) -> None:
        self.find = find
        self.apply = apply
        self.clock = clock


@pytest.fixture(scope="module")
def urls(make_database: MakeDatabase) -> DatabaseUrls:
    return make_database("identity")


@pytest.fixture
async def connection(urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    owner = await asyncpg.connect(urls.owner)
    await owner.execute("DROP TABLE IF EXISTS identity_record, identity_former, identity_change, identity_alias")
    statements: list[str] = []
    create_confirmation(statements.append, urls.app_role)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    app = await asyncpg.connect(urls.app)
    yield app
    await app.close()


def in_memory() -> Store:
    clock = FixedClock(NOW)
    memory = MemoryIdentity(clock)

    async def apply(changes: Sequence[ReportedChange]) -> Ledger:
        ledger = await memory.load(codes_of(changes))
        for one in changes:
            ledger.apply(one, one.municipality.digits, NOW)
        await memory.write(ledger)
        return ledger

    return Store(memory, apply, clock)


def in_postgres(connection: asyncpg.Connection) -> Store:
    async def apply(changes: Sequence[ReportedChange]) -> Ledger:
        async with connection.transaction():
            store = PostgresChanges(connection)
            ledger = await store.load(codes_of(changes))
            for one in changes:
                ledger.apply(one, one.municipality.digits, NOW)
            await store.write(ledger)
        return ledger

    clock = FixedClock(NOW)
    return Store(PostgresLookUps(Lane(connection), clock), apply, clock)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return in_memory()
    return in_postgres(request.getfixturevalue("connection"))


def codes_of(changes: Sequence[ReportedChange]) -> set[str]:
    return {code for one in changes for code in (one.about, one.resident_code.digits)}


def entry(
    number: int = 1,
    *,
    municipality: str = CHIYODA,
    minutes: float = 0,
    held: FourAttributes | None = None,
) -> ReportedChange:
    return change(ChangeReason.MOVE_IN, municipality, minutes=minutes, about=code(number), held=held)


ELSEWHERE = attributes(address="東京都千代田区神田一丁目2番3号")


async def test_what_was_written_is_found_by_code(store: Store) -> None:
    ledger = await store.apply([entry()])

    found = await store.find.by_codes([code(), code(2)])

    assert found.records == {code(): ledger.records[code()]}
    assert found.given_up == frozenset()


async def test_a_change_is_applied_to_what_was_written_before(store: Store) -> None:
    await store.apply([entry()])
    await store.apply([change(ChangeReason.DEATH, minutes=1)])

    assert (await store.find.by_codes([code()])).records[code()].state is State.DECEASED


async def test_a_late_entry_is_remembered(store: Store) -> None:
    await store.apply([entry(municipality=HACHIOJI, minutes=5)])
    await store.apply([change(ChangeReason.BIRTH, CHIYODA, minutes=1)])

    assert (await store.find.by_codes([code()])).records[code()].open_elsewhere == {stay_of(CHIYODA, code())}

    await store.apply([change(ChangeReason.MOVE_OUT, CHIYODA, minutes=2)])

    assert (await store.find.by_codes([code()])).records[code()].open_elsewhere == frozenset()


@pytest.mark.parametrize(
    ("reason", "left"),
    [(ChangeReason.MOVE_OUT, State.MOVED_OUT), (ChangeReason.MOVE_OUT_ABROAD, State.MOVED_ABROAD)],
)
async def test_who_plans_to_move_out_is_live_until_the_day_comes_in_japan(
    store: Store, reason: ChangeReason, left: State
) -> None:
    await store.apply([entry(), change(reason, minutes=1, event_date="2026-12-01")])
    seen = []
    for hour in (14, 15):
        store.clock.time = datetime(2026, 11, 30, hour, 59, tzinfo=UTC)
        (((candidate,),), by_code) = (
            await store.find.by_attributes([attributes()]),
            (await store.find.by_codes([code()])).records[code()],
        )
        assert candidate.record == by_code
        seen.append(by_code.state)

    assert seen == [State.LIVE, left]


async def test_a_move_in_before_the_planned_day_is_not_undone_when_the_day_comes(store: Store) -> None:
    await store.apply([entry(), change(ChangeReason.MOVE_OUT, minutes=1, event_date="2026-12-01")])
    await store.apply([entry(municipality=HACHIOJI, minutes=2, held=ELSEWHERE)])

    store.clock.time = datetime(2026, 12, 2, tzinfo=UTC)

    found = (await store.find.by_codes([code()])).records[code()]
    assert (found.state, found.municipality_code) == (State.LIVE, HACHIOJI)


async def test_a_planned_move_out_that_is_cancelled_leaves_the_resident_live(store: Store) -> None:
    await store.apply([entry(), change(ChangeReason.MOVE_OUT, minutes=1, event_date="2026-12-01")])
    await store.apply([change(ChangeReason.EVENT_CANCELLED_RESTORING, minutes=2)])

    store.clock.time = datetime(2026, 12, 2, tzinfo=UTC)

    assert (await store.find.by_codes([code()])).records[code()].state is State.LIVE


async def test_a_code_given_up_finds_no_record_and_is_known(store: Store) -> None:
    await store.apply([entry()])
    await store.apply([renamed(1, 2, minutes=1)])

    found = await store.find.by_codes([code(1), code(2)])

    assert list(found.records) == [code(2)]
    assert found.given_up == {code(1)}


def renamed(former: int, following: int, minutes: float) -> ReportedChange:
    return change(ChangeReason.CODE_CHANGE_REQUESTED, minutes=minutes, about=code(following), former_code=code(former))


async def test_a_code_leads_over_several_changes_to_the_present_one(store: Store) -> None:
    await store.apply([entry()])
    await store.apply([renamed(1, 2, 1), renamed(2, 3, 2)])

    ledger = await store.apply([])
    loaded = await store.apply([change(ChangeReason.RELOCATION, minutes=3, about=code(3), held=ELSEWHERE)])

    assert ledger.rows == []
    assert loaded.records[code(3)].held.address == ELSEWHERE.address.text


async def test_formers_follow_the_code(store: Store) -> None:
    await store.apply([entry()])
    await store.apply([change(ChangeReason.RELOCATION, minutes=1, held=ELSEWHERE)])
    await store.apply(
        [change(ChangeReason.CODE_CHANGE_REQUESTED, minutes=2, about=code(2), former_code=code(), held=ELSEWHERE)]
    )

    ((candidate,),) = await store.find.by_attributes([attributes()])

    assert (candidate.formerly, candidate.record.resident_code) == (True, code(2))


async def test_each_question_gets_its_own_candidates(store: Store) -> None:
    twin = attributes(name="試験 次郎")
    await store.apply([entry(1), entry(2), entry(3, held=twin)])

    found = await store.find.by_attributes([twin, attributes(sex=twin.sex, birth_date="1990-01-01"), attributes()])

    assert [[one.record.resident_code for one in candidates] for candidates in found] == [
        [code(3)],
        [],
        [code(1), code(2)],
    ]


async def test_another_way_of_writing_finds_the_candidate(store: Store) -> None:
    await store.apply([entry()])

    ((candidate,),) = await store.find.by_attributes([attributes(name="試験太郎", address="東京都千代田区九段南1-1-1")])

    assert candidate == Candidate((await store.find.by_codes([code()])).records[code()])


async def test_whoever_moved_back_is_one_candidate(store: Store) -> None:
    await store.apply([entry()])
    await store.apply([change(ChangeReason.RELOCATION, minutes=1, held=ELSEWHERE)])
    await store.apply([change(ChangeReason.RELOCATION, minutes=2)])

    ((candidate,),) = await store.find.by_attributes([ELSEWHERE])

    assert candidate.formerly


async def test_the_right_address_is_among_the_candidates_however_many_namesakes(store: Store) -> None:
    crowd = [entry(number, held=ELSEWHERE) for number in range(2, CANDIDATES_LIMIT + 12)]
    await store.apply([entry(1), *crowd])

    (found,) = await store.find.by_attributes([attributes()])

    assert code(1) in {one.record.resident_code for one in found}
    assert len(found) == CANDIDATES_LIMIT


async def test_changes_are_listed_in_order_after_a_position(store: Store) -> None:
    await store.apply([entry(1), entry(2)])
    await store.apply([change(ChangeReason.RELOCATION, minutes=1, held=ELSEWHERE)])

    lines = await store.find.changes([code(1)], 0, 10)
    later = await store.find.changes([code(1), code(2)], lines[0].position, 1)

    assert [(line.reason, line.items) for line in lines][1] == ("RELOCATION", ["address"])
    assert [line.position for line in lines] == [1, 3]
    assert [line.position for line in later] == [2]


async def test_a_late_change_without_items_has_an_empty_list(store: Store) -> None:
    await store.apply([entry(municipality=HACHIOJI, minutes=5), change(ChangeReason.BIRTH, CHIYODA, minutes=1)])

    assert [line.items for line in await store.find.changes([code()], 1, 10)] == [[]]
