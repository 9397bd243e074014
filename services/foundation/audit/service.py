"""AuditService, which every node serves the same way: checkpoints, entries and proofs for those who verify."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import asyncpg
import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from juki.audit.v1 import audit_service_pb2 as pb
from juki.audit.v1 import audit_service_pb2_grpc as rpc
from services.foundation.audit.checkpoint import Checkpoint, parse_checkpoint
from services.foundation.audit.note import parse_note
from services.foundation.audit.proofs import Proofs
from services.foundation.audit.refusals import IndexOutsideTree, NothingPublished, SizeNotPublished
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tlog_proof import TlogProof
from services.foundation.refusals import FieldMalformed

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
Context = grpc.aio.ServicerContext[_Request, _Response]

_PAGE = 100
_PAGE_LIMIT = 1000
_PAGE_BYTES = 1 << 20
"""Entries of a page together; keeps a page of the largest ones below gRPC's limit of a message."""

_NEWEST = "SELECT note FROM public.audit_checkpoint ORDER BY size DESC LIMIT 1"
_OF_SIZE = "SELECT note FROM public.audit_checkpoint WHERE size = $1"
_NEWEST_WITNESSED = "SELECT note FROM public.audit_cosigned ORDER BY size DESC LIMIT 1"
_OF_SIZE_WITNESSED = "SELECT note FROM public.audit_cosigned WHERE size = $1"
_ENTRIES = "SELECT seq, body FROM public.audit_entry WHERE seq >= $1 ORDER BY seq LIMIT $2"
_SIZE = "SELECT size FROM public.audit_head"


@dataclass(frozen=True, slots=True)
class _Published:
    """A checkpoint with its note."""

    checkpoint: Checkpoint
    note: str


class AuditService(rpc.AuditServiceServicer):
    """Answers about one node's log.

    Reading the log is not itself an entry of it: it holds no personal data, and a follower would never come to its end.
    Where the log is `witnessed`, only checkpoints that the quorum cosigned are published.
    """

    def __init__(
        self, pool: asyncpg.Pool[asyncpg.Record], store: TileStore, verifier_key: str, *, witnessed: bool = False
    ) -> None:
        self._newest, self._of_size = (_NEWEST_WITNESSED, _OF_SIZE_WITNESSED) if witnessed else (_NEWEST, _OF_SIZE)
        self._pool = pool
        self._store = store
        self._verifier_key = verifier_key

    async def GetCheckpoint(  # noqa: D102 - the proto says it
        self, _request: pb.GetCheckpointRequest, _context: Context[pb.GetCheckpointRequest, pb.GetCheckpointResponse]
    ) -> pb.GetCheckpointResponse:
        published = await self._published(0)

        return pb.GetCheckpointResponse(
            checkpoint=published.note,
            size=published.checkpoint.size,
            root_hash=published.checkpoint.root_hash,
            verifier_key=self._verifier_key,
            durable_size=await self._pool.fetchval(_SIZE),
        )

    async def ListEntries(  # noqa: D102 - the proto says it
        self, request: pb.ListEntriesRequest, _context: Context[pb.ListEntriesRequest, pb.ListEntriesResponse]
    ) -> pb.ListEntriesResponse:
        start = _natural("from_index", request.from_index)
        limit = min(_natural("page_size", request.page_size) or _PAGE, _PAGE_LIMIT)

        rows = await self._pool.fetch(_ENTRIES, start, limit)

        page = _fitting([(row["seq"], row["body"]) for row in rows])
        return pb.ListEntriesResponse(
            entries=[_entry(seq, body) for seq, body in page],
            # An entry may have come since the page was read, so the size alone would skip it.
            next_index=page[-1][0] + 1 if page else min(start, await self._pool.fetchval(_SIZE)),
        )

    async def GetInclusionProof(  # noqa: D102 - the proto says it
        self,
        request: pb.GetInclusionProofRequest,
        _context: Context[pb.GetInclusionProofRequest, pb.GetInclusionProofResponse],
    ) -> pb.GetInclusionProofResponse:
        index = _natural("index", request.index)
        published = await self._published(_natural("size", request.size))
        size = published.checkpoint.size
        if index >= size:
            raise IndexOutsideTree("ask again when the entry is published", index=index, size=size)

        leaf, path = await asyncio.to_thread(_prove_inclusion, self._store, index, size)

        return pb.GetInclusionProofResponse(
            leaf_hash=leaf,
            proof=path,
            size=size,
            offline_proof=TlogProof(index, tuple(path), published.note).text(),
        )

    async def GetConsistencyProof(  # noqa: D102 - the proto says it
        self,
        request: pb.GetConsistencyProofRequest,
        _context: Context[pb.GetConsistencyProofRequest, pb.GetConsistencyProofResponse],
    ) -> pb.GetConsistencyProofResponse:
        old = _natural("old_size", request.old_size)
        published = await self._published(_natural("new_size", request.new_size))
        size = published.checkpoint.size
        if not 0 < old <= size:
            raise FieldMalformed("give an old size from 1 to the new one", field="old_size", size=size)

        proof = await asyncio.to_thread(Proofs(self._store).consistency, old, size)

        return pb.GetConsistencyProofResponse(proof=proof, new_size=size)

    async def _published(self, size: int) -> _Published:
        """Returns the checkpoint of `size`, or the newest for 0."""
        newest = await self._pool.fetchval(self._newest)
        if newest is None:
            raise NothingPublished("ask again when the first entries are published")
        note = await self._pool.fetchval(self._of_size, size) if size else newest
        if note is None:
            raise SizeNotPublished("ask for the size of a checkpoint that this node published", size=size)
        return _Published(parse_checkpoint(parse_note(note)[0]), note)


def _prove_inclusion(store: TileStore, index: int, size: int) -> tuple[bytes, list[bytes]]:
    proofs = Proofs(store)
    return proofs.leaf(index, size), proofs.inclusion(index, size)


def _natural(field: str, value: int) -> int:
    if value < 0:
        raise FieldMalformed("give a number from 0", field=field)
    return value


def _fitting(rows: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Returns as many rows as fit a page, at least one."""
    page: list[tuple[int, bytes]] = []
    left = _PAGE_BYTES
    for seq, body in rows:
        left -= len(body)
        if page and left < 0:
            break
        page.append((seq, body))
    return page


def _entry(seq: int, body: bytes) -> pb.LogEntry:
    stated = Timestamp()
    stated.FromJsonString(json.loads(body)["t"])
    return pb.LogEntry(index=seq, entry=body, record_time=stated)
