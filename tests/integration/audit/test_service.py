"""AuditService over a real table and real tiles."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

import asyncpg
import pytest

from juki.audit.v1 import audit_service_pb2 as pb
from services.foundation.audit.log import AuditLog
from services.foundation.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.service import AuditService
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tlog_proof import parse_tlog_proof
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.refusals import Refusal
from tests.integration.audit.makers import ORIGIN, SIGNER, START, make_entry

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
NOWHERE: Any = None
"""The handlers do not look at their context."""


@pytest.fixture
def service(pool: Pool, store: TileStore) -> AuditService:
    return AuditService(pool, store, SIGNER.vkey)


@pytest.fixture
async def filled(pool: Pool, app: Connection, store: TileStore, log: AuditLog) -> Publisher:
    """A log with checkpoints of 100 and 300 entries, and ten entries more."""
    publisher = Publisher(pool, store, SIGNER)
    for count in (100, 200, 10):
        await log.append(app, [make_entry(number) for number in range(count)])
        if count > 10:
            await publisher.publish()
    return publisher


async def test_the_checkpoint_and_every_entry_verify(service: AuditService, filled: Publisher) -> None:
    checkpoint = await service.GetCheckpoint(pb.GetCheckpointRequest(), NOWHERE)
    listed = await service.ListEntries(pb.ListEntriesRequest(page_size=1000), NOWHERE)

    assert (checkpoint.size, checkpoint.durable_size) == (300, 310)
    assert listed.next_index == 310
    assert [entry.index for entry in listed.entries] == list(range(310))
    assert listed.entries[0].record_time.ToDatetime(START.tzinfo) == START
    for entry in listed.entries[:300:37]:
        request = pb.GetInclusionProofRequest(index=entry.index)
        proved = await service.GetInclusionProof(request, NOWHERE)
        assert proved.leaf_hash == leaf_hash(entry.entry)
        verify_inclusion(proved.leaf_hash, entry.index, 300, list(proved.proof), checkpoint.root_hash)
        offline = parse_tlog_proof(proved.offline_proof)
        assert offline.verify(entry.entry, [parse_vkey(checkpoint.verifier_key)], ORIGIN).size == 300


async def test_pages_follow_each_other_to_the_end(service: AuditService, filled: Publisher) -> None:
    seen, start = list[int](), 0
    while True:
        page = await service.ListEntries(pb.ListEntriesRequest(from_index=start), NOWHERE)
        if not page.entries:
            break
        assert len(page.entries) <= 100
        seen += [entry.index for entry in page.entries]
        start = page.next_index

    assert seen == list(range(310))
    assert page.next_index == 310


class ArrivingAfterRead:
    """A pool whose readers are followed at once by a new entry."""

    def __init__(self, pool: Pool, arrive: Callable[[], Awaitable[object]]) -> None:
        self._pool = pool
        self._arrive = arrive

    async def fetch(self, *arguments: Any) -> list[asyncpg.Record]:
        rows = await self._pool.fetch(*arguments)
        await self._arrive()
        return rows

    async def fetchval(self, *arguments: Any) -> Any:
        return await self._pool.fetchval(*arguments)


async def test_a_follower_at_the_end_misses_no_entry_that_comes_while_it_asks(
    pool: Pool, app: Connection, store: TileStore, log: AuditLog
) -> None:
    await log.append(app, [make_entry()])
    busy = ArrivingAfterRead(pool, lambda: log.append(app, [make_entry(1)]))
    service = AuditService(cast("Pool", busy), store, SIGNER.vkey)

    page = await service.ListEntries(pb.ListEntriesRequest(from_index=1), NOWHERE)

    assert (len(page.entries), page.next_index) == (0, 1)


async def test_a_page_of_large_entries_stays_below_the_limit_of_a_message(
    service: AuditService, app: Connection, log: AuditLog
) -> None:
    await log.append(app, [make_entry(number, case="x" * 3400) for number in range(600)])

    page = await service.ListEntries(pb.ListEntriesRequest(page_size=1000), NOWHERE)

    assert 0 < page.ByteSize() < 2**21
    assert page.next_index == len(page.entries) < 600


async def test_an_older_size_can_be_proved_against(service: AuditService, filled: Publisher) -> None:
    old = await service.GetInclusionProof(pb.GetInclusionProofRequest(index=99, size=100), NOWHERE)
    new = await service.GetCheckpoint(pb.GetCheckpointRequest(), NOWHERE)

    root = b64decode(parse_tlog_proof(old.offline_proof).checkpoint.split("\n")[2])
    continued = await service.GetConsistencyProof(pb.GetConsistencyProofRequest(old_size=100), NOWHERE)

    assert continued.new_size == 300
    verify_consistency(100, 300, root, new.root_hash, list(continued.proof))


async def test_before_the_first_checkpoint_nothing_can_be_proved(
    service: AuditService, app: Connection, log: AuditLog
) -> None:
    await log.append(app, [make_entry()])

    for question in (
        service.GetCheckpoint(pb.GetCheckpointRequest(), NOWHERE),
        service.GetInclusionProof(pb.GetInclusionProofRequest(), NOWHERE),
        service.GetConsistencyProof(pb.GetConsistencyProofRequest(old_size=1), NOWHERE),
    ):
        with pytest.raises(Refusal) as refused:
            await question
        assert refused.value.reason == "NOTHING_PUBLISHED"
    listed = await service.ListEntries(pb.ListEntriesRequest(), NOWHERE)
    assert listed.next_index == 1


async def test_an_entry_beyond_the_checkpoint_is_outside_the_tree(service: AuditService, filled: Publisher) -> None:
    with pytest.raises(Refusal) as refused:
        await service.GetInclusionProof(pb.GetInclusionProofRequest(index=300), NOWHERE)

    assert refused.value.reason == "INDEX_OUTSIDE_TREE"


async def test_a_size_without_a_checkpoint_is_not_published(service: AuditService, filled: Publisher) -> None:
    for question in (
        service.GetInclusionProof(pb.GetInclusionProofRequest(index=1, size=200), NOWHERE),
        service.GetConsistencyProof(pb.GetConsistencyProofRequest(old_size=1, new_size=310), NOWHERE),
    ):
        with pytest.raises(Refusal) as refused:
            await question
        assert refused.value.reason == "SIZE_NOT_PUBLISHED"


async def test_numbers_that_make_no_sense_are_malformed(service: AuditService, filled: Publisher) -> None:
    for question in (
        service.ListEntries(pb.ListEntriesRequest(from_index=-1), NOWHERE),
        service.ListEntries(pb.ListEntriesRequest(page_size=-1), NOWHERE),
        service.GetInclusionProof(pb.GetInclusionProofRequest(index=-1), NOWHERE),
        service.GetInclusionProof(pb.GetInclusionProofRequest(size=-1), NOWHERE),
        service.GetConsistencyProof(pb.GetConsistencyProofRequest(old_size=301), NOWHERE),
        service.GetConsistencyProof(pb.GetConsistencyProofRequest(old_size=0), NOWHERE),
    ):
        with pytest.raises(Refusal) as refused:
            await question
        assert refused.value.reason == "FIELD_MALFORMED"
