"""A software card in a slot of vpcd, the virtual reader of vsmartcard: pcscd is the server, the card the client."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from services.card.readers.embedded import Insertable
from services.card.refusals import PcscUnavailable

_POWER_OFF, _POWER_ON, _RESET, _ATR = b"\x00", b"\x01", b"\x02", b"\x04"
_UNSEEN_SECONDS = 0.5
"""How long a slot must be empty for pcscd to see it: it looks every 0.4 s, and a card that comes back earlier, after a
command has failed, stays unseen for good."""

Dial = Callable[[], socket.socket]
"""Connects to a slot; raises OSError while nobody listens."""


def dial(host: str, port: int) -> Dial:
    """Returns what connects to the slot that listens there."""
    return lambda: socket.create_connection((host, port), timeout=5.0)


class VirtualSlot:
    """Serves one card to one slot from a daemon thread, from `insert` to `remove`; connects again when pcscd restarts.

    While another card is in the slot, the connection waits until that one is removed.
    """

    def __init__(self, slot: Dial, card: Insertable) -> None:
        self._dial = slot
        self._card = card
        self._atr = b""
        self._removed = threading.Event()
        self._connected = threading.Event()
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="virtual card", daemon=True)

    def insert(self, seconds: float = 5.0) -> None:
        """Puts the card in; raises TimeoutError when no reader takes the connection."""
        self._thread.start()
        if not self._connected.wait(seconds):
            self.remove()
            raise TimeoutError("no virtual reader listens")

    def remove(self) -> None:
        """Takes the card out, also in the middle of a command, and waits until the reader can have seen it.

        Removing twice does nothing more.
        """
        if self._removed.is_set():
            return
        self._removed.set()
        with self._lock:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        time.sleep(_UNSEEN_SECONDS)
        self._thread.join(5.0)

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until the card has been removed; tells whether it has."""
        return self._removed.wait(seconds)

    def _serve(self) -> None:
        while not self._removed.is_set():
            with suppress(OSError, PcscUnavailable):
                connection = self._dial()
                with connection:
                    self._hold(connection)
                    self._talk(connection)
            self._card.power_off()
            self._removed.wait(_UNSEEN_SECONDS)

    def _hold(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._socket = connection
        if self._removed.is_set():
            raise ConnectionAbortedError
        # The reader looks for an answer to reset before it gives power, to learn whether a card is there.
        self._atr = self._card.power_on()
        self._card.power_off()
        self._connected.set()

    def _talk(self, connection: socket.socket) -> None:
        while True:
            frame = _receive(connection)
            if frame == _ATR:
                _send(connection, self._atr)
            elif frame in {_POWER_ON, _RESET}:
                self._atr = self._card.power_on()
            elif frame == _POWER_OFF:
                self._card.power_off()
            else:
                _send(connection, self._card.transmit(frame))


def _receive(connection: socket.socket) -> bytes:
    return _exactly(connection, int.from_bytes(_exactly(connection, 2), "big"))


def _exactly(connection: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        # vpcd sends length and body apart; without this, which does not last, the second waits 40 ms for our receipt.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        part = connection.recv(size - len(octets))
        if not part:
            raise ConnectionResetError
        octets += part
    return octets


def _send(connection: socket.socket, body: bytes) -> None:
    connection.sendall(len(body).to_bytes(2, "big") + body)
