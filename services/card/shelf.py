"""Where software cards lie when they are in no reader, and which lies in which: files, for machines without PC/SC.

`cards/<NUMBER>.card` are the images, `images.key` is what they are sealed with, and a file `slots/<n>` that holds a
card's number puts that card into embedded reader n for as long as it is there. So whoever may write here is the hand
that puts cards in and takes them out.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from contextlib import suppress
from pathlib import Path

from services.card.readers.embedded import EmbeddedReaders
from services.card.refusals import CardAbsent, CardPresent, CardUnknown
from services.card.securechannel import StaticKeys
from services.card.softcard.card import SoftCard
from services.card.softcard.image import ImageFile
from services.card.softcard.memory import MemoryFault
from services.card.softcard.production import Production, produce
from services.foundation.clock import Clock, SystemClock

_SECRET_BYTES = 32
_LOOK_SECONDS = 0.2
_NUMBER = re.compile("[0-9A-F]{20}")
_PRIVATE = 0o700

_log = logging.getLogger(__name__)


class Shelf:
    """The cards and slots in one private directory."""

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._cards = directory / "cards"
        self._slots = directory / "slots"
        self._secret = directory / "images.key"

    def prepare(self) -> None:
        """Makes what the directory lacks."""
        for folder in (self._cards.parent, self._cards, self._slots):
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if not self._secret.exists():
            fresh = self._secret.with_suffix(f".{secrets.token_hex(4)}")
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_hex(_SECRET_BYTES), "ascii")
            with suppress(FileExistsError):
                self._secret.hardlink_to(fresh)
            fresh.unlink()

    def numbers(self) -> list[str]:
        """Lists the cards, by number."""
        return sorted(path.stem for path in self._cards.glob("*.card"))

    def make_blank(self, number: bytes, keys: StaticKeys) -> str:
        """Makes a blank card with these transport keys, and returns its number; refuses CARD_PRESENT for one there."""
        name = number.hex().upper()
        path = self._cards / f"{name}.card"
        if path.exists():
            raise CardPresent("give the card another number", card=name)
        with ImageFile(path, self._key()) as image:
            produce(image, Production(number, keys, made_at=self._clock.now()))
        return name

    def insert(self, slot: int, number: str) -> None:
        """Puts a card into a slot; refuses CARD_UNKNOWN, and CARD_PRESENT when one is in it."""
        if number not in self.numbers():
            raise CardUnknown("name a card that is on the shelf", card=number)
        try:
            with (self._slots / str(slot)).open("x", encoding="ascii") as file:
                file.write(number)
        except FileExistsError:
            raise CardPresent("remove the card that is in the reader first", reader=reader_name(slot)) from None

    def remove(self, slot: int) -> None:
        """Takes the card out of a slot; refuses CARD_ABSENT."""
        try:
            (self._slots / str(slot)).unlink()
        except FileNotFoundError:
            raise CardAbsent("there is no card to remove", reader=reader_name(slot)) from None

    def inserted(self, slot: int) -> str:
        """Returns the number of the card in a slot, empty for none."""
        try:
            number = (self._slots / str(slot)).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return number if _NUMBER.fullmatch(number) else ""

    def take(self, number: str) -> tuple[SoftCard, ImageFile]:
        """Takes a card for a reader of this process, until the image is closed.

        Raises `MemoryFault` when it cannot be read, or another process has it.
        """
        image = ImageFile(self._cards / f"{number}.card", self._key())
        try:
            return SoftCard(image), image
        except MemoryFault:
            image.close()
            raise

    def _key(self) -> bytes:
        return bytes.fromhex(self._secret.read_text("ascii").strip())


class Hand:
    """Puts cards into the embedded readers, and takes them out, as the shelf's slots say."""

    def __init__(self, shelf: Shelf, readers: EmbeddedReaders, slots: int) -> None:
        self._shelf = shelf
        self._readers = readers
        self._slots = slots
        self._there: dict[int, tuple[str, ImageFile]] = {}

    async def run(self) -> None:
        """Looks at the slots until cancelled."""
        self._shelf.prepare()
        try:
            while True:
                for slot in range(self._slots):
                    await self._look(slot)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for slot in list(self._there):
                await self._take_out(slot)

    async def _look(self, slot: int) -> None:
        wanted = self._shelf.inserted(slot)
        there = self._there.get(slot)
        if there is not None and there[0] != wanted:
            await self._take_out(slot)
        if wanted and slot not in self._there:
            try:
                card, image = await asyncio.to_thread(self._shelf.take, wanted)
            except MemoryFault:
                # Held by another process, or damaged: it is tried again until it is taken out.
                _log.debug("card.not_taken", extra={"index": slot})
                return
            self._there[slot] = (wanted, image)
            await self._readers.insert(reader_name(slot), card)

    async def _take_out(self, slot: int) -> None:
        _, image = self._there.pop(slot)
        with suppress(CardAbsent):
            await self._readers.remove(reader_name(slot))
        image.close()


def reader_name(slot: int) -> str:
    """Returns the name of an embedded reader."""
    return f"Embedded {slot:02d}"
