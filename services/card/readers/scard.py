"""The functions of PC/SC that we use, typed, with their failures as refusals (pyscard's `scard`, pcsc-lite)."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import dataclass
from typing import Any

from services.card.refusals import (
    CardAbsent,
    CardMute,
    CardRemoved,
    PcscUnavailable,
    ReaderBusy,
    ReaderGone,
    ReaderUnknown,
)
from services.foundation.refusals import Refusal

_START = "start the card service: systemctl start pcscd.socket, or pcscd --foreground as root"
_INSTALL = "install pcscd (Debian: apt-get install pcscd) and start it"
_EXTRA = "install the extra `card` (pyscard; to build it, gcc and libpcsclite-dev), or use the embedded readers"

_REFUSALS: dict[str, tuple[type[Refusal], str]] = {
    "SCARD_E_UNKNOWN_READER": (ReaderUnknown, "name a reader that is listed"),
    "SCARD_E_READER_UNAVAILABLE": (ReaderGone, "plug the reader in again"),
    "SCARD_E_NO_READERS_AVAILABLE": (ReaderGone, "plug the reader in again"),
    "SCARD_E_INVALID_HANDLE": (ReaderGone, "plug the reader in again and open another session"),
    "SCARD_F_COMM_ERROR": (ReaderGone, "see that the card service runs, and open another session"),
    "SCARD_E_SHARING_VIOLATION": (ReaderBusy, "close the other program or session that uses the card"),
    "SCARD_E_NO_SMARTCARD": (CardAbsent, "insert a card"),
    "SCARD_W_REMOVED_CARD": (CardRemoved, "the card was taken out in the middle; open another session"),
    "SCARD_W_RESET_CARD": (CardRemoved, "the card was reset in the middle; open another session"),
    "SCARD_E_NOT_TRANSACTED": (CardRemoved, "the card was taken out in the middle; open another session"),
    "SCARD_W_UNRESPONSIVE_CARD": (CardMute, "turn the card over, or try another"),
    "SCARD_W_UNPOWERED_CARD": (CardMute, "turn the card over, or try another"),
    "SCARD_W_UNSUPPORTED_CARD": (CardMute, "turn the card over, or try another"),
    "SCARD_E_PROTO_MISMATCH": (CardMute, "turn the card over, or try another"),
    "SCARD_E_CARD_UNSUPPORTED": (CardMute, "turn the card over, or try another"),
    "SCARD_E_TIMEOUT": (CardMute, "take the card out and insert it again"),
}
_STOPPED = ("SCARD_E_NO_SERVICE", "SCARD_E_SERVICE_STOPPED")


@dataclass(frozen=True, slots=True)
class Status:
    """What PC/SC tells of one reader: flags with an event counter in the upper half, and the ATR."""

    name: str
    state: int
    atr: bytes


class Scard:
    """One context of PC/SC; calls block, and one that waits is ended by `cancel` from another thread."""

    def __init__(self) -> None:
        self._scard = _load()
        code, self._context = self._scard.SCardEstablishContext(self._scard.SCARD_SCOPE_SYSTEM)
        self.check(code, "")

    def __getattr__(self, constant: str) -> Any:
        """Gives a constant of PC/SC, `SCARD_STATE_PRESENT`."""
        if not constant.startswith("SCARD_"):
            raise AttributeError(constant)
        return getattr(self._scard, constant)

    def readers(self) -> list[str]:
        """Lists the readers' names."""
        code, names = self._scard.SCardListReaders(self._context, [])
        if code == self._scard.SCARD_E_NO_READERS_AVAILABLE:
            return []
        self.check(code, "")
        return sorted(names)

    def status_change(self, states: dict[str, int], milliseconds: int) -> list[Status] | None:
        """Waits until a reader is no longer in its state; None when nothing changed, or a reader vanished."""
        code, found = self._scard.SCardGetStatusChange(self._context, milliseconds, list(states.items()))
        quiet = ("SCARD_E_TIMEOUT", "SCARD_E_CANCELLED", "SCARD_E_UNKNOWN_READER", "SCARD_E_READER_UNAVAILABLE")
        if code in self._codes(quiet):
            return None
        self.check(code, "")
        return [Status(name, state, bytes(atr)) for name, state, atr in found]

    def connect(self, reader: str) -> tuple[Any, int]:
        """Holds a card exclusively, newly reset; returns its handle and the protocol."""
        scard, protocols = self._scard, self._scard.SCARD_PROTOCOL_T0 | self._scard.SCARD_PROTOCOL_T1
        code, card, _ = scard.SCardConnect(self._context, reader, scard.SCARD_SHARE_EXCLUSIVE, protocols)
        self.check(code, reader)
        code, protocol = scard.SCardReconnect(card, scard.SCARD_SHARE_EXCLUSIVE, protocols, scard.SCARD_RESET_CARD)
        if code != scard.SCARD_S_SUCCESS:
            self.disconnect(card)
        self.check(code, reader)
        return card, protocol

    def atr(self, card: Any, reader: str) -> bytes:
        """Returns the answer to reset of a card that is held."""
        code, _, _, _, atr = self._scard.SCardStatus(card)
        self.check(code, reader)
        return bytes(atr)

    def transmit(self, card: Any, protocol: int, raw: bytes, reader: str) -> bytes:
        """Sends one serialized command and returns the serialized answer."""
        t1 = protocol == self._scard.SCARD_PROTOCOL_T1
        header = self._scard.SCARD_PCI_T1 if t1 else self._scard.SCARD_PCI_T0
        code, answer = self._scard.SCardTransmit(card, header, list(raw))
        self.check(code, reader)
        if len(answer) < 2:
            # What a driver gives that lost the card in the middle of a command, before its service has noticed.
            raise CardRemoved("the card was taken out in the middle; open another session", reader=reader)
        return bytes(octet & 0xFF for octet in answer)

    def disconnect(self, card: Any) -> None:
        """Resets a card and lets it go; a failure means that it is gone already."""
        self._scard.SCardDisconnect(card, self._scard.SCARD_RESET_CARD)

    def cancel(self) -> None:
        """Ends the wait of another thread."""
        self._scard.SCardCancel(self._context)

    def release(self) -> None:
        """Frees the context."""
        self._scard.SCardReleaseContext(self._context)

    def check(self, code: int, reader: str) -> None:
        """Refuses for every code but success; PCSC_UNAVAILABLE for what was not asked of one reader."""
        if code == self._scard.SCARD_S_SUCCESS:
            return
        if code in self._codes(_STOPPED) or not reader:
            raise PcscUnavailable(_START if shutil.which("pcscd", path="/usr/sbin:/usr/bin:/sbin:/bin") else _INSTALL)
        for name, (refusal, advice) in _REFUSALS.items():
            if code == getattr(self._scard, name, None):
                raise refusal(advice, reader=reader)
        # During a command pcsc-lite gives its general failures when the card or the reader has gone.
        raise CardRemoved("open another session with the card", reader=reader, code=f"{code & 0xFFFFFFFF:08X}")

    def _codes(self, names: tuple[str, ...]) -> set[int]:
        return {getattr(self._scard, name) for name in names}


def _load() -> Any:
    try:
        return importlib.import_module("smartcard.scard")
    except ImportError:
        raise PcscUnavailable(_EXTRA) from None
