"""What happens in the machine's readers, learnt from PC/SC in a thread and told in the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

from services.card.readers.events import changes
from services.card.readers.protocol import Presence, Reader, ReaderEvent
from services.card.readers.scard import Scard, Status
from services.foundation.refusals import Refusal

_PLUGGED = r"\\?PnP?\Notification"
"""The name under which pcsc-lite tells that a reader was plugged in or out."""
_PATIENCE = 1000
"""Milliseconds of one wait; a stop, or a reader that came between two calls, waits no longer than that."""
_COUNTER = 16
"""Bits below the event counter."""


def look(scard: Scard, status: Status) -> Reader:
    """Reads what PC/SC tells of a reader."""
    presence = Presence.EMPTY
    if status.state & scard.SCARD_STATE_PRESENT:
        presence = Presence.MUTE if status.state & scard.SCARD_STATE_MUTE else Presence.PRESENT
    in_use = bool(status.state & (scard.SCARD_STATE_EXCLUSIVE | scard.SCARD_STATE_INUSE))
    return Reader(status.name, presence, status.atr if presence is Presence.PRESENT else b"", in_use)


class Monitor:
    """A daemon thread that waits for changes; `tell` and `lose` are called in the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tell: Callable[[dict[str, Reader], tuple[ReaderEvent, ...]], None],
        lose: Callable[[Refusal], None],
    ) -> None:
        self._loop = loop
        self._tell = tell
        self._lose = lose
        self._states: dict[str, int] = {}
        self._readers: dict[str, Reader] = {}
        self._stopping = False
        self._scard: Scard | None = None

    def start(self) -> None:
        """Connects to PC/SC, refusing PCSC_UNAVAILABLE, and starts the thread."""
        self._scard = Scard()
        threading.Thread(target=self._run, args=(self._scard,), name="card readers", daemon=True).start()

    def stop(self) -> None:
        """Lets the thread end, within a second."""
        self._stopping = True
        if self._scard is not None:
            self._scard.cancel()

    def _run(self, scard: Scard) -> None:
        try:
            while not self._stopping:
                self._look(scard)
                waited = {**self._states, _PLUGGED: len(self._states) << _COUNTER}
                scard.status_change(waited, _PATIENCE)
        except Refusal as refusal:
            self._call(partial(self._lose, refusal))
        finally:
            scard.release()

    def _look(self, scard: Scard) -> None:
        names = scard.readers()
        found = scard.status_change(dict.fromkeys(names, scard.SCARD_STATE_UNAWARE), 0) if names else []
        if found is None:
            return
        events: list[ReaderEvent] = []
        seen = {status.name: look(scard, status) for status in found}
        for gone in self._readers.keys() - seen.keys():
            events += changes(self._readers[gone], None)
        for status in found:
            before = self._states.get(status.name, status.state)
            exchanged = before >> _COUNTER != status.state >> _COUNTER
            events += changes(self._readers.get(status.name), seen[status.name], exchanged=exchanged)
        self._states = {status.name: status.state & ~scard.SCARD_STATE_CHANGED for status in found}
        self._readers = seen
        if events:
            self._call(lambda: self._tell(dict(seen), tuple(events)))

    def _call(self, function: Callable[[], None]) -> None:
        if not self._stopping and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)
