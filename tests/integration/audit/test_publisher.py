"""Publishing, resuming, and refusing to go on with a log that was tampered with."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint, sign
from services.foundation.audit.log import AuditLog
from services.foundation.audit.merkle import leaf_hash, root
from services.foundation.audit.proofs import Proofs
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.tile_store import TileStore
from services.foundation.refusals import Refusal
from tests.integration.audit.makers import ORIGIN, SIGNER, make_entry

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def append(pool: Pool, log: AuditLog, count: int) -> None:
    for start in range(0, count, 500):
        async with pool.acquire() as connection:
            await log.append(connection, [make_entry(number) for number in range(start, min(start + 500, count))])


async def leaves(pool: Pool) -> list[bytes]:
    return [leaf_hash(row["body"]) for row in await pool.fetch("SELECT body FROM audit_entry ORDER BY seq")]


def published(store: TileStore) -> Checkpoint:
    note = store.checkpoint()
    assert note is not None
    return open_checkpoint(note, [SIGNER.verifier], ORIGIN)[0]


def files(store: TileStore) -> dict[str, bytes]:
    return {
        str(path.relative_to(store.directory)): path.read_bytes()
        for path in store.directory.rglob("*")
        if path.is_file()
    }


async def tamper(owner: Connection, *statements: str) -> None:
    """Does what the owner of the tables can do who switches the triggers off."""
    for table in ("audit_entry", "audit_checkpoint", "audit_head"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    for statement in statements:
        await owner.execute(statement)


async def refused_start(pool: Pool, store: TileStore) -> str:
    with pytest.raises(Refusal) as refused:
        await Publisher(pool, store, SIGNER).start()
    return refused.value.reason


async def test_an_empty_log_publishes_nothing(pool: Pool, store: TileStore) -> None:
    assert await Publisher(pool, store, SIGNER).publish() == 0
    assert store.checkpoint() is None


async def test_the_checkpoint_covers_what_is_durable(pool: Pool, store: TileStore, log: AuditLog) -> None:
    publisher = Publisher(pool, store, SIGNER)
    for count, size in ((3, 3), (300, 303), (250, 553), (0, 553)):
        await append(pool, log, count)

        assert await publisher.publish() == size

        hashes = await leaves(pool)
        assert published(store) == Checkpoint(ORIGIN, size, root(hashes))
        assert Proofs(store).leaf(size - 1, size) == hashes[-1]
    assert not [path for path in ("tile/0/000.p", "tile/entries/000.p") if (store.directory / path).exists()]
    assert await pool.fetchval("SELECT array_agg(size ORDER BY size) FROM audit_checkpoint") == [3, 303, 553]


async def test_a_second_process_takes_up_where_the_first_stopped(pool: Pool, store: TileStore, log: AuditLog) -> None:
    await append(pool, log, 400)
    await Publisher(pool, store, SIGNER).publish()
    before = files(store)

    again = Publisher(pool, store, SIGNER)
    await again.start()
    assert again.published_size == 400
    assert files(store) == before
    await append(pool, log, 200)

    assert await again.publish() == 600
    assert published(store).root_hash == root(await leaves(pool))


async def test_lost_files_are_made_again_from_the_table(pool: Pool, store: TileStore, log: AuditLog) -> None:
    await append(pool, log, 600)
    await Publisher(pool, store, SIGNER).publish()
    before = files(store)
    shutil.rmtree(store.directory)

    await Publisher(pool, store, SIGNER).start()

    assert files(store) == before


async def test_one_lost_tile_is_made_again(pool: Pool, store: TileStore, log: AuditLog) -> None:
    await append(pool, log, 600)
    await Publisher(pool, store, SIGNER).publish()
    before = files(store)
    for lost in ("tile/0/001", "tile/entries/002.p/88"):
        (store.directory / lost).unlink()

    await Publisher(pool, store, SIGNER).start()

    assert files(store) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET body = overlay(body PLACING '7' FROM 100) WHERE seq = 150",
        "DELETE FROM audit_entry WHERE seq = 150",
        "DELETE FROM audit_entry WHERE seq >= 299",
        "UPDATE audit_entry SET seq = seq + 1000 WHERE seq >= 150",
        "UPDATE audit_checkpoint SET note = replace(note, '300', '299')",
        "UPDATE audit_checkpoint SET note = 'nonsense'",
    ],
)
async def test_a_table_that_does_not_yield_the_published_root_stops_publishing(
    pool: Pool, owner: Connection, store: TileStore, log: AuditLog, statement: str
) -> None:
    await append(pool, log, 300)
    await Publisher(pool, store, SIGNER).publish()
    await tamper(owner, statement)

    assert await refused_start(pool, store) == "LOG_TAMPERED"


async def test_a_database_put_back_to_an_earlier_state_stops_publishing(
    pool: Pool, owner: Connection, store: TileStore, log: AuditLog
) -> None:
    publisher = Publisher(pool, store, SIGNER)
    for count in (10, 20):
        await append(pool, log, count)
        await publisher.publish()
    await tamper(
        owner,
        "DELETE FROM audit_entry WHERE seq >= 10",
        "DELETE FROM audit_checkpoint WHERE size > 10",
        "UPDATE audit_head SET size = 10",
    )

    assert await refused_start(pool, store) == "LOG_TAMPERED"


async def test_a_tile_that_was_altered_stops_publishing(pool: Pool, store: TileStore, log: AuditLog) -> None:
    await append(pool, log, 300)
    await Publisher(pool, store, SIGNER).publish()
    tile = store.directory / "tile" / "0" / "000"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])

    assert await refused_start(pool, store) == "LOG_TAMPERED"


async def test_a_gap_among_new_entries_stops_publishing(
    pool: Pool, owner: Connection, store: TileStore, log: AuditLog
) -> None:
    publisher = Publisher(pool, store, SIGNER)
    await append(pool, log, 10)
    await publisher.publish()
    await append(pool, log, 10)
    await tamper(owner, "DELETE FROM audit_entry WHERE seq = 12")

    with pytest.raises(Refusal) as refused:
        await publisher.run()

    assert refused.value.reason == "LOG_TAMPERED"
    assert published(store).size == 10


async def test_a_second_publisher_of_the_same_log_stops(pool: Pool, store: TileStore, log: AuditLog) -> None:
    first, second = Publisher(pool, store, SIGNER), Publisher(pool, store, SIGNER)
    await append(pool, log, 10)
    await first.publish()
    await second.start()
    await append(pool, log, 10)
    await first.publish()

    with pytest.raises(Refusal) as refused:
        await second.publish()

    assert refused.value.reason == "PUBLISHER_ELSEWHERE"


async def test_a_promise_that_was_made_though_its_answer_was_lost_is_kept(
    pool: Pool, owner: Connection, store: TileStore, log: AuditLog
) -> None:
    publisher = Publisher(pool, store, SIGNER)
    await append(pool, log, 10)
    await publisher.publish()
    await append(pool, log, 10)
    note = sign(Checkpoint(ORIGIN, 20, root(await leaves(pool))), SIGNER)
    await pool.execute("SELECT audit_publish(20, $1)", note)
    with pytest.raises(Refusal):
        await publisher.publish()

    assert await publisher.publish() == 20
    assert store.checkpoint() == note


async def test_a_disk_that_cannot_be_written_delays_and_does_not_lose(
    pool: Pool, store: TileStore, log: AuditLog, tmp_path: Path
) -> None:
    done = asyncio.Event()

    def at_step(step: str) -> None:
        if step == "published":
            done.set()

    publisher = Publisher(pool, store, SIGNER, interval=0.01, at_step=at_step)
    await append(pool, log, 10)
    store.directory.write_text("a file where the directory should be")
    task = asyncio.create_task(publisher.run())
    await asyncio.sleep(0.1)
    assert not task.done()

    store.directory.unlink()
    await asyncio.wait_for(done.wait(), 5)

    assert published(store).size == 10
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("failing", ["tile written", "tiles durable", "signed", "promised", "published"])
async def test_an_error_after_any_step_is_made_good_at_the_next_turn(
    pool: Pool, store: TileStore, log: AuditLog, failing: str
) -> None:
    errors = [OSError("no space left")]

    def at_step(step: str) -> None:
        if step == failing and errors:
            raise errors.pop()

    publisher = Publisher(pool, store, SIGNER, at_step=at_step)
    await append(pool, log, 300)
    with pytest.raises(OSError, match="no space left"):
        await publisher.publish()

    assert await publisher.publish() == 300
    assert published(store).root_hash == root(await leaves(pool))


async def test_callers_at_once_and_a_failure_among_them_do_not_confuse_the_tree(
    pool: Pool, store: TileStore, log: AuditLog
) -> None:
    errors = [ConnectionResetError("lost")]

    def at_step(step: str) -> None:
        if step == "promised" and errors:
            raise errors.pop()

    publisher = Publisher(pool, store, SIGNER)
    await append(pool, log, 300)
    await publisher.publish()
    await append(pool, log, 300)
    publisher = Publisher(pool, store, SIGNER, at_step=at_step)
    await publisher.start()

    answers = await asyncio.gather(*(publisher.publish() for _ in range(5)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [ConnectionResetError, int, int, int, int]
    assert published(store) == Checkpoint(ORIGIN, 600, root(await leaves(pool)))


async def test_what_a_cancelled_caller_began_is_finished_first(pool: Pool, store: TileStore, log: AuditLog) -> None:
    publisher = Publisher(pool, store, SIGNER)
    await append(pool, log, 600)
    task = asyncio.create_task(publisher.publish())
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await publisher.publish() == 600
    assert published(store).root_hash == root(await leaves(pool))
