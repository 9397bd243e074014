"""A log and its witnesses: what is published, what a lying or missing witness changes, what a rollback looks like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from juki.audit.v1 import audit_service_pb2 as pb
from services.foundation.audit import publisher
from services.foundation.audit.checkpoint import Checkpoint, sign
from services.foundation.audit.log import AuditLog
from services.foundation.audit.note import Signature, format_vkey
from services.foundation.audit.policy import format_policy, parse_policy
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.service import AuditService
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tlog_proof import parse_tlog_proof
from services.foundation.refusals import Refusal
from services.foundation.witness.rules import Answer, Status
from services.foundation.witness.witness import Witness
from services.foundation.witness.witnessing import Witnessing
from services.witness.store import FileWitnessStore
from tests.integration.audit.makers import ORIGIN, SIGNER, make_entry
from tests.witnessing import MovableClock, make_cosigner

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
NUMBERS = (1, 2, 3)
POLICY = parse_policy(
    format_policy(
        SIGNER.vkey, [(f"w{n}", [format_vkey(k) for k in make_cosigner(n).verifiers], f"test:{n}") for n in NUMBERS], 2
    )
)
Behaviour = Callable[[Answer], Answer]


class NearEndpoint:
    """A real witness without a network between; `behave` changes its answers, `away` keeps it from answering."""

    def __init__(self, number: int, directory: Path, clock: MovableClock) -> None:
        (directory / "evidence").mkdir(parents=True)
        self.witness = Witness(make_cosigner(number), lambda _: [SIGNER.verifier], FileWitnessStore(directory), clock)
        self.away = False
        self.slow = 0.0
        self.behave: Behaviour = lambda answer: answer
        self.shows: Callable[[str | None], str | None] = lambda note: note
        self.asked = 0

    async def add_checkpoint(self, request: str, seconds: float) -> Answer:
        self.asked += 1
        if self.away:
            raise ConnectionRefusedError
        await asyncio.sleep(min(self.slow, seconds))
        return self.behave(await self.witness.add_checkpoint(request.encode()))

    async def checkpoint(self, origin: str, seconds: float) -> str | None:
        if self.away:
            raise ConnectionRefusedError
        return self.shows(await self.witness.checkpoint(origin))


class Scene:
    """One log under one policy, and its three witnesses."""

    def __init__(self, pool: Pool, store: TileStore, log: AuditLog, directory: Path) -> None:
        self.clock = MovableClock(datetime(2026, 4, 1, tzinfo=UTC))
        self.witnesses = {f"test:{n}": NearEndpoint(n, directory / str(n), self.clock) for n in NUMBERS}
        self.pool, self.store, self.log = pool, store, log
        self.publisher, self.witnessing = self.process()

    def process(self) -> tuple[Publisher, Witnessing]:
        """A process that publishes the log, new as after a restart."""
        witnessing = Witnessing(POLICY, ORIGIN, self.pool, self.witnesses.__getitem__, self.clock)
        return Publisher(self.pool, self.store, SIGNER, witnessing=witnessing), witnessing

    def of(self, number: int) -> NearEndpoint:
        return self.witnesses[f"test:{number}"]

    async def append(self, count: int, case: str = "2026-1") -> None:
        async with self.pool.acquire() as connection:
            await self.log.append(connection, [make_entry(number, case=case) for number in range(count)])

    async def grow(self, count: int) -> None:
        await self.append(count)
        await self.publisher.publish()

    def published(self) -> int:
        note = self.store.checkpoint()
        return POLICY.open(note, ORIGIN)[0].size if note is not None else 0

    async def refused(self) -> str:
        with pytest.raises(Refusal) as refused:
            await self.publisher.publish()
        return refused.value.reason

    async def refused_start(self) -> str:
        with pytest.raises(Refusal) as refused:
            await self.process()[0].start()
        return refused.value.reason


@pytest.fixture
def scene(pool: Pool, store: TileStore, log: AuditLog, tmp_path: Path) -> Scene:
    return Scene(pool, store, log, tmp_path / "witnesses")


async def rolled_back(owner: Connection, size: int) -> None:
    """Puts the database back to an earlier state, as a restored backup does, and the files with it."""
    for table in ("audit_entry", "audit_checkpoint", "audit_head"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    await owner.execute(f"DELETE FROM audit_cosigned WHERE size > {size}")
    await owner.execute(f"DELETE FROM audit_checkpoint WHERE size > {size}")
    await owner.execute(f"DELETE FROM audit_entry WHERE seq >= {size}")
    await owner.execute(f"DELETE FROM audit_salt WHERE seq >= {size}")
    await owner.execute(f"UPDATE audit_head SET size = {size}")


def forget_files(store: TileStore) -> None:
    (store.directory / "checkpoint").unlink()
    for path in sorted(store.directory.glob("tile/**/*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


async def test_what_the_quorum_cosigned_is_published_everywhere(scene: Scene) -> None:
    for count in (5, 300, 1):
        await scene.grow(count)
    service = AuditService(scene.pool, scene.store, SIGNER.vkey, witnessed=True)
    nowhere: object = None

    newest = await service.GetCheckpoint(pb.GetCheckpointRequest(), nowhere)  # type: ignore[arg-type]
    proved = await service.GetInclusionProof(pb.GetInclusionProofRequest(index=4), nowhere)  # type: ignore[arg-type]

    assert scene.published() == newest.size == scene.publisher.published_size == 306
    assert POLICY.open(newest.checkpoint, ORIGIN)[0].root_hash == newest.root_hash
    assert POLICY.open(parse_tlog_proof(proved.offline_proof).checkpoint, ORIGIN)[0].size == 306


async def test_one_of_three_away_changes_nothing_and_comes_back(scene: Scene) -> None:
    await scene.grow(5)
    scene.of(2).away = True
    await scene.grow(5)
    assert scene.published() == 10

    scene.of(2).away = False
    await scene.grow(5)

    assert scene.published() == 15
    assert await scene.of(2).witness.checkpoint(ORIGIN) is not None


async def test_without_the_quorum_nothing_new_is_published(scene: Scene) -> None:
    await scene.grow(5)
    scene.of(1).away = scene.of(2).away = True
    await scene.grow(5)
    assert (scene.published(), scene.publisher.published_size) == (5, 5)

    scene.of(1).away = False
    assert await scene.publisher.publish() == 10

    assert scene.published() == 10


async def test_a_log_that_never_comes_to_rest_is_witnessed_on_the_way(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "CHUNK", 3)
    monkeypatch.setattr(scene.publisher, "_interval", 0.0)

    await scene.grow(10)

    assert scene.of(1).asked == 4
    assert await scene.pool.fetchval("SELECT array_agg(size ORDER BY size) FROM audit_cosigned") == [3, 6, 9, 10]


async def test_a_slow_witness_is_not_waited_for(scene: Scene) -> None:
    scene.of(3).slow = 60
    began = asyncio.get_running_loop().time()

    await scene.grow(5)

    assert scene.published() == 5
    assert asyncio.get_running_loop().time() - began < 1


@pytest.mark.parametrize(
    "behave",
    [
        lambda _: Answer(Status.COSIGNED, ""),
        lambda _: Answer(Status.COSIGNED, "nonsense"),
        lambda answer: Answer(answer.status, answer.body[:-9] + "AAAAAAA=\n"),
        lambda _: Answer(Status.CONFLICT, "0\n"),
        lambda _: Answer(Status.CONFLICT, "999999\n"),
        lambda _: Answer(Status.CONFLICT, "many\n"),
        lambda _: Answer(Status.INCONSISTENT, ""),
        lambda _: Answer(Status.UNSIGNED, ""),
        lambda _: Answer(Status.UNKNOWN, ""),
    ],
)
@pytest.mark.parametrize("shows", ["nothing", "nonsense", "stranger"])
async def test_a_lying_witness_can_neither_count_nor_stop_the_log(scene: Scene, behave: Behaviour, shows: str) -> None:
    shown = {"nothing": None, "nonsense": "nonsense", "stranger": make_stranger()}[shows]
    await scene.grow(5)
    scene.of(1).behave, scene.of(1).shows = behave, lambda _: shown
    await scene.grow(5)
    assert scene.published() == 10

    scene.of(2).away = True
    await scene.grow(5)

    assert scene.published() == 10, "the liar does not make a quorum"


def make_stranger() -> str:
    """A checkpoint of a huge log of this name, that a key of the liar's own has signed."""
    text = Checkpoint(ORIGIN, 10**6, bytes(32)).text()
    forged = Signature(ORIGIN, SIGNER.verifier.key_id, bytes(64)).line()
    return f"{text}\n{forged}"


