"""Which sessions with cards are open, whose they are, and when they end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from services.card.desk import CardDesk
from services.card.readers.protocol import Readers
from services.card.readers.session import ReaderSession
from services.card.refusals import SessionUnknown
from services.foundation.identity import NodeId

T = TypeVar("T")

_NAME_BYTES = 24
_LONGEST_LOOK = 1.0


@dataclass(slots=True, eq=False)
class OpenCard:
    """One session: the card held in a reader, for one caller."""

    name: str = field(repr=False)
    caller: NodeId
    opened_by: str
    """Request id of the call that opened it."""
    connection: ReaderSession
    desk: CardDesk = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    """Resident code of the holder, once the card has told it; for the log's commitments."""
    used_at: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def number(self) -> str:
        """The card's number, twenty hexadecimal digits."""
        return self.desk.number.hex().upper()

    async def run(self, work: Callable[[CardDesk], T]) -> T:
        """Does blocking work with the card."""
        return await self.connection.run(lambda _channel: work(self.desk))


class Sessions:
    """The open sessions of a node, in memory alone: what a card had been proved dies with the process.

    One ends when the card is taken out, `idle_seconds` after it was used last, and when it is ended; a session that is
    being used is not idle.
    """

    def __init__(
        self,
        readers: Readers,
        idle_seconds: float,
        card_seconds: float,
        tell_time: Callable[[], float] = time.monotonic,
    ) -> None:
        self.readers = readers
        self.idle_seconds = idle_seconds
        self._card_seconds = card_seconds
        self._tell_time = tell_time
        self._open: dict[str, OpenCard] = {}

    async def connect(self, reader: str) -> ReaderSession:
        """Holds the card in a reader, alone; refuses as `Readers.connect` does."""
        return await self.readers.connect(reader, self._card_seconds)

    def add(self, caller: NodeId, opened_by: str, connection: ReaderSession, desk: CardDesk) -> OpenCard:
        """Opens a session."""
        held = OpenCard(secrets.token_urlsafe(_NAME_BYTES), caller, opened_by, connection, desk)
        held.used_at = self._tell_time()
        self._open[held.name] = held
        return held

    def opened_by(self, caller: NodeId, request_id: str) -> OpenCard | None:
        """Returns the open session that a call opened, for a call that is repeated."""
        found = (held for held in self._open.values() if (held.caller, held.opened_by) == (caller, request_id))
        return next((held for held in found if held.connection.is_open), None)

    def find(self, name: str, caller: NodeId) -> OpenCard:
        """Returns an open session of the caller; refuses CARD_SESSION_UNKNOWN, also for another caller's."""
        held = self._open.get(name)
        if held is None or held.caller != caller or not held.connection.is_open or self._is_idle(held):
            raise SessionUnknown("open a session with the card", field="session")
        return held

    @asynccontextmanager
    async def using(self, held: OpenCard) -> AsyncIterator[None]:
        """Gives the caller the session alone; refuses CARD_SESSION_UNKNOWN when it ended meanwhile."""
        async with held.turn:
            if self._open.get(held.name) is not held or not held.connection.is_open:
                raise SessionUnknown("open a session with the card", field="session")
            try:
                yield
            finally:
                held.used_at = self._tell_time()

    async def end(self, held: OpenCard) -> None:
        """Ends a session: the card is reset and let go."""
        self._open.pop(held.name, None)
        await held.connection.close()

    async def watch(self) -> None:
        """Ends idle sessions, and forgets those whose card is gone, until cancelled."""
        while True:
            await asyncio.sleep(min(self.idle_seconds / 4, _LONGEST_LOOK))
            for held in list(self._open.values()):
                if not held.connection.is_open:
                    self._open.pop(held.name, None)
                elif self._is_idle(held):
                    await self.end(held)

    async def close(self) -> None:
        """Ends every session."""
        for held in list(self._open.values()):
            await self.end(held)

    def count(self) -> int:
        """Counts the open sessions."""
        return sum(held.connection.is_open for held in self._open.values())

    def _is_idle(self, held: OpenCard) -> bool:
        return not held.turn.locked() and self._tell_time() - held.used_at > self.idle_seconds
