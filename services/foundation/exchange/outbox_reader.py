"""What a sender reads of this node's stream, and how it notes what its neighbour has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.foundation.db.engine import Database, raw
from services.foundation.exchange.postgres_inbox import PostgresInboxStore
from services.foundation.exchange.rules import Cursor
from services.foundation.exchange.signers import StoredSigner

_HEAD = "SELECT sequence, hash FROM public.outbox_head"
_HASH_AT = "SELECT body_hash FROM public.outbox WHERE sequence = $1"
# The running sum ends the batch at its size in bytes; the first envelope goes whatever its size.
_BATCH = """
SELECT sequence, envelope, traceparent FROM (
    SELECT sequence, envelope, traceparent, sum(octet_length(envelope)) OVER (ORDER BY sequence) AS bytes
    FROM (SELECT * FROM public.outbox WHERE sequence > $1 ORDER BY sequence LIMIT $2) AS following
) AS measured
WHERE bytes <= $3 OR sequence = $1 + 1 ORDER BY sequence
"""
_ACKNOWLEDGE = """
INSERT INTO public.outbox_cursor (peer, acknowledged) VALUES ($1, $2)
ON CONFLICT (peer) DO UPDATE SET acknowledged = excluded.acknowledged, moved_at = now()
"""

_OLDEST_PENDING = """
SELECT made_at FROM public.outbox
WHERE sequence > coalesce((SELECT acknowledged FROM public.outbox_cursor WHERE peer = $1), 0)
ORDER BY sequence LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An envelope of this node's stream, serialized, and its trace context."""

    sequence: int
    envelope: bytes = field(repr=False)
    traceparent: str


class OutboxReader(Protocol):
    """The stream of this node, as a sender needs it."""

    async def head(self) -> Cursor:
        """Returns the last place of the stream."""
        ...

    async def hash_at(self, sequence: int) -> bytes | None:
        """Returns the hash of the body at this place; None where there is none."""
        ...

    async def batch(self, after: int, most: int, most_bytes: int) -> Sequence[Outgoing]:
        """Returns what follows, in order: at most so many, and no more bytes unless one alone has more."""
        ...

    async def acknowledge(self, peer: str, sequence: int) -> None:
        """Notes how far `peer` has received."""
        ...

    async def oldest_pending(self, peer: str) -> datetime | None:
        """Returns when the first envelope was made that `peer` has not acknowledged; None where it has all."""
        ...

    async def signers(self, hashes: Sequence[bytes]) -> Mapping[bytes, StoredSigner]:
        """Returns the certificates that this node received itself, or signed under, by their SHA-256."""
        ...


class PostgresOutboxReader:
    """The stream of this node in PostgreSQL, one transaction a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self) -> Cursor:
        """Returns the last place of the stream."""
        async with self._database.lane() as lane:
            row = await lane.connection.fetchrow(_HEAD)
        if row is None:
            raise RuntimeError("the outbox has lost its head row")
        return Cursor(row["sequence"], row["hash"])

    async def hash_at(self, sequence: int) -> bytes | None:
        """Returns the hash of the body at this place; None where there is none."""
        async with self._database.lane() as lane:
            found: bytes | None = await lane.connection.fetchval(_HASH_AT, sequence)
        return found

    async def batch(self, after: int, most: int, most_bytes: int) -> Sequence[Outgoing]:
        """Returns what follows, in order: at most so many, and no more bytes unless one alone has more."""
        async with self._database.lane() as lane:
            rows = await lane.connection.fetch(_BATCH, after, most, most_bytes)
        return [Outgoing(row["sequence"], row["envelope"], row["traceparent"]) for row in rows]

    async def acknowledge(self, peer: str, sequence: int) -> None:
        """Notes how far `peer` has received."""
        async with self._database.lane() as lane:
            await lane.connection.execute(_ACKNOWLEDGE, peer, sequence)

    async def oldest_pending(self, peer: str) -> datetime | None:
        """Returns when the first envelope was made that `peer` has not acknowledged; None where it has all."""
        async with self._database.lane() as lane:
            made_at: datetime | None = await lane.connection.fetchval(_OLDEST_PENDING, peer)
        return made_at

    async def signers(self, hashes: Sequence[bytes]) -> Mapping[bytes, StoredSigner]:
        """Returns the certificates that this node received itself, or signed under, by their SHA-256."""
        async with self._database.begin() as connection:
            return await PostgresInboxStore(await raw(connection)).signers(hashes)
