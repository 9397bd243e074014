"""The municipality's store in memory, with transactions; a contract suite holds it to what PostgreSQL does."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import Receipt
from services.foundation.refusals import RequestIdReused
from services.foundation.rpc.call import Call
from services.municipal.refusals import CodePoolEmpty, RecordChanged
from services.municipal.rules.entry import identity
from services.municipal.rules.pool import Allotment, PoolCounts
from services.municipal.rules.record import Record
from services.municipal.rules.search import Search
from services.municipal.rules.situation import Decision, Household, Situation
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.resident_code import ResidentCode


@dataclass
class Fault:
    """A failure of the next commit, and whether what was written lands anyway."""

    error: Exception
    applied: bool


@dataclass
class Kept:
    """Everything durable."""

    residents: dict[UUID, tuple[Record, ...]] = field(default_factory=dict)
    households: dict[UUID, tuple[Household, ...]] = field(default_factory=dict)
    codes: dict[ResidentCode, UUID] = field(default_factory=dict)
    pool: dict[ResidentCode, bool] = field(default_factory=dict)
    allotments: dict[Allotment, bool] = field(default_factory=dict)
    sent: tuple[tuple[bytes, int], ...] = ()
    log: tuple[AuditEntry, ...] = ()
    replies: dict[tuple[str, str, str], tuple[bytes, bytes | None]] = field(default_factory=dict)

    def copy(self) -> Kept:
        return Kept(
            dict(self.residents),
            dict(self.households),
            dict(self.codes),
            dict(self.pool),
            dict(self.allotments),
            self.sent,
            self.log,
            dict(self.replies),
        )


class MemoryStore:
    """The store in memory; transactions come one after another. Illegal writes fail the test."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.fault: Fault | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryUnit]:
        async with self._turn:
            unit = MemoryUnit(self.kept.copy())
            yield unit
            unanswered = [key for key, (_, reply) in unit.kept.replies.items() if reply is None]
            assert not unanswered, "a claimed request was committed without its reply"
            fault, self.fault = self.fault, None
            if fault is None or fault.applied:
                self.kept = unit.kept
            if fault is not None:
                raise fault.error