async def test_a_cosignature_of_another_time_or_key_is_not_counted(scene: Scene) -> None:
    other = make_cosigner(9)
    for number in NUMBERS[:2]:
        scene.of(number).behave = lambda answer: Answer(
            answer.status, "".join(each.line() for each in other.cosign(Checkpoint(ORIGIN, 5, bytes(32)), 1))
        )

    await scene.grow(5)

    assert scene.published() == 0


async def test_a_restarted_process_goes_on(scene: Scene) -> None:
    await scene.grow(5)
    scene.publisher, scene.witnessing = scene.process()
    await scene.publisher.start()
    assert scene.publisher.published_size == 5

    await scene.grow(300)

    assert scene.published() == 305


async def test_a_promise_that_was_not_witnessed_yet_is_taken_up(scene: Scene) -> None:
    for number in NUMBERS:
        scene.of(number).away = True
    await scene.grow(5)
    scene.publisher, scene.witnessing = scene.process()
    await scene.publisher.start()
    assert scene.publisher.published_size == 0
    for number in NUMBERS:
        scene.of(number).away = False

    await scene.publisher.publish()

    assert scene.published() == 5


async def test_a_quiet_log_is_cosigned_again_before_it_is_stale(scene: Scene) -> None:
    await scene.grow(5)
    asked = scene.of(1).asked
    scene.clock.forward(timedelta(seconds=30))
    await scene.publisher.publish()
    assert scene.of(1).asked == asked

    scene.clock.forward(timedelta(seconds=31))
    await scene.publisher.publish()

    assert scene.of(1).asked == asked + 1
    assert scene.witnessing.freshness.age < timedelta(seconds=2)


