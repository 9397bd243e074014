"""A stream from one database to another: nothing lost, nothing doubled, whatever dies."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from services.foundation.db.engine import Database
from services.foundation.exchange import status
from services.foundation.exchange.envelope import NO_HASH, open_envelope
from services.foundation.exchange.messages import Delivery
from services.foundation.exchange.refusals import Equivocation
from services.foundation.refusals import StoreUnreachable
from tests.doubles.exchange import CrashPoint
from tests.integration.exchange.conftest import Store
from tests.integration.exchange.nodes import Line, ReceivingNode, SendingNode, drain
from tests.streams import CITY, PREFECTURE, FixedClock, Pki, Stream, forged, signers_of

REGISTER = "SELECT code || note FROM register ORDER BY n"


@pytest.fixture
def city(city_store: Store, pki: Pki) -> SendingNode:
    return SendingNode(city_store.database, pki.signer(CITY))


@pytest.fixture
def prefecture(prefecture_store: Store, pki: Pki) -> ReceivingNode:
    return ReceivingNode(prefecture_store.database, signers_of(pki), pki.signer(PREFECTURE))


async def test_what_was_registered_arrives_once_and_in_order(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store
) -> None:
    line = Line(prefecture, CITY)
    for number in range(5):
        await city.act("1", str(number))

    await drain(city.sender(line))

    assert await prefecture_store.column(REGISTER) == [f"1{number}" for number in range(5)]
    assert line.certificates_sent == [2]


async def test_what_was_signed_before_the_certificate_was_made_anew_is_introduced_too(
    city_store: Store, prefecture: ReceivingNode, prefecture_store: Store, pki: Pki
) -> None:
    await SendingNode(city_store.database, pki.signer(CITY)).act("1", "before")
    started_again = SendingNode(city_store.database, pki.signer(CITY))
    await started_again.act("1", "after")

    await drain(started_again.sender(Line(prefecture, CITY)))

    assert await prefecture_store.column(REGISTER) == ["1before", "1after"]


async def test_acts_at_once_get_sequences_without_gaps(
    city: SendingNode, city_store: Store, prefecture: ReceivingNode, prefecture_store: Store
) -> None:
    sequences = await asyncio.gather(*(city.act(str(number), "") for number in range(20)))

    await drain(city.sender(Line(prefecture, CITY)))

    assert sorted(sequences) == list(range(1, 21))
    arrived, made = await prefecture_store.column(REGISTER), await city_store.column(REGISTER)
    assert sorted(map(str, arrived)) == sorted(map(str, made))


async def test_an_act_that_dies_before_its_commit_leaves_neither_register_nor_envelope(
    city: SendingNode, city_store: Store
) -> None:
    def die() -> None:
        raise CrashPoint

    await city.act("1", "a")
    with pytest.raises(CrashPoint):
        await city.act("1", "b", before_commit=die)

    assert await city.act("1", "c") == 2
    assert await city_store.column(REGISTER) == ["1a", "1c"]


async def test_a_receiver_that_dies_before_its_commit_gets_everything_again(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store
) -> None:
    deaths = 3

    def die() -> None:
        nonlocal deaths
        deaths -= 1
        if deaths >= 0:
            raise StoreUnreachable("died")

    prefecture.before_commit = die
    for number in range(3):
        await city.act("1", str(number))

    await drain(city.sender(Line(prefecture, CITY)))

    assert await prefecture_store.column(REGISTER) == ["10", "11", "12"]


async def test_a_neighbour_that_is_down_for_the_whole_load_gets_it_when_it_is_back(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store
) -> None:
    line = Line(prefecture, CITY)
    line.down = True
    sender = city.sender(line)
    for number in range(450):
        await city.act(str(number % 7), str(number))
        if number % 50 == 0:
            await sender.step()
    assert sender.last_failure == "NEIGHBOUR_UNREACHABLE"
    assert sender.lag_seconds >= 0

    line.down, line.lose_answers = False, 2
    await drain(sender)

    assert await prefecture_store.column(REGISTER) == [f"{number % 7}{number}" for number in range(450)]
    assert sender.last_failure == ""


async def test_a_sender_that_starts_anew_resumes_where_the_neighbour_stands(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store
) -> None:
    line = Line(prefecture, CITY)
    await city.act("1", "a")
    await drain(city.sender(line))
    await city.act("1", "b")

    await drain(city.sender(line))

    assert await prefecture_store.column(REGISTER) == ["1a", "1b"]


async def test_the_background_task_sends_soon_after_it_is_woken(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store
) -> None:
    task = asyncio.create_task(city.sender(Line(prefecture, CITY)).run())
    try:
        for note in "ab":
            await city.act("1", note)
            for _ in range(80):
                if f"1{note}" in await prefecture_store.column(REGISTER):
                    break
                await asyncio.sleep(0.01)
    finally:
        task.cancel()

    assert await prefecture_store.column(REGISTER) == ["1a", "1b"]


async def test_a_relayed_envelope_reaches_the_third_node_signed_by_the_first(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store, city_store: Store, pki: Pki
) -> None:
    # The third node stands on the first one's database: their tables do not meet.
    agency = ReceivingNode(city_store.database, signers_of(pki))
    await city.act("1", "a")
    await drain(city.sender(Line(prefecture, CITY)))
    assert prefecture.outbox is not None
    relay = SendingNode(prefecture_store.database, prefecture.outbox.signer)
    line = Line(agency, PREFECTURE)

    await drain(relay.sender(line))

    assert await city_store.column("SELECT origin_sender FROM inbox") == [CITY.name]
    assert line.certificates_sent == [3]


async def test_a_correction_takes_its_place_two_nodes_on(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store, city_store: Store, pki: Pki
) -> None:
    agency = ReceivingNode(city_store.database, signers_of(pki))
    agency.refused = {"1"}
    assert prefecture.outbox is not None
    relay = SendingNode(prefecture_store.database, prefecture.outbox.signer).sender(Line(agency, PREFECTURE))
    report = city.sender(Line(prefecture, CITY))
    wrong = await city.act("1", "wrong")
    for sender in (report, relay):
        await drain(sender)

    agency.refused = set()
    await city.act("1", "right", supersedes=wrong)
    for sender in (report, relay):
        await drain(sender)

    states = await city_store.column("SELECT state FROM inbox ORDER BY sequence")
    assert states == ["SUPERSEDED", "APPLIED"]


async def test_an_alarm_outlives_the_call_that_was_refused(
    prefecture: ReceivingNode, prefecture_store: Store, pki: Pki
) -> None:
    stream = Stream(pki.signer(CITY))
    first = stream.add("1", "a")
    stream.sequence, stream.hash = 0, NO_HASH
    other = stream.add("1", "b")

    async def deliver(delivery: Delivery) -> None:
        await prefecture.inbox.deliver(CITY, [delivery], stream.signer.certificates, prefecture.finish)

    await deliver(first)
    for _ in range(2):
        with pytest.raises(Equivocation):
            await deliver(other)

    async with prefecture_store.database.begin() as connection:
        alarms = await status.alarms(connection)
    assert [(alarm.reason, alarm.kept_hash) for alarm in alarms] == [
        ("EQUIVOCATION", open_envelope(first.envelope).body_hash)
    ]
    assert await prefecture_store.column(REGISTER) == ["1a"]


async def test_what_will_not_pass_by_itself_is_shown_and_never_skipped(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store, city_store: Store
) -> None:
    await city.act("1", "a")
    owner = await asyncpg.connect(city_store.urls.owner)
    genuine = await owner.fetchval("SELECT envelope FROM outbox")
    await owner.execute("UPDATE outbox SET envelope = $1", forged(Delivery(genuine)).envelope)
    sender = city.sender(Line(prefecture, CITY))

    for _ in range(3):
        assert not (await sender.step()).idle
    assert sender.last_failure == "SIGNATURE_INVALID"

    await owner.execute("UPDATE outbox SET envelope = $1", genuine)
    await owner.close()
    await drain(sender)
    assert await prefecture_store.column(REGISTER) == ["1a"]


async def test_a_node_restored_from_an_older_state_does_not_go_on(
    city: SendingNode, prefecture: ReceivingNode, city_store: Store
) -> None:
    sender = city.sender(Line(prefecture, CITY))
    await city.act("1", "a")
    await drain(sender)
    owner = await asyncpg.connect(city_store.urls.owner)
    await owner.execute("DELETE FROM outbox")
    await owner.execute("UPDATE outbox_head SET sequence = 0, hash = $1", NO_HASH)
    await owner.close()
    restored = city.sender(Line(prefecture, CITY))

    await restored.step()
    ahead = restored.last_failure
    await city.act("1", "b")
    await restored.step()

    assert (ahead, restored.last_failure) == ("POSITION_AHEAD", "POSITION_FORKED")


@pytest.mark.parametrize("table", ["outbox", "inbox", "exchange_signer", "exchange_alarm", "inbox_cursor"])
async def test_the_application_may_delete_nothing(prefecture_store: Store, table: str) -> None:
    app = await asyncpg.connect(prefecture_store.urls.app)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(f"DELETE FROM {table}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(f"TRUNCATE {table}")
    finally:
        await app.close()


async def test_the_application_may_not_rewrite_what_was_signed(prefecture_store: Store) -> None:
    app = await asyncpg.connect(prefecture_store.urls.app)
    try:
        for statement in ("UPDATE outbox SET envelope = ''", "UPDATE inbox SET envelope = ''"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(statement)
    finally:
        await app.close()


async def test_status_shows_lag_and_what_is_held(
    city: SendingNode, city_store: Store, prefecture: ReceivingNode, prefecture_store: Store
) -> None:
    prefecture.refused = {"1"}
    await city.act("1", "a")
    await city.act("1", "b")
    async with city_store.database.begin() as connection:
        before = await status.sending(connection, ["prefecture/13"])

    await drain(city.sender(Line(prefecture, CITY)))

    async with city_store.database.begin() as connection:
        after = await status.sending(connection, ["prefecture/13"])
    async with prefecture_store.database.begin() as connection:
        receiving = await status.receiving(connection)
    assert (before[0].last, before[0].acknowledged, before[0].lag_seconds > 0) == (2, 0, True)
    assert (after[0].acknowledged, after[0].lag_seconds) == (2, 0.0)
    assert receiving == [status.Receiving(CITY.name, 2, 1, 1)]


async def test_a_retry_after_a_restart_knows_the_signers_it_kept(
    city: SendingNode, prefecture: ReceivingNode, prefecture_store: Store, pki: Pki
) -> None:
    prefecture.refused = {"1"}
    await city.act("1", "a")
    await drain(city.sender(Line(prefecture, CITY)))
    restarted = ReceivingNode(prefecture_store.database, signers_of(pki, clock=FixedClock()))

    async with prefecture_store.database.begin() as connection:
        result = await restarted.inbox.retry(connection, CITY.name, 1)

    assert len(result.applied) == 1


async def test_a_database_that_is_away_is_a_pause_and_not_an_end(pki: Pki, prefecture: ReceivingNode) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nowhere", 1)
    sender = SendingNode(away, pki.signer(CITY)).sender(Line(prefecture, CITY))

    step = await sender.step()

    assert (step.idle, sender.last_failure) == (False, "STORE_UNREACHABLE")
    await away.close()
