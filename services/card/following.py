"""What happened in the readers, remembered for a while, so that a watch that broke off can be resumed."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from services.card.readers.protocol import Change, Reader, ReaderEvent, Readers
from services.card.refusals import CursorMalformed

_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Seen:
    """One event with its place; None for the beginning of what is there."""

    event: ReaderEvent | None
    cursor: str


class Following:
    """Follows the readers once for everybody who watches; places are numbered from 1 in each life of the process."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._life = secrets.token_hex(4)
        self._events: deque[ReaderEvent] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self._there: dict[str, list[ReaderEvent]] = {}
        self._news = asyncio.Condition()
        self._lost: Exception | None = None

    async def run(self) -> None:
        """Follows the readers until cancelled; after the machine's card service stopped, it tries again."""
        while True:
            try:
                async for event in self._readers.watch():
                    await self._note(event)
            except Exception as error:
                await self._lose(error)
            await asyncio.sleep(1.0)

    async def follow(self, cursor: str) -> AsyncGenerator[Seen, None]:
        """Yields what comes after a cursor, or what is there and what comes; refuses CURSOR_MALFORMED.

        A reader that falls too far behind begins again with what is there.
        """
        place = self._place_of(cursor)
        while True:
            if place is None or self._count - place > len(self._events):
                place = self._count
                for seen in self._beginning():
                    yield seen
            while place < self._count and self._count - place <= len(self._events):
                event = self._events[len(self._events) - (self._count - place)]
                place += 1
                yield Seen(event, self._cursor(place))
            async with self._news:
                if self._lost is not None:
                    raise self._lost
                if place == self._count:
                    await self._news.wait()

    def _beginning(self) -> list[Seen]:
        cursor = self._cursor(self._count)
        events = [event for name in sorted(self._there) for event in self._there[name]]
        return [Seen(None, cursor), *(Seen(event, cursor) for event in events)]

    async def _note(self, event: ReaderEvent) -> None:
        async with self._news:
            self._lost = None
            _keep(self._there, event)
            self._events.append(event)
            self._count += 1
            self._news.notify_all()

    async def _lose(self, error: Exception) -> None:
        async with self._news:
            for name in list(self._there):
                self._events.append(ReaderEvent(Change.READER_REMOVED, self._there.pop(name)[0].reader))
                self._count += 1
            self._lost = error
            self._news.notify_all()

    def _cursor(self, place: int) -> str:
        return f"{self._life}-{place}"

    def _place_of(self, cursor: str) -> int | None:
        """Returns the place of a cursor, None for none and for one of an earlier life."""
        if not cursor:
            return None
        life, _, place = cursor.partition("-")
        if not (place.isascii() and place.isdigit() and len(place) < 20):
            raise CursorMalformed("watch without a cursor, or give the last one received", field="cursor")
        if life != self._life or int(place) > self._count:
            return None
        return int(place)


def _keep(there: dict[str, list[ReaderEvent]], event: ReaderEvent) -> None:
    """Keeps for each reader the events that would tell a newcomer what is there."""
    reader: Reader = event.reader
    match event.change:
        case Change.READER_REMOVED:
            there.pop(reader.name, None)
        case Change.CARD_INSERTED:
            there[reader.name] = [ReaderEvent(Change.READER_ADDED, reader), event]
        case Change.READER_ADDED | Change.CARD_REMOVED:
            there[reader.name] = [ReaderEvent(Change.READER_ADDED, reader)]
