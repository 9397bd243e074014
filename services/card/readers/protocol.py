"""What every kind of reader offers: a list, a watch, and a session with the card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.card.readers.session import ReaderSession

COMMAND_SECONDS = 10.0
"""Longest time for one piece of work on a card; making an RSA key takes a real card several seconds."""


class Presence(StrEnum):
    """What is in a reader."""

    EMPTY = "empty"
    """No card."""
    PRESENT = "present"
    """A card that answers."""
    MUTE = "mute"
    """A card that does not answer: upside down, broken, or no chip card."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader as it is at one moment."""

    name: str
    """The name under which it is opened; unique among the readers of one machine."""
    presence: Presence
    atr: bytes = b""
    """The card's answer to reset, empty without a card that answers (ISO/IEC 7816-3 §8)."""
    in_use: bool = False
    """Whether somebody, here or in another program, holds the card."""


class Change(StrEnum):
    """What happened to a reader."""

    READER_ADDED = "reader-added"
    READER_REMOVED = "reader-removed"
    CARD_INSERTED = "card-inserted"
    CARD_REMOVED = "card-removed"


@dataclass(frozen=True, slots=True)
class ReaderEvent:
    """One change, and the reader as it was right after it."""

    change: Change
    reader: Reader


class Readers(Protocol):
    """The readers of one machine."""

    async def list(self) -> tuple[Reader, ...]:
        """Returns the readers, ordered by name; refuses PCSC_UNAVAILABLE."""
        ...

    def watch(self) -> AsyncIterator[ReaderEvent]:
        """Yields what happens, after one READER_ADDED, and CARD_INSERTED where a card is, for each reader there.

        It ends only when it is closed; refuses PCSC_UNAVAILABLE when the service stops.
        """
        ...

    async def connect(self, reader: str, seconds: float = COMMAND_SECONDS) -> ReaderSession:
        """Powers the card in a reader and holds it, alone, until the session is closed.

        `seconds` is the longest time for each piece of work in the session. Refuses READER_UNKNOWN, READER_BUSY,
        READER_GONE, CARD_ABSENT, CARD_MUTE, PCSC_UNAVAILABLE.
        """
        ...

    async def close(self) -> None:
        """Ends every session and every watch."""
        ...