async def test_cosignatures_of_the_same_size_gather(scene: Scene) -> None:
    scene.of(3).away = True
    await scene.grow(5)
    scene.of(3).away, scene.of(1).away = False, True
    scene.clock.forward(timedelta(seconds=70))

    await scene.publisher.publish()

    note = scene.store.checkpoint()
    assert note is not None
    assert {line.split(" ")[1] for line in note.splitlines() if line.startswith("\u2014")} == {
        ORIGIN, "witness.1.juki.example", "witness.2.juki.example", "witness.3.juki.example"
    }  # fmt: skip


async def test_alarm_and_refusal_follow_the_age_of_what_was_witnessed(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    freshness = scene.witnessing.freshness
    await scene.grow(5)
    for number in NUMBERS[:2]:
        scene.of(number).away = True

    for seconds, told in ((299, 0), (1, 1), (30, 1), (30, 2), (539, 3)):
        scene.clock.forward(timedelta(seconds=seconds))
        await scene.publisher.publish()
        freshness.check()
        assert [record.message for record in caplog.records].count("audit.not_witnessed") == told
    scene.clock.forward(timedelta(seconds=1))
    with pytest.raises(Refusal) as refused:
        freshness.check()
    assert refused.value.reason == "LOG_NOT_WITNESSED"

    scene.of(1).away = False
    await scene.publisher.publish()
    freshness.check()


async def test_an_empty_log_is_fresh(scene: Scene) -> None:
    scene.clock.forward(timedelta(days=1))

    await scene.publisher.publish()

    scene.witnessing.freshness.check()


async def test_a_witness_whose_clock_is_ahead_does_not_make_the_log_fresher(scene: Scene) -> None:
    freshness = scene.witnessing.freshness

    freshness.witnessed(scene.clock.now() + timedelta(days=1))

    assert freshness.age == timedelta(0)


@pytest.mark.parametrize("regrown", [0, 3, 20])
async def test_a_restored_database_is_recognised_at_the_start(scene: Scene, owner: Connection, regrown: int) -> None:
    for count in (5, 10):
        await scene.grow(count)
    await rolled_back(owner, 5)
    forget_files(scene.store)
    await scene.append(regrown, case="another history")

    assert await scene.refused_start() == "LOG_ROLLED_BACK"


async def test_a_restored_database_is_recognised_by_one_witness_that_is_there(scene: Scene, owner: Connection) -> None:
    for count in (5, 10):
        await scene.grow(count)
    await rolled_back(owner, 5)
    forget_files(scene.store)
    scene.of(1).away = scene.of(3).away = True

    assert await scene.refused_start() == "LOG_ROLLED_BACK"


@pytest.mark.parametrize("regrown", [0, 3, 10, 20])
async def test_a_restored_database_is_recognised_as_soon_as_a_witness_is_back(
    scene: Scene, owner: Connection, regrown: int
) -> None:
    for count in (5, 10):
        await scene.grow(count)
    await rolled_back(owner, 5)
    forget_files(scene.store)
    for number in NUMBERS:
        scene.of(number).away = True
    scene.publisher, scene.witnessing = scene.process()
    await scene.publisher.start()
    await scene.append(regrown, case="another history")
    scene.of(2).away = False
    scene.clock.forward(timedelta(seconds=61))

    assert await scene.refused() == "LOG_ROLLED_BACK"


async def test_a_database_replayed_to_what_was_witnessed_serves_again(scene: Scene, owner: Connection) -> None:
    await scene.grow(5)
    await scene.grow(10)
    # The entries came back with the replayed journal; the last promise did not.
    await owner.execute("ALTER TABLE audit_checkpoint DISABLE TRIGGER ALL")
    await owner.execute("DELETE FROM audit_cosigned WHERE size > 5")
    await owner.execute("DELETE FROM audit_checkpoint WHERE size > 5")
    forget_files(scene.store)
    scene.publisher, scene.witnessing = scene.process()

    await scene.publisher.start()
    await scene.publisher.publish()

    assert scene.published() == 15


async def test_the_same_key_cannot_sign_a_fork_past_its_witnesses(scene: Scene, tmp_path: Path) -> None:
    await scene.grow(5)
    fork = sign(Checkpoint(ORIGIN, 5, bytes(32)), SIGNER)

    answers = [await scene.of(n).witness.add_checkpoint(f"old 5\n\n{fork}".encode()) for n in NUMBERS]

    assert [answer.status for answer in answers] == [Status.INCONSISTENT] * 3
