"""Readers without hardware and without PC/SC: slots in this process that take software cards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from services.card.apdu import Command, Response
from services.card.readers.events import Subscription, changes
from services.card.readers.protocol import COMMAND_SECONDS, Presence, Reader, ReaderEvent
from services.card.readers.session import ReaderSession, open_link
from services.card.readers.worker import Worker
from services.card.refusals import CardAbsent, CardMute, CardPresent, CardRemoved, ReaderBusy, ReaderGone, ReaderUnknown


class Insertable(Protocol):
    """A card as its contacts see it: power, octets in and octets out (ISO/IEC 7816-3)."""

    def power_on(self) -> bytes:
        """Gives the card power, or takes it away and gives it again, and returns the answer to reset; mute: nothing."""
        ...

    def power_off(self) -> None:
        """Takes the power: proofs, sessions and half a command are forgotten, what was stored stays."""
        ...

    def transmit(self, raw: bytes) -> bytes:
        """Answers one serialized command; nothing when the card is mute."""
        ...


class _Slot:
    """One reader: the card in it, who holds it, and how often cards were changed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.card: Insertable | None = None
        self.atr = b""
        self.session: ReaderSession | None = None
        self.holder: _SlotLink | None = None
        self.is_opening = False
        self.is_gone = False
        self.lock = threading.Lock()

    @property
    def in_use(self) -> bool:
        return self.is_opening or (self.session is not None and self.session.is_open)

    def rest(self) -> None:
        """Waits until no command is under way, though no longer than one may take."""
        if self.lock.acquire(timeout=COMMAND_SECONDS):
            self.lock.release()

    def look(self) -> Reader:
        if self.card is None:
            return Reader(self.name, Presence.EMPTY)
        presence = Presence.PRESENT if self.atr else Presence.MUTE
        return Reader(self.name, presence, self.atr, self.in_use)


class _SlotLink:
    """A hold on the card that is in a slot now, and on no later one."""

    def __init__(self, slot: _Slot, card: Insertable) -> None:
        self._slot = slot
        self._card = card
        with slot.lock:
            # From here a link of a session that ended before, and whose thread is late, has no power over the card.
            slot.holder = self
            self.atr = card.power_on()

    def transmit(self, command: Command) -> Response:
        with self._slot.lock:
            self._require_card()
            raw = self._card.transmit(command.encode())
            self._require_card()
        if len(raw) < 2:
            raise CardMute("take the card out and insert it again", reader=self._slot.name)
        return Response.parse(raw)

    def release(self) -> None:
        with self._slot.lock:
            if self._slot.holder is self:
                self._card.power_off()

    def _require_card(self) -> None:
        if self._slot.is_gone:
            raise ReaderGone("plug the reader in again", reader=self._slot.name)
        if self._slot.card is not self._card or self._slot.holder is not self:
            raise CardRemoved("the card was taken out in the middle; open another session", reader=self._slot.name)


class EmbeddedReaders:
    """Readers of this process; everything but the sessions' work happens in the event loop."""

    def __init__(self, names: Iterable[str] = ("Embedded 00",)) -> None:
        self._slots = {name: _Slot(name) for name in names}
        self._subscriptions: set[Subscription] = set()

    async def list(self) -> tuple[Reader, ...]:
        """Returns the readers, ordered by name."""
        return tuple(self._slots[name].look() for name in sorted(self._slots))

    async def watch(self) -> AsyncIterator[ReaderEvent]:
        """Yields what happens, after what is there; ends only when it is closed."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            for reader in await self.list():
                for event in changes(None, reader):
                    subscription.put(event)
            async for event in subscription.events():
                yield event
        finally:
            self._subscriptions.discard(subscription)

    async def connect(self, reader: str, seconds: float = COMMAND_SECONDS) -> ReaderSession:
        """Holds the card in a reader; refuses READER_UNKNOWN, READER_BUSY, CARD_ABSENT, CARD_MUTE."""
        slot = self._slot(reader)
        if slot.card is None:
            raise CardAbsent("insert a card", reader=reader)
        if slot.in_use:
            raise ReaderBusy("wait until the other session with the card has ended", reader=reader)
        card, worker = slot.card, Worker(f"card {reader}")
        slot.is_opening = True
        try:
            link = await open_link(worker, lambda: _SlotLink(slot, card), seconds)
        except TimeoutError:
            raise CardMute("take the card out and insert it again", reader=reader) from None
        finally:
            slot.is_opening = False
        if not link.atr or slot.card is not card:
            worker.finish(link.release)
            raise CardMute("take the card out and insert it again", reader=reader)
        slot.session = ReaderSession(reader, link, worker, seconds)
        return slot.session

    async def insert(self, reader: str, card: Insertable) -> None:
        """Puts a card into a reader; refuses READER_UNKNOWN and CARD_PRESENT."""
        slot = self._slot(reader)
        if slot.card is not None:
            raise CardPresent("remove the card that is in the reader first", reader=reader)
        before = slot.look()
        slot.card, slot.atr = card, await asyncio.to_thread(_answer_to_reset, card)
        self._tell(changes(before, slot.look()))

    async def remove(self, reader: str) -> Insertable:
        """Takes the card out, whatever it is doing, and returns it; refuses READER_UNKNOWN and CARD_ABSENT.

        Its session ends at once; the card is returned when it has come to rest, so that nobody else meets it at work.
        """
        slot = self._slot(reader)
        card = slot.card
        if card is None:
            raise CardAbsent("there is no card to remove", reader=reader)
        before, slot.card = slot.look(), None
        self._end(slot)
        self._tell(changes(before, slot.look()))
        await asyncio.to_thread(slot.rest)
        return card

    async def plug(self, reader: str) -> None:
        """Adds a reader; one of that name stays as it is."""
        if reader not in self._slots:
            slot = self._slots[reader] = _Slot(reader)
            self._tell(changes(None, slot.look()))

    async def unplug(self, reader: str) -> None:
        """Takes a reader away with the card in it; refuses READER_UNKNOWN."""
        slot = self._slot(reader)
        before = slot.look()
        slot.is_gone = True
        del self._slots[reader]
        self._end(slot)
        self._tell(changes(before, None))

    async def close(self) -> None:
        """Ends every session; the cards stay in their readers."""
        sessions = [slot.session for slot in self._slots.values() if slot.session is not None]
        await asyncio.gather(*(session.close() for session in sessions))

    def _slot(self, reader: str) -> _Slot:
        if reader not in self._slots:
            raise ReaderUnknown("name a reader that is listed", reader=reader)
        return self._slots[reader]

    @staticmethod
    def _end(slot: _Slot) -> None:
        if slot.session is not None:
            slot.session.end()

    def _tell(self, events: Iterable[ReaderEvent]) -> None:
        for event in events:
            for subscription in self._subscriptions:
                subscription.put(event)


def _answer_to_reset(card: Insertable) -> bytes:
    atr = card.power_on()
    card.power_off()
    return atr
