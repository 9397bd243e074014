"""Appending to the audit log inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.merkle import leaf_hash
from services.foundation.audit.salts import Sealer
from services.foundation.identity import NodeId

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection of its own or one lent by a pool."""

_APPEND = "SELECT public.audit_append($1::bytea[], $2::bytea[], $3::bytea[])"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an entry stands in a log: the log's origin, its index from 0, and the hash of its leaf (32 bytes)."""

    origin: str
    index: int
    leaf_hash: bytes


class AuditLog:
    """The log of one node."""

    def __init__(self, node: NodeId, origin: str, sealer: Sealer) -> None:
        self.node = node
        self.origin = origin
        self._sealer = sealer

    async def append(self, connection: Connection, entries: Sequence[AuditEntry]) -> list[Receipt]:
        """Appends `entries` in order and returns their receipts, in the same order.

        Runs in the caller's transaction, and should be its last statement before the commit: appending locks the head
        of the log until then, so that sequence numbers have no gaps and follow the order of commits. A receipt is
        worth something only after that commit.
        """
        if not entries:
            return []
        halves = [entry.halves for entry in entries]
        first: int = await connection.fetchval(
            _APPEND,
            [head for head, _ in halves],
            [tail for _, tail in halves],
            [self._sealer.seal(entry.salt) for entry in entries],
        )
        return [
            Receipt(self.origin, index, leaf_hash(b"%b%d%b" % (head, index, tail)))
            for index, (head, tail) in enumerate(halves, start=first)
        ]
