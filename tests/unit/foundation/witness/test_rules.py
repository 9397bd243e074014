"""What a witness answers to every kind of request, over a store in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint, sign
from services.foundation.audit.merkle import EMPTY_ROOT
from services.foundation.witness.rules import Addition, Answer, Held, Status, format_addition, parse_addition
from services.foundation.witness.witness import Witness
from tests.witnessing import COSIGNER, LOG, OTHER_LOG, MovableClock, Tree

VECTORS = Path(__file__).parents[3] / "vectors" / "tlog"
TREE = Tree(40)
FORK = Tree(40, "another")


class MemoryStore:
    """Holds what a witness holds, and lets a test come in between."""

    def __init__(self) -> None:
        self.latest: dict[str, Held] = {}
        self.evidence: list[Addition] = []
        self.rivals: list[Held] = []

    async def held(self, origin: str) -> Held | None:
        return self.latest.get(origin)

    async def advance(self, before: Held | None, after: Held) -> bool:
        if self.rivals:
            self.latest[after.checkpoint.origin] = self.rivals.pop()
        if self.latest.get(after.checkpoint.origin) != before:
            return False
        self.latest[after.checkpoint.origin] = after
        return True

    async def keep_evidence(self, addition: Addition) -> None:
        self.evidence.append(addition)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 4, 1, tzinfo=UTC))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def witness(store: MemoryStore, clock: MovableClock) -> Witness:
    return Witness(COSIGNER, lambda origin: [LOG.verifier] if origin == LOG.name else [], store, clock)


async def add(witness: Witness, old: int, new: int, tree: Tree = TREE) -> Answer:
    return await witness.add_checkpoint(tree.addition(old, new).encode())


async def test_a_log_is_cosigned_as_it_grows(witness: Witness, store: MemoryStore) -> None:
    for old, new in ((0, 3), (3, 3), (3, 17), (17, 40)):
        answer = await add(witness, old, new)

        assert answer.status is Status.COSIGNED
        note = TREE.note(new) + answer.body
        assert len(open_checkpoint(note, [LOG.verifier, *COSIGNER.verifiers], LOG.name)[1].verified) == 3
        assert await witness.checkpoint(LOG.name) == note
    assert await witness.checkpoint("audit.unseen.juki.example") is None


async def test_what_it_holds_is_told_to_whoever_does_not_know(witness: Witness) -> None:
    await add(witness, 0, 17)

    for old in (0, 3, 18, 40):
        answer = await add(witness, old, 40)
        assert (answer.status, answer.body, answer.content_type) == (Status.CONFLICT, "17\n", "text/x.tlog.size")
    assert (await add(witness, 3, 10)).body == "17\n"


async def test_a_fork_of_the_same_size_is_refused_and_kept(witness: Witness, store: MemoryStore) -> None:
    await add(witness, 0, 17)

    assert (await add(witness, 17, 17, FORK)).status is Status.INCONSISTENT

    (kept,) = store.evidence
    assert open_checkpoint(kept.note, [LOG.verifier], LOG.name)[0] == FORK.checkpoint(17)
    assert store.latest[LOG.name].checkpoint == TREE.checkpoint(17)


async def test_a_larger_fork_and_a_wrong_proof_are_refused(witness: Witness) -> None:
    await add(witness, 0, 17)

    for note, proof in (
        (FORK.note(40), FORK.proof(17, 40)),
        (TREE.note(40), TREE.proof(17, 40)[:-1]),
        (TREE.note(40), [*TREE.proof(17, 40), bytes(32)]),
        (TREE.note(40), []),
        (TREE.note(17), [bytes(32)]),
    ):
        answer = await witness.add_checkpoint(format_addition(17, proof, note).encode())
        assert answer.status is Status.INCONSISTENT


async def test_a_proof_from_nothing_and_an_empty_tree_with_a_root_are_refused(witness: Witness) -> None:
    from_nothing = format_addition(0, [bytes(32)], TREE.note(5))
    rooted = format_addition(0, [], sign(Checkpoint(LOG.name, 0, bytes(32)), LOG))
    empty = format_addition(0, [], sign(Checkpoint(LOG.name, 0, EMPTY_ROOT), LOG))

    answers = [await witness.add_checkpoint(body.encode()) for body in (from_nothing, rooted, empty)]

    assert [answer.status for answer in answers] == [Status.INCONSISTENT, Status.INCONSISTENT, Status.COSIGNED]


async def test_an_old_size_above_the_new_one_is_malformed(witness: Witness) -> None:
    assert (await witness.add_checkpoint(format_addition(18, [], TREE.note(17)).encode())).status is Status.MALFORMED


async def test_a_log_that_is_not_watched_is_unknown(witness: Witness) -> None:
    note = sign(Checkpoint(OTHER_LOG.name, 1, bytes(32)), OTHER_LOG)

    assert (await witness.add_checkpoint(format_addition(0, [], note).encode())).status is Status.UNKNOWN


@pytest.mark.parametrize("forged", [True, False])
async def test_a_checkpoint_that_the_log_did_not_sign_is_forbidden(witness: Witness, forged: bool) -> None:
    note = TREE.note(5)
    text = note.partition("\n\n")[0]
    note = (
        note.replace(text.split("\n")[2], "A" * 43 + "=")
        if forged
        else f"{text}\n\n" + OTHER_LOG.sign(f"{text}\n").rpartition("\n\n")[2]
    )

    assert (await witness.add_checkpoint(format_addition(0, [], note).encode())).status is Status.UNSIGNED


@pytest.mark.parametrize(
    "body",
    [b"", b"old 0\n", b"\xff", b"old 0\n\n", TREE.note(5).encode(), b"old 00\n\n" + TREE.note(5).encode(),
     b"old -1\n\n" + TREE.note(5).encode(), b"old 0 \n\n" + TREE.note(5).encode(), b"OLD 0\n\n" + TREE.note(5).encode(),
     b"old 0\nAAAA\n\n" + TREE.note(5).encode(), b"old 0\nnonsense!\n\n" + TREE.note(5).encode(),
     b"old 0\n" + b"A" * 43 + b"B\n\n" + TREE.note(5).encode(), b"old 0\r\n\r\n" + TREE.note(5).encode(),
     b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + TREE.note(5).encode(),
     b"old 0\n\n" + LOG.sign("no tree\n").encode(),
     b"old 0\n\n" + LOG.sign(TREE.checkpoint(5).text() + "an extension\n").encode(), b"old 0\n\n" + b"a" * 300_000],
)  # fmt: skip
async def test_what_is_no_request_is_malformed(witness: Witness, store: MemoryStore, body: bytes) -> None:
    assert (await witness.add_checkpoint(body)).status is Status.MALFORMED
    assert store.latest == {}


@given(body=st.binary(max_size=300))
def test_no_bytes_make_it_fail(body: bytes) -> None:
    witness = Witness(COSIGNER, lambda _: [LOG.verifier], MemoryStore(), MovableClock(datetime.now(UTC)))

    assert asyncio.run(witness.add_checkpoint(b"old 0\n\n" + body)).status is Status.MALFORMED


async def test_the_time_of_cosignatures_never_goes_back(
    witness: Witness, store: MemoryStore, clock: MovableClock
) -> None:
    await add(witness, 0, 3)
    first = store.latest[LOG.name].cosigned_at
    clock.forward(timedelta(hours=-1))

    await add(witness, 3, 4)
    assert store.latest[LOG.name].cosigned_at == first
    clock.forward(timedelta(hours=2))
    await add(witness, 4, 4)
    assert store.latest[LOG.name].cosigned_at == first + 3600


async def test_who_comes_second_is_told_the_new_size(witness: Witness, store: MemoryStore) -> None:
    await add(witness, 0, 3)
    store.rivals = [Held(TREE.checkpoint(9), "rival", 0)]

    assert (await add(witness, 3, 5)) == Answer(Status.CONFLICT, "9\n")
    assert store.latest[LOG.name].note == "rival"


async def test_who_asks_for_the_same_beside_another_is_cosigned(witness: Witness, store: MemoryStore) -> None:
    await add(witness, 0, 3)
    store.rivals = [Held(TREE.checkpoint(3), "rival", 0)]

    assert (await add(witness, 3, 3)).status is Status.COSIGNED


async def test_others_signatures_are_not_kept(witness: Witness, store: MemoryStore) -> None:
    note = TREE.note(3) + OTHER_LOG.sign("x\n").rpartition("\n\n")[2]

    answer = await witness.add_checkpoint(format_addition(0, [], note).encode())

    assert await witness.checkpoint(LOG.name) == TREE.note(3) + answer.body


@pytest.mark.parametrize(("file", "old"), [("add0", 0), ("add-checkpoint", 3)])
def test_the_requests_of_the_vectors_are_read_and_written_the_same(file: str, old: int) -> None:
    text = (VECTORS / file).read_bytes()

    addition = parse_addition(text)

    assert (addition.old, addition.checkpoint.size, addition.text()) == (old, 5, text.decode())
