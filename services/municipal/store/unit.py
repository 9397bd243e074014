"""What one transaction on the municipality's store offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import Receipt
from services.foundation.rpc.call import Call
from services.municipal.rules.pool import Allotment, PoolCounts
from services.municipal.rules.record import Record
from services.municipal.rules.search import Search
from services.municipal.rules.situation import Decision, Household, Situation
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.resident_code import ResidentCode


class Residents(Protocol):
    """The residents and households of one transaction."""

    async def hold(self, residents: Collection[UUID], households: Collection[UUID] = ()) -> Situation:
        """Locks the named households and those of the named residents, and returns them with all they contain.

        Residents and households that do not exist are left out. Refuses RECORD_CHANGED when a resident changed
        household meanwhile.
        """
        ...

    async def holders(self, codes: Collection[ResidentCode]) -> Mapping[ResidentCode, UUID]:
        """Returns who has, or had, each of `codes` here."""
        ...

    async def claim_identity(self, attributes: FourAttributes) -> UUID | None:
        """Keeps others from entering the same person until the transaction ends; returns a live record of them."""
        ...

    async def of_act(self, act: UUID) -> Sequence[UUID]:
        """Returns the residents in whose history the act wrote a row."""
        ...

    async def row(self, resident: UUID, number: int) -> Record | None:
        """Returns one row of a history."""
        ...

    async def write(self, decision: Decision) -> None:
        """Adds the rows of a decision; refuses RECORD_CHANGED when another act was faster."""
        ...

    async def find(self, resident: UUID) -> Record | None:
        """Returns a resident's newest row."""
        ...

    async def search(self, search: Search, after: UUID | None, limit: int) -> Sequence[Record]:
        """Returns the newest rows that match, by reading, those after the resident `after` only."""
        ...

    async def history(self, resident: UUID, below: int | None, limit: int) -> Sequence[Record]:
        """Returns a resident's rows, newest first, those below number `below` only."""
        ...

    async def household(self, household: UUID) -> tuple[Household, Sequence[Record]] | None:
        """Returns a household with its live members, the head first."""
        ...


class Codes(Protocol):
    """The resident codes of one transaction."""

    async def unissued(self, codes: Collection[ResidentCode]) -> Collection[ResidentCode]:
        """Returns those of `codes` that lie in the pool, given out to nobody and no resident's."""
        ...

    async def draw(self, count: int, at: datetime) -> Sequence[ResidentCode]:
        """Takes `count` codes at random for good, none that a resident has or had; refuses CODE_POOL_EMPTY."""
        ...

    async def counts(self) -> PoolCounts:
        """Counts the whole pool, which takes time when it is large."""
        ...

    async def free(self, most: int) -> int:
        """Counts undrawn codes, up to `most`."""
        ...

    async def open_allotment(self) -> Allotment | None:
        """Returns an allotment that was asked for and not yet received."""
        ...

    async def ask(self, allotment: Allotment) -> None:
        """Notes an allotment before the agency is asked for it."""
        ...

    async def receive(self, allotment: Allotment, codes: Sequence[ResidentCode]) -> None:
        """Puts the codes of an allotment into the pool, but for residents', and closes it; again, it does nothing."""
        ...


class Unit(Protocol):
    """One transaction: every write in it happens, with its audit entries and its reply, or none does."""

    @property
    def residents(self) -> Residents:
        """The residents and households."""
        ...

    @property
    def codes(self) -> Codes:
        """The resident codes."""
        ...

    async def replied(self, call: Call) -> bytes | None:
        """Returns the reply that this request had before, or None; refuses REQUEST_ID_REUSED."""
        ...

    async def send(self, changes: Sequence[bytes], *, traceparent: str, supersedes: int = 0) -> None:
        """Puts serialized change events on the stream to the prefecture."""
        ...

    async def sent(self, sequence: int) -> bytes | None:
        """Returns the serialized change event that was sent under `sequence`."""
        ...

    async def record(self, entries: Sequence[AuditEntry]) -> Sequence[Receipt]:
        """Appends audit entries; the last write of the transaction, but for the reply."""
        ...

    async def reply(self, call: Call, reply: bytes) -> None:
        """Stores the reply, to be repeated when the request is."""
        ...


class Store(Protocol):
    """The municipality's store."""

    def begin(self) -> AbstractAsyncContextManager[Unit]:
        """Opens a transaction that commits when the block ends, and leaves nothing behind when it raises."""
        ...
