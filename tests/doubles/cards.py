"""Cards that misbehave in a reader: mute, gone quiet, or held in the middle of a command."""

from __future__ import annotations

import threading

from services.card.softcard.card import SoftCard

ATR = bytes.fromhex("3BE000FF8131FE4514")


class MuteCard:
    """A card upside down: no answer to anything."""

    def power_on(self) -> bytes:
        return b""

    def power_off(self) -> None:
        return

    def transmit(self, raw: bytes) -> bytes:
        return b""


class EchoCard:
    """A card that answers every command with its header; counts how often it lost power."""

    def __init__(self) -> None:
        self.power_losses = 0

    def power_on(self) -> bytes:
        return ATR

    def power_off(self) -> None:
        self.power_losses += 1

    def transmit(self, raw: bytes) -> bytes:
        return raw[:4] + b"\x90\x00"


class GarbledCard(EchoCard):
    """A card whose answer to reset offers no protocol, as a worn contact garbles it."""

    def power_on(self) -> bytes:
        return b"\xff"


class HeldCard:
    """A software card that stops before it answers one instruction, until it is let go."""

    def __init__(self, card: SoftCard, ins: int = 0x2A) -> None:
        self.card = card
        self.ins = ins
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def power_on(self) -> bytes:
        return self.card.power_on()

    def power_off(self) -> None:
        self.card.power_off()

    def transmit(self, raw: bytes) -> bytes:
        answer = self.card.transmit(raw)
        if raw[1] == self.ins:
            self.reached.set()
            self.let_go.wait(30)
        return answer
