"""Where the card is: in a PC/SC reader, or a simulator in this process."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from services.card.readers.embedded import Insertable
from services.card.readers.scard import Scard
from services.card.refusals import CardAbsent

SIMULATOR = "simulator:"
_INSERT_SECONDS = 5.0


class Link(Protocol):
    """A card with power, octets in and octets out."""

    def reset(self) -> bytes:
        """Resets the card and returns its answer to reset."""
        ...

    def transmit(self, raw: bytes) -> bytes:
        """Sends one serialized command and returns the serialized answer."""
        ...

    def release(self) -> None:
        """Lets the card go."""
        ...


class ReaderLink:
    """The card in a PC/SC reader, held exclusively; one that is put in within five seconds will do."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._scard = Scard()
        self._card: Any = None
        self._protocol = 0

    def reset(self) -> bytes:
        self._disconnect()
        self._card, self._protocol = self._connect()
        return self._scard.atr(self._card, self._reader)

    def transmit(self, raw: bytes) -> bytes:
        return self._scard.transmit(self._card, self._protocol, raw, self._reader)

    def release(self) -> None:
        self._disconnect()
        self._scard.release()

    def _connect(self) -> tuple[Any, int]:
        deadline = time.monotonic() + _INSERT_SECONDS
        while True:
            try:
                return self._scard.connect(self._reader)
            except CardAbsent:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def _disconnect(self) -> None:
        if self._card is not None:
            self._scard.disconnect(self._card)
            self._card = None


class SimulatorLink:
    """A card that is an object of this process."""

    def __init__(self, card: Insertable) -> None:
        self._card = card

    def reset(self) -> bytes:
        self._card.power_off()
        return self._card.power_on()

    def transmit(self, raw: bytes) -> bytes:
        return self._card.transmit(raw)

    def release(self) -> None:
        self._card.power_off()


def open_link(reader: str, specimen: Path) -> Link:
    """Opens the card in a reader by its PC/SC name, or what `simulator:<module>:<function>` makes of a specimen."""
    if not reader.startswith(SIMULATOR):
        return ReaderLink(reader)
    module, _, function = reader.removeprefix(SIMULATOR).partition(":")
    make: Callable[[Path], Insertable] = getattr(importlib.import_module(module), function)
    return SimulatorLink(make(specimen))
