"""Publishing the log: entries become tiles, tiles a signed checkpoint, in an order that a crash may cut anywhere.

Tiles first, then the checkpoint in the database, then, where the log has witnesses, their cosignatures, then the
checkpoint among the files. Whatever was published last in the database is a promise; the tiles it needs are durable
before it is made, and what follows it can be made again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence

import asyncpg

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint, sign
from services.foundation.audit.merkle import Hash, root_at
from services.foundation.audit.note import NoteSigner
from services.foundation.audit.proofs import Proofs
from services.foundation.audit.refusals import LogTampered, PublisherElsewhere
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import Edge, Tile, read_node
from services.foundation.refusals import Refusal
from services.foundation.witness.witnessing import Witnessing

_log = logging.getLogger(__name__)

CHUNK = 16_384
"""Entries read, and published, at a time; bounds the memory."""

_ENTRIES = "SELECT seq, body FROM public.audit_entry WHERE seq >= $1 AND seq < $2 ORDER BY seq"
_NEWEST = "SELECT note FROM public.audit_checkpoint ORDER BY size DESC LIMIT 1"
_DURABLE = "SELECT size FROM public.audit_head"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _go_on(_step: str) -> None:
    """Does nothing between steps."""


class Publisher:
    """Keeps the files of one log in step with its table.

    With `witnessing`, a checkpoint is published once its policy's quorum has cosigned it, and again at the same size
    when it is cosigned anew. `at_step` is called with a step's name after the step is durable: a place for fault
    drills.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        store: TileStore,
        signer: NoteSigner,
        *,
        interval: float = 1.0,
        witnessing: Witnessing | None = None,
        at_step: Callable[[str], None] = _go_on,
    ) -> None:
        self._pool = pool
        self._store = store
        self._signer = signer
        self._interval = interval
        self._witnessing = witnessing
        self._at_step = at_step
        self._edge: Edge | None = None
        self._published_size = 0
        self._lock = asyncio.Lock()
        self._work: asyncio.Task[int] | None = None

    @property
    def published_size(self) -> int:
        """How many entries the newest checkpoint covers."""
        return self._published_size

    async def start(self) -> None:
        """Takes up where the last process stopped, after deriving the published root again from the table.

        Reads the whole table; makes files that are lost again. Refuses LOG_TAMPERED when table, files and checkpoint
        do not agree, and LOG_ROLLED_BACK when a witness has seen another log: then a person must look, and nothing
        more is published.
        """
        async with self._lock:
            await self._resume()

    async def publish(self) -> int:
        """Publishes what is durable but not yet published, and returns the newest checkpoint's size.

        Refuses LOG_TAMPERED, LOG_ROLLED_BACK, and PUBLISHER_ELSEWHERE when another process publishes this log. A
        cancelled caller does not wait, but what was begun is finished before anything else is.
        """
        self._work = asyncio.create_task(self._publish_all())
        return await asyncio.shield(self._work)

    async def run(self) -> None:
        """Publishes every interval until cancelled; raises what refuses, and goes on after lost connections."""
        while True:
            began = _now()
            try:
                await self.publish()
            except Refusal as refusal:
                _log.critical("audit.publishing_stopped", extra={"reason": refusal.reason, **refusal.facts})
                raise
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("audit.publishing_delayed", extra={"error": type(error).__name__})
            await asyncio.sleep(max(0.0, began + self._interval - _now()))

    async def _publish_all(self) -> int:
        async with self._lock:
            edge = self._edge or await self._resume()
            due, caught_up = _now() + self._interval, False
            while not caught_up and (entries := await self._read(edge.size, edge.size + CHUNK)):
                edge = await self._publish(edge, entries)
                # Under load there are always new entries, far behind there are many: neither keeps witnesses out.
                caught_up = len(entries) < CHUNK
                if self._witnessing is not None and not caught_up and _now() >= due:
                    await self._have_witnessed(self._witnessing, edge)
                    due = _now() + self._interval
            if self._witnessing is not None:
                await self._have_witnessed(self._witnessing, edge)
            return edge.size

    async def _have_witnessed(self, witnessing: Witnessing, edge: Edge) -> None:
        """Publishes the newest promise if it is due and the quorum cosigns it; otherwise the next round tries again."""
        if edge.size == 0:
            witnessing.freshness.rest()
        elif witnessing.is_due(edge.size):
            note = await witnessing.cosign(await self._pool.fetchval(_NEWEST), edge.size, self._prove, self._continues)
            self._at_step("witnessed")
            if note is not None:
                await asyncio.to_thread(self._store.write_checkpoint, note)
                self._published_size = edge.size

    async def _resume(self) -> Edge:
        note = await self._pool.fetchval(_NEWEST)
        published = self._opened(note) if note is not None else None
        self._check_files_not_newer(published)
        edge = Edge()
        if published is not None and note is not None:
            edge, complete = await self._derived(published)
            if not complete:
                await self._make_again(published)
        self._edge = edge
        if self._witnessing is not None:
            note = await self._witnessing.start(self._continues)
            self._published_size = self._witnessing.size
        else:
            self._published_size = edge.size
        if note is not None and self._store.checkpoint() != note:
            await asyncio.to_thread(self._store.write_checkpoint, note)
        return edge

    async def _publish(self, before: Edge, entries: Sequence[bytes]) -> Edge:
        # Works on a copy, so that a full disk or a lost connection leaves this process where it was.
        edge = before.copy()
        full = list(edge.extend(entries))
        await asyncio.to_thread(self._write, [*full, *edge.partials()])
        note = sign(Checkpoint(self._signer.name, edge.size, edge.root()), self._signer)
        self._at_step("signed")
        # Until the files are finished this process does not know how far it came: after an error, `start` finds out.
        self._edge = None
        try:
            await self._pool.execute("SELECT public.audit_publish($1, $2)", edge.size, note)
        except asyncpg.InvalidParameterValueError:
            raise PublisherElsewhere("stop the other process of this node", size=edge.size) from None
        # The promise is made. If the process dies here, `start` finds it in the database and finishes the files.
        self._at_step("promised")
        if self._witnessing is None:
            await asyncio.to_thread(self._store.write_checkpoint, note)
            self._published_size = edge.size
        self._edge = edge
        self._at_step("published")
        for tile in full:
            await asyncio.to_thread(self._store.drop_partials, tile.path)
        self._at_step("tidied")
        return edge

    async def _prove(self, old: int, new: int) -> list[Hash]:
        return await asyncio.to_thread(Proofs(self._store).consistency, old, new)

    async def _continues(self, held: Checkpoint) -> bool:
        """Tells whether the log continues a checkpoint that somebody else holds of it."""
        edge = self._edge or Edge()
        if held.size > await self._pool.fetchval(_DURABLE):
            return False
        if held.size <= edge.size:
            read = read_node(edge.size, self._store.read)
            return await asyncio.to_thread(root_at, held.size, read) == held.root_hash
        # What was witnessed is always promised before, so the promise was lost; the entries may be there all the same.
        further = edge.copy()
        for start in range(edge.size, held.size, CHUNK):
            list(further.extend(await self._read(start, min(start + CHUNK, held.size))))
        return further.root() == held.root_hash

    def _write(self, tiles: Sequence[Tile]) -> None:
        for tile in tiles:
            self._store.write(tile)
            self._at_step("tile written")
        self._store.sync()
        self._at_step("tiles durable")

    async def _derived(self, published: Checkpoint) -> tuple[Edge, bool]:
        """Returns the edge that the table yields at the published size, and whether all its tiles are there."""
        edge, complete = Edge(), True
        async for entries in self._chunks(published.size):
            complete = await asyncio.to_thread(self._extend, edge, entries) and complete
        if edge.size != published.size or edge.root() != published.root_hash:
            raise LogTampered(
                "the table does not yield the published root: keep it as evidence and restore it",
                what="audit_entry",
                published=published.size,
                found=edge.size,
            )
        partials = [self._store.holds(tile) for tile in edge.partials()]
        return edge, complete and all(partials)

    def _extend(self, edge: Edge, entries: Sequence[bytes]) -> bool:
        held = [self._store.holds(tile) for tile in edge.extend(entries)]
        return all(held)

    async def _make_again(self, published: Checkpoint) -> None:
        _log.warning("audit.tiles_made_again", extra={"size": published.size})
        edge = Edge()
        async for entries in self._chunks(published.size):
            await asyncio.to_thread(self._write, list(edge.extend(entries)))
        await asyncio.to_thread(self._write, list(edge.partials()))

    async def _chunks(self, size: int) -> AsyncIterator[list[bytes]]:
        for start in range(0, size, CHUNK):
            yield await self._read(start, min(start + CHUNK, size))

    async def _read(self, start: int, end: int) -> list[bytes]:
        rows = await self._pool.fetch(_ENTRIES, start, end)
        for seq, row in enumerate(rows, start=start):
            if row["seq"] != seq:
                raise LogTampered("an entry is missing from the table", what="audit_entry", seq=seq)
        return [row["body"] for row in rows]

    def _opened(self, note: str) -> Checkpoint:
        try:
            return open_checkpoint(note, [self._signer.verifier], self._signer.name)[0]
        except Refusal as refusal:
            raise LogTampered(
                "the stored checkpoint is not one that this node's log.key signed", what=refusal.reason
            ) from None

    def _check_files_not_newer(self, published: Checkpoint | None) -> None:
        note = self._store.checkpoint()
        size = self._opened(note).size if note is not None else 0
        if size > (published.size if published else 0):
            raise LogTampered("the database was put back to an earlier state than its files", what="files", size=size)
