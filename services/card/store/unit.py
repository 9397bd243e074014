"""What one transaction on a card node's store offers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from services.card.rules.issuing import Life
from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import Receipt
from services.foundation.rpc.call import Call


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """A card in the node's list."""

    number: str
    """Twenty hexadecimal digits."""
    holder: str
    """Name of the municipality's record; random."""
    batch: str
    """Empty for none."""
    life: Life
    issued_for: str
    """Caller and request id of the issue."""
    unfinished: bool


class Cards(Protocol):
    """The cards of one transaction."""

    async def find(self, number: str) -> IssuedCard | None:
        """Returns a card that was issued here, or None."""
        ...

    async def of_issue(self, issued_for: str) -> IssuedCard | None:
        """Returns the card that an unfinished issue has begun with, or None."""
        ...

    async def add(self, card: IssuedCard) -> None:
        """Enters a card; refuses RACE_LOST when it is there already, or its issue has another."""
        ...

    async def change(self, number: str, life: Life, *, unfinished: bool | None = None) -> None:
        """Notes how a card stands now; None leaves what is known of its issue. One that is not listed stays so."""
        ...

    async def page(self, batch: str, after: str, limit: int) -> Sequence[tuple[IssuedCard, bool]]:
        """Returns cards after a number, of one batch or, when that is empty, of all; each with whether recalled."""
        ...

    async def live_numbers(self, batch: str) -> Sequence[tuple[str, Life]]:
        """Returns the cards of a batch that are not terminated, by number."""
        ...

    async def is_recalled(self, number: str) -> bool:
        """Tells whether the batch of a card has been recalled."""
        ...

    async def recall(self, batch: str) -> None:
        """Recalls a batch for good; a second time changes nothing."""
        ...


class Unit(Protocol):
    """One transaction: every write in it happens, with its audit entries and its reply, or none does."""

    @property
    def cards(self) -> Cards:
        """The cards."""
        ...

    async def replied(self, call: Call) -> bytes | None:
        """Returns the reply that this request had before, or None; refuses REQUEST_ID_REUSED."""
        ...

    async def begin_act(self, call: Call, card: str = "") -> bool:
        """Notes that an act has begun, and tells whether it had begun before and may have reached the card.

        Refuses REQUEST_ID_REUSED when it had begun with other content.
        """
        ...

    async def begun_with(self, call: Call) -> str | None:
        """Returns the number of the card with which the act has begun, None when it has not."""
        ...

    async def record(self, entries: Sequence[AuditEntry]) -> Sequence[Receipt]:
        """Appends audit entries."""
        ...

    async def reply(self, call: Call, reply: bytes) -> None:
        """Stores the reply of an act that has begun, to be repeated when the request is."""
        ...


class Store(Protocol):
    """A card node's store."""

    def begin(self) -> AbstractAsyncContextManager[Unit]:
        """Opens a transaction that commits when the block ends, and leaves nothing behind when it raises."""
        ...
