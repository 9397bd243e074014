"""What was received and sent, in memory, with transactions; a contract suite holds it to what PostgreSQL does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from services.foundation.exchange.inbox_store import InboxRow
from services.foundation.exchange.outbox_reader import Outgoing
from services.foundation.exchange.refusals import NOT_KEPT, Evidence
from services.foundation.exchange.rules import Cursor, State
from services.foundation.exchange.signers import StoredSigner

_HELD = (State.QUARANTINED, State.WAITING)
Key = tuple[str, int]


class CrashPoint(Exception):  # noqa: N818 - named for what is the case
    """The process dies here."""


@dataclass
class InboxState:
    """Everything durable of the receiving side."""

    rows: dict[Key, InboxRow] = field(default_factory=dict)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    alarms: list[Evidence] = field(default_factory=list)
    signers: dict[bytes, StoredSigner] = field(default_factory=dict)

    def copy(self) -> InboxState:
        """Returns a state that changes apart from this one; what is in it never changes."""
        return InboxState(dict(self.rows), dict(self.cursors), list(self.alarms), dict(self.signers))


class MemoryInbox:
    """A receiving side whose transactions keep everything or nothing; `before_each` may crash at any statement."""

    def __init__(self) -> None:
        self.state = InboxState()
        self.before_each: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryInboxStore]:
        store = MemoryInboxStore(self.state.copy(), self.before_each)
        yield store
        self.before_each()
        self.state = store.state


class MemoryInboxStore:
    """One transaction in memory."""

    def __init__(self, state: InboxState, before_each: Callable[[], None]) -> None:
        self.state = state
        self._before_each = before_each

    async def lock(self) -> None:
        self._before_each()

    async def cursor(self, sender: str) -> Cursor:
        self._before_each()
        return self.state.cursors.get(sender, Cursor())

    async def move_cursor(self, sender: str, cursor: Cursor) -> None:
        self._before_each()
        self.state.cursors[sender] = cursor

    async def kept_hashes(self, sender: str, sequences: Sequence[int]) -> Mapping[int, bytes]:
        self._before_each()
        rows = self.state.rows
        return {each: rows[sender, each].body_hash for each in sequences if (sender, each) in rows}

    async def relayed_hashes(self, origins: Sequence[Key]) -> Mapping[Key, bytes]:
        self._before_each()
        return {
            (row.origin_sender, row.origin_sequence): row.origin_hash
            for row in self.state.rows.values()
            if (row.origin_sender, row.origin_sequence) in origins
            and row.origin_sender != row.sender
            and row.reason not in NOT_KEPT
        }

    async def held_places(self, sender: str, lines: Sequence[str]) -> Mapping[str, list[int]]:
        self._before_each()
        places: dict[str, list[int]] = {}
        for row in self.state.rows.values():
            if row.sender == sender and row.line in lines and row.state in _HELD:
                places.setdefault(row.line, []).append(row.place)
        return places

    async def held_in_line(self, sender: str, line: str) -> Sequence[InboxRow]:
        self._before_each()
        rows = [
            row for row in self.state.rows.values() if (row.sender, row.line) == (sender, line) and row.state in _HELD
        ]
        return sorted(rows, key=lambda row: (row.place, row.sequence))

    async def find(self, sender: str, sequence: int) -> InboxRow | None:
        self._before_each()
        return self.state.rows.get((sender, sequence))

    async def waiting_for(self, keys: Sequence[str]) -> Sequence[InboxRow]:
        self._before_each()
        return [
            row
            for row in self.state.rows.values()
            if row.state is State.QUARANTINED and row.wait_key and row.wait_key in keys
        ]

    async def add(self, rows: Sequence[InboxRow]) -> None:
        self._before_each()
        for row in rows:
            assert (row.sender, row.sequence) not in self.state.rows
            self.state.rows[row.sender, row.sequence] = row

    async def settle(self, rows: Sequence[InboxRow]) -> None:
        self._before_each()
        for row in rows:
            kept = self.state.rows[row.sender, row.sequence]
            assert kept.state in _HELD, "what is final stays as it is"
            self.state.rows[row.sender, row.sequence] = replace(
                kept, place=row.place, state=row.state, reason=row.reason, wait_key=row.wait_key
            )

    async def raise_alarm(self, evidence: Evidence) -> None:
        self._before_each()
        if evidence not in self.state.alarms:
            self.state.alarms.append(evidence)

    async def signers(self, hashes: Sequence[bytes]) -> Mapping[bytes, StoredSigner]:
        return {each: self.state.signers[each] for each in hashes if each in self.state.signers}

    async def add_signers(self, signers: Mapping[bytes, StoredSigner]) -> None:
        self.state.signers = {**signers, **self.state.signers}


@dataclass
class MemoryOutboxReader:
    """A node's stream in memory."""

    envelopes: list[Outgoing] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    relayed_signers: dict[bytes, StoredSigner] = field(default_factory=dict)

    async def head(self) -> Cursor:
        return Cursor(len(self.hashes), self.hashes[-1]) if self.hashes else Cursor()

    async def hash_at(self, sequence: int) -> bytes | None:
        return self.hashes[sequence - 1] if 0 < sequence <= len(self.hashes) else None

    async def batch(self, after: int, most: int, most_bytes: int) -> Sequence[Outgoing]:
        batch: list[Outgoing] = []
        for each in self.envelopes[after : after + most]:
            if batch and sum(len(one.envelope) for one in batch) + len(each.envelope) > most_bytes:
                break
            batch.append(each)
        return batch

    async def acknowledge(self, peer: str, sequence: int) -> None:
        self.acknowledged[peer] = sequence

    async def oldest_pending(self, peer: str) -> datetime | None:
        return datetime(2026, 4, 1, tzinfo=UTC) if self.acknowledged.get(peer, 0) < len(self.envelopes) else None

    async def signers(self, hashes: Sequence[bytes]) -> Mapping[bytes, StoredSigner]:
        return {each: self.relayed_signers[each] for each in hashes if each in self.relayed_signers}
