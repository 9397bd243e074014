"""What can be done with any application: select files, read them, give and set PINs, store what the issuer may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.card import tlv
from services.card.apdu import SHORT_LE, Channel, Command, Response, StatusWord, tries_left
from services.card.refusals import AccessMissing, ApplicationLeft, ContentRefused, PinMalformed
from services.card.terminal.secret import Pin
from services.card.terminal.status import GIVING_A_PIN, Refusals, succeed
from services.card.terminal.transport import SecureChannel

PIN_REFERENCE = 0x80
_LONGEST_FILE = 0x8000
_NO_MORE = {StatusWord.END_OF_FILE, StatusWord.OFFSET}


@dataclass(frozen=True, slots=True)
class PinForm:
    """A PIN of an application: the file that stands for it, and what it looks like."""

    ef: int
    minimum: int
    maximum: int
    characters: frozenset[int]

    def require(self, pin: Pin) -> None:
        """Refuses PIN_MALFORMED for what can be no such PIN, before it costs a try."""
        octets = pin.octets
        if not self.minimum <= len(octets) <= self.maximum or not self.characters.issuperset(octets):
            raise PinMalformed(
                "give a PIN of the length and characters that the application asks for",
                minimum=self.minimum,
                maximum=self.maximum,
            )


@dataclass(frozen=True, slots=True)
class PinHistory:
    """What became of one PIN."""

    ef: int
    tries: int
    """How many wrong ones in a row block it."""
    tries_left: int
    times_blocked: int
    times_reset: int


class Selection:
    """The channel to one selected application; it closes when another application is selected.

    Without this, a PIN meant for one application could be tried, and blocked, at another.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel: Channel | None = channel

    def leave(self) -> None:
        """Closes the channel for everybody who still holds it."""
        self._channel = None

    def transmit(self, command: Command) -> Response:
        """Sends one command; refuses APPLICATION_LEFT."""
        return self._require().transmit(command)

    @property
    def dek(self) -> bytes:
        """The key under which keys are sent; refuses CARD_ACCESS_MISSING without a session, APPLICATION_LEFT."""
        channel = self._require()
        if not isinstance(channel, SecureChannel):
            raise AccessMissing("open the application with its keys")
        return channel.dek

    def _require(self) -> Channel:
        if self._channel is None:
            raise ApplicationLeft("open the application again")
        return self._channel


class Application:
    """An application that is selected, perhaps inside a session."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    def call(self, command: Command, differing: Refusals | None = None) -> bytes:
        """Sends one command and returns the answer's data; refuses as the table of status words says."""
        return succeed(self._selection.transmit(command), differing)

    def select_file(self, ef: int) -> None:
        """Selects a file, key or PIN by its number; refuses CARD_FILE_UNKNOWN."""
        self.call(Command(0x00, 0xA4, 0x02, 0x0C, ef.to_bytes(2, "big")))

    def read_file(self, ef: int) -> bytes:
        """Reads a whole file; refuses CARD_FILE_UNKNOWN when it has not been written, CARD_ACCESS_MISSING."""
        self.select_file(ef)
        content = b""
        while len(content) < _LONGEST_FILE:
            offset = len(content)
            response = self._selection.transmit(Command(0x00, 0xB0, offset >> 8, offset & 0xFF, le=SHORT_LE))
            if offset and response.sw in _NO_MORE:
                return content + response.data
            part = succeed(response)
            content += part
            if len(part) < SHORT_LE:
                return content
        return content

    def tries_left(self, form: PinForm) -> int:
        """Asks how often a PIN may still be tried, 0 when it is blocked; refuses PIN_UNSET."""
        self.select_file(form.ef)
        response = self._selection.transmit(Command(0x00, 0x20, 0x00, PIN_REFERENCE))
        left = tries_left(response.sw)
        if left is None:
            succeed(response)
        return left or 0

    def verify(self, form: PinForm, pin: Pin) -> None:
        """Proves a PIN; refuses PIN_WRONG with the tries left, PIN_BLOCKED, PIN_UNSET, PIN_MALFORMED."""
        form.require(pin)
        self.select_file(form.ef)
        self.call(Command(0x00, 0x20, 0x00, PIN_REFERENCE, pin.octets), GIVING_A_PIN)

    def change_pin(self, form: PinForm, old: Pin, new: Pin) -> None:
        """Replaces a PIN by another after proving the old one; refuses as `verify` does."""
        form.require(new)
        self.verify(form, old)
        self.call(Command(0x00, 0x24, 0x01, PIN_REFERENCE, new.octets), GIVING_A_PIN)

    def reset_pin(self, form: PinForm, new: Pin) -> None:
        """Sets a first PIN, or unblocks it with a new one, in the session of who may; refuses CARD_ACCESS_MISSING."""
        form.require(new)
        self.select_file(form.ef)
        self.call(Command(0x00, 0x2C, 0x02, PIN_REFERENCE, new.octets), GIVING_A_PIN)

    def pin_history(self) -> tuple[PinHistory, ...]:
        """Reads what became of the application's PINs, in the session of who may set them."""
        raw = self.call(Command(0x80, 0xCA, 0x9F, 0x17, le=SHORT_LE))
        if len(raw) % 8:
            raise ContentRefused("use a card of the specification: its history of PINs is malformed")
        rows = [raw[at : at + 8] for at in range(0, len(raw), 8)]
        return tuple(PinHistory(_number(row[:2]), row[2], row[3], _number(row[4:6]), _number(row[6:8])) for row in rows)

    def store(self, files: Mapping[int, bytes]) -> None:
        """Replaces the content of files, all of them or none, in the issuer's session; empty content deletes one."""
        data = b"".join(tlv.Grouping(ef, content).encode() for ef, content in files.items())
        self.call(Command(0x80, 0xE2, 0x80, 0x00, data))


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")
