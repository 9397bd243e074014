"""Readers of the machine's PC/SC service, real ones and virtual ones alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from services.card.apdu import Command, Response
from services.card.readers.events import Subscription, changes
from services.card.readers.monitor import Monitor, look
from services.card.readers.protocol import COMMAND_SECONDS, Change, Reader, ReaderEvent
from services.card.readers.scard import Scard
from services.card.readers.session import ReaderSession, open_link
from services.card.readers.worker import Worker
from services.card.refusals import CardMute
from services.foundation.refusals import Refusal


class _PcscLink:
    """An exclusive hold on one card, with a context of its own, so that readers do not wait for each other."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._scard = Scard()
        self._card: Any = None
        try:
            self._card, self._protocol = self._scard.connect(reader)
            self.atr = self._scard.atr(self._card, reader)
        except Refusal:
            self.release()
            raise

    def transmit(self, command: Command) -> Response:
        return Response.parse(self._scard.transmit(self._card, self._protocol, command.encode(), self._reader))

    def release(self) -> None:
        if self._card is not None:
            self._scard.disconnect(self._card)
        self._scard.release()


class PcscReaders:
    """The readers that PC/SC knows; a card that is taken out ends its session even when no command is under way.

    pcsc-lite reads the address of its service, `PCSCLITE_CSOCK_NAME` in the environment, once in a process.
    """

    def __init__(self) -> None:
        self._known: dict[str, Reader] = {}
        self._subscriptions: set[Subscription] = set()
        self._sessions: dict[str, ReaderSession] = {}
        self._monitor: Monitor | None = None

    async def list(self) -> tuple[Reader, ...]:
        """Returns the readers, ordered by name; refuses PCSC_UNAVAILABLE."""
        return await asyncio.to_thread(_look_once)

    async def watch(self) -> AsyncIterator[ReaderEvent]:
        """Yields what happens, after what is there; refuses PCSC_UNAVAILABLE when the service stops."""
        subscription = Subscription()
        for reader in self._known.values():
            for event in changes(None, reader):
                subscription.put(event)
        self._subscriptions.add(subscription)
        try:
            await self._observe()
            async for event in subscription.events():
                yield event
        finally:
            self._subscriptions.discard(subscription)

    async def connect(self, reader: str, seconds: float = COMMAND_SECONDS) -> ReaderSession:
        """Holds the card in a reader; refuses READER_UNKNOWN, READER_BUSY, CARD_ABSENT, CARD_MUTE, PCSC_UNAVAILABLE."""
        await self._observe()
        worker = Worker(f"card {reader}")
        try:
            link = await open_link(worker, lambda: _PcscLink(reader), seconds)
        except TimeoutError:
            raise CardMute("take the card out and insert it again", reader=reader) from None
        session = self._sessions[reader] = ReaderSession(reader, link, worker, seconds)
        return session

    async def close(self) -> None:
        """Ends every session and the watching thread."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        await asyncio.gather(*(session.close() for session in sessions))
        if self._monitor is not None:
            self._monitor.stop()
            self._monitor, self._known = None, {}

    async def _observe(self) -> None:
        if self._monitor is None:
            self._monitor = Monitor(asyncio.get_running_loop(), self._tell, self._lose)
            self._monitor.start()

    def _tell(self, known: dict[str, Reader], events: tuple[ReaderEvent, ...]) -> None:
        self._known = known
        for event in events:
            for subscription in self._subscriptions:
                subscription.put(event)
            if event.change in {Change.CARD_REMOVED, Change.READER_REMOVED}:
                session = self._sessions.pop(event.reader.name, None)
                if session is not None:
                    session.end()

    def _lose(self, refusal: Refusal) -> None:
        self._monitor, self._known = None, {}
        for subscription in self._subscriptions:
            subscription.put(refusal)
        for session in self._sessions.values():
            session.end()
        self._sessions.clear()


def _look_once() -> tuple[Reader, ...]:
    scard = Scard()
    try:
        names = scard.readers()
        found = scard.status_change(dict.fromkeys(names, scard.SCARD_STATE_UNAWARE), 0) if names else []
        return tuple(look(scard, status) for status in found or ())
    finally:
        scard.release()
