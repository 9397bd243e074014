"""How what happens in readers reaches those who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from services.card.readers.protocol import Change, Presence, Reader, ReaderEvent


def changes(before: Reader | None, after: Reader | None, *, exchanged: bool = False) -> tuple[ReaderEvent, ...]:
    """Lists what happened to one reader between two looks; `exchanged` when one card took another's place."""
    events = []
    if before is not None and before.presence is not Presence.EMPTY and (_is_empty(after) or exchanged):
        events.append(ReaderEvent(Change.CARD_REMOVED, Reader(before.name, Presence.EMPTY)))
    if before is None and after is not None:
        events.append(ReaderEvent(Change.READER_ADDED, after))
    if after is not None and not _is_empty(after) and (_is_empty(before) or exchanged):
        events.append(ReaderEvent(Change.CARD_INSERTED, after))
    if before is not None and after is None:
        events.append(ReaderEvent(Change.READER_REMOVED, Reader(before.name, Presence.EMPTY)))
    return tuple(events)


def _is_empty(reader: Reader | None) -> bool:
    return reader is None or reader.presence is Presence.EMPTY


class Subscription:
    """One watcher's queue of events; an exception in it ends the watch with that exception."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[ReaderEvent | Exception] = asyncio.Queue()

    def put(self, item: ReaderEvent | Exception) -> None:
        """Adds an event, or the reason why there will be none any more."""
        self._queue.put_nowait(item)

    async def events(self) -> AsyncIterator[ReaderEvent]:
        """Yields events as they come."""
        while True:
            item = await self._queue.get()
            if isinstance(item, Exception):
                raise item
            yield item
