"""What a node holds of others' logs, in its database."""

from __future__ import annotations

import asyncpg

from services.foundation.audit.checkpoint import Checkpoint
from services.foundation.witness.rules import Addition, Held

_HELD = "SELECT size, root_hash, note, cosigned_at FROM public.witness_checkpoint WHERE origin = $1"
_ADVANCE = "SELECT public.witness_advance($1, $2, $3, $4, $5, $6, $7)"
_KEEP = "SELECT public.witness_keep_evidence($1, $2, $3, $4)"


class PostgresWitnessStore:
    """A WitnessStore whose commits are durable before they return."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def held(self, origin: str) -> Held | None:
        """Returns the newest checkpoint of a log."""
        row = await self._pool.fetchrow(_HELD, origin)
        if row is None:
            return None
        return Held(Checkpoint(origin, row["size"], row["root_hash"]), row["note"], row["cosigned_at"])

    async def advance(self, before: Held | None, after: Held) -> bool:
        """Replaces `before` by `after`, durably and at once; tells whether `before` was still held."""
        old_size, old_time = (before.checkpoint.size, before.cosigned_at) if before else (-1, 0)
        new = after.checkpoint
        done: bool = await self._pool.fetchval(
            _ADVANCE, new.origin, old_size, old_time, new.size, new.root_hash, after.note, after.cosigned_at
        )
        return done

    async def keep_evidence(self, addition: Addition) -> None:
        """Keeps a checkpoint that the log signed and should not have, once."""
        signed = addition.checkpoint
        await self._pool.execute(_KEEP, signed.origin, signed.size, signed.root_hash, addition.text())
