"""What every store of a witness must do, said of the file's and of PostgreSQL's alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.foundation.audit.table import create_audit
from services.foundation.refusals import Refusal
from services.foundation.witness.rules import Addition, Held, parse_addition
from services.foundation.witness.store import PostgresWitnessStore
from services.foundation.witness.table import create_witnessing
from services.foundation.witness.witness import WitnessStore
from services.witness.store import FileWitnessStore
from tests.databases import MakeDatabase
from tests.witnessing import LOG, Tree

TREE, FORK = Tree(20), Tree(20, "another")


def held(size: int, at: int = 100, tree: Tree = TREE) -> Held:
    return Held(tree.checkpoint(size), tree.note(size), at)


def addition(size: int, tree: Tree = TREE) -> Addition:
    return parse_addition(tree.addition(size, size).encode())


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


@pytest.fixture
async def pool(make_database: MakeDatabase) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    urls = make_database("witness")
    statements: list[str] = []
    create_audit(statements.append, urls.app_role)
    create_witnessing(statements.append, urls.app_role)
    owner = await asyncpg.connect(urls.owner)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    async with asyncpg.create_pool(urls.app, min_size=1, max_size=6) as pool:
        yield pool


@pytest.fixture(params=["files", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> WitnessStore:
    if request.param == "files":
        (tmp_path / "evidence").mkdir()
        return FileWitnessStore(tmp_path)
    return PostgresWitnessStore(request.getfixturevalue("pool"))


async def test_it_holds_what_it_advanced_to(store: WitnessStore) -> None:
    assert await store.held(LOG.name) is None
    steps = [held(3), held(3, 101), held(9, 101), held(20, 200)]

    for before, after in zip([None, *steps], steps, strict=False):
        assert await store.advance(before, after)
        assert await store.held(LOG.name) == after


@pytest.mark.parametrize("before", [None, held(3), held(9, 99)])
async def test_it_does_not_advance_from_what_is_not_held(store: WitnessStore, before: Held | None) -> None:
    await store.advance(None, held(9))

    assert not await store.advance(before, held(12))
    assert await store.held(LOG.name) == held(9)


async def test_of_many_at_once_one_advances(store: WitnessStore) -> None:
    await store.advance(None, held(1))

    done = await asyncio.gather(*(store.advance(held(1), held(size, 101)) for size in range(2, 18)))

    assert done.count(True) == 1
    assert await store.held(LOG.name) == held(2 + done.index(True), 101)


async def test_of_many_first_ones_one_is_held(store: WitnessStore) -> None:
    done = await asyncio.gather(*(store.advance(None, held(size)) for size in range(1, 9)))

    assert done.count(True) == 1


async def test_evidence_does_not_move_what_is_held(store: WitnessStore) -> None:
    await store.advance(None, held(9))

    for _ in range(2):
        await store.keep_evidence(addition(9, FORK))

    assert await store.held(LOG.name) == held(9)


async def test_evidence_is_kept_once_and_whole(pool: asyncpg.Pool[asyncpg.Record], tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    for store in (PostgresWitnessStore(pool), FileWitnessStore(tmp_path)):
        for size in (9, 9, 10):
            await store.keep_evidence(addition(size, FORK))

    wanted = {addition(size, FORK).text() for size in (9, 10)}
    assert {row["request"] for row in await pool.fetch("SELECT request FROM witness_evidence")} == wanted
    assert {path.read_text() for path in files(tmp_path / "evidence")} == wanted


@pytest.mark.parametrize("after", [held(8, 200), held(9, 200, FORK), held(12, 50)])
async def test_the_database_itself_never_goes_back(pool: asyncpg.Pool[asyncpg.Record], after: Held) -> None:
    store = PostgresWitnessStore(pool)
    await store.advance(None, held(9))

    assert not await store.advance(held(9), after)


async def test_a_damaged_file_is_not_taken_for_nothing_held(tmp_path: Path) -> None:
    store = FileWitnessStore(tmp_path)
    await store.advance(None, held(9))
    (file,) = [path for path in files(tmp_path) if path.suffix == ".json"]
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(Refusal) as refused:
        await store.advance(None, held(3))

    assert refused.value.reason == "WITNESS_STATE_UNUSABLE"


def test_two_witnesses_do_not_share_a_state(tmp_path: Path) -> None:
    first, second = FileWitnessStore(tmp_path), FileWitnessStore(tmp_path)

    with first.held_alone(), pytest.raises(Refusal) as refused, second.held_alone():
        pass

    assert refused.value.reason == "WITNESS_STATE_UNUSABLE"