class MemoryUnit:
    """One transaction in memory."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.residents = MemoryResidents(kept)
        self.codes = MemoryCodes(kept)

    async def replied(self, call: Call) -> bytes | None:
        key = (call.peer.name, call.method, call.request_id)
        request_hash = hashlib.sha256(call.request).digest()
        kept_hash, reply = self.kept.replies.setdefault(key, (request_hash, None))
        if kept_hash != request_hash:
            raise RequestIdReused("draw a new request id for a new request")
        return reply

    async def send(self, changes: Sequence[bytes], *, traceparent: str, supersedes: int = 0) -> None:
        self.kept.sent += tuple((change, supersedes) for change in changes)

    async def sent(self, sequence: int) -> bytes | None:
        return self.kept.sent[sequence - 1][0] if 0 < sequence <= len(self.kept.sent) else None

    async def record(self, entries: Sequence[AuditEntry]) -> Sequence[Receipt]:
        first = len(self.kept.log)
        self.kept.log += tuple(entries)
        return [Receipt("memory", index, bytes(32)) for index in range(first, len(self.kept.log))]

    async def reply(self, call: Call, reply: bytes) -> None:
        key = (call.peer.name, call.method, call.request_id)
        request_hash, earlier = self.kept.replies[key]
        assert earlier is None, "a reply is stored once"
        self.kept.replies[key] = (request_hash, reply)


class MemoryResidents:
    """The residents and households of one transaction in memory."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    async def hold(self, residents: Collection[UUID], households: Collection[UUID] = ()) -> Situation:
        newest = [rows[-1] for rows in self._kept.residents.values()]
        wanted = set(households) | {one.household for one in newest if one.resident in residents}
        found = {one.resident: one for one in newest if one.resident in residents}
        found |= {one.resident: one for one in newest if one.is_live and one.household in wanted}
        return Situation(found, {one: self._kept.households[one][-1] for one in wanted if one in self._kept.households})

    async def holders(self, codes: Collection[ResidentCode]) -> Mapping[ResidentCode, UUID]:
        return {code: self._kept.codes[code] for code in codes if code in self._kept.codes}

    async def claim_identity(self, attributes: FourAttributes) -> UUID | None:
        for rows in self._kept.residents.values():
            if rows[-1].is_live and identity(rows[-1].attributes) == identity(attributes):
                return rows[-1].resident
        return None

    async def of_act(self, act: UUID) -> Sequence[UUID]:
        kept = self._kept.residents.items()
        return [resident for resident, rows in kept if any(row.stamp.act == act for row in rows)]

    async def row(self, resident: UUID, number: int) -> Record | None:
        rows = self._kept.residents.get(resident, ())
        return rows[number - 1] if 0 < number <= len(rows) else None

    async def write(self, decision: Decision) -> None:
        for household in decision.households:
            rows = self._kept.households.get(household.id, ())
            _check_next(len(rows), household.revision)
            self._kept.households[household.id] = (*rows, household)
        for change in decision.changes:
            after = change.after
            history = self._kept.residents.get(after.resident, ())
            _check_next(len(history), after.revision)
            assert after.household in self._kept.households, "a record refers to a household that exists"
            owner = self._kept.codes.setdefault(after.code, after.resident)
            assert owner == after.resident, "a code never serves twice"
            self._kept.residents[after.resident] = (*history, after)

    async def find(self, resident: UUID) -> Record | None:
        rows = self._kept.residents.get(resident)
        return rows[-1] if rows else None

    async def search(self, search: Search, after: UUID | None, limit: int) -> Sequence[Record]:
        def place(record: Record) -> tuple[str, UUID]:
            return (record.kana.folded, record.resident)

        start = place(self._kept.residents[after][-1]) if after is not None else None
        newest = sorted((rows[-1] for rows in self._kept.residents.values()), key=place)
        found = [one for one in newest if self._matches(one, search) and (start is None or place(one) > start)]
        return found[:limit]

    async def history(self, resident: UUID, below: int | None, limit: int) -> Sequence[Record]:
        rows = self._kept.residents.get(resident, ())
        return [row for row in reversed(rows) if below is None or row.revision < below][:limit]

    async def household(self, household: UUID) -> tuple[Household, Sequence[Record]] | None:
        rows = self._kept.households.get(household)
        if rows is None:
            return None
        return rows[-1], (await self.hold((), [household])).members(household)

    def _matches(self, record: Record, search: Search) -> bool:
        name, born, sex, address = identity(record.attributes)
        return (
            (search.include_removed or record.is_live)
            and (search.code is None or self._kept.codes.get(search.code) == record.resident)
            and (name.startswith(search.name) or record.kana.folded.startswith(search.name))
            and address.startswith(search.address)
            and (search.born is None or born.startswith(search.born.iso()))
            and (search.sex is None or sex == int(search.sex))
        )


class MemoryCodes:
    """The resident codes of one transaction in memory."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    async def unissued(self, codes: Collection[ResidentCode]) -> Collection[ResidentCode]:
        return set(self._free()) & set(codes)

    async def draw(self, count: int, at: datetime) -> Sequence[ResidentCode]:
        free = self._free()[:count]
        if len(free) < count:
            raise CodePoolEmpty("retry when the agency has allotted more codes")
        self._kept.pool |= dict.fromkeys(free, True)
        return free

    async def counts(self) -> PoolCounts:
        return PoolCounts(len(self._free()), sum(self._kept.pool.values()))

    async def free(self, most: int) -> int:
        return min(most, (await self.counts()).free)

    async def open_allotment(self) -> Allotment | None:
        return next((one for one, received in self._kept.allotments.items() if not received), None)

    async def ask(self, allotment: Allotment) -> None:
        self._kept.allotments[allotment] = False

    async def receive(self, allotment: Allotment, codes: Sequence[ResidentCode]) -> None:
        new = [code for code in codes if code not in self._kept.codes]
        self._kept.pool = dict.fromkeys(new, False) | self._kept.pool
        self._kept.allotments[allotment] = True

    def _free(self) -> list[ResidentCode]:
        return [code for code, drawn in self._kept.pool.items() if not drawn and code not in self._kept.codes]


def _check_next(rows: int, revision: int) -> None:
    if revision != rows + 1:
        raise RecordChanged("read the record again and decide anew")
