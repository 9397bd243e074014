"""What a command to a card is, and what an answer, as values (ISO/IEC 7816-4, short and extended length)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from services.vocabulary.malformed import Malformed

SHORT_DATA = 0xFF
"""Most data octets of a short command."""
SHORT_LE = 0x100
"""Most response octets that a short command can ask for."""
EXTENDED_DATA = 0xFFFF
"""Most data octets of an extended command."""
EXTENDED_LE = 0x10000
"""Most response octets that an extended command can ask for."""


class ApduMalformed(Malformed):
    """Octets that are no command, or no answer, of ISO/IEC 7816-4."""


class StatusWord(IntEnum):
    """The two status octets of an answer, as far as our cards give them (ISO/IEC 7816-4 §5.6, GlobalPlatform 2.3)."""

    SUCCESS = 0x9000
    """Done."""
    CHANNEL_NOT_OPEN = 0x6200
    """Warning: the logical channel to be closed is not open."""
    END_OF_FILE = 0x6282
    """Warning: the file ended before as many octets as were asked for."""
    MEMORY_FAILURE = 0x6581
    """The card could not write, or a signature that it made did not verify; nothing was released."""
    WRONG_LENGTH = 0x6700
    """The lengths are inconsistent, or not those that the command has."""
    CHANNEL_NOT_SUPPORTED = 0x6881
    """The logical channel does not exist or is closed."""
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882
    """This kind of secure messaging, or secure messaging for this command, is not offered."""
    LAST_COMMAND_EXPECTED = 0x6883
    """Another command came in the middle of a chain; the chain is forgotten."""
    SECURITY_STATUS = 0x6982
    """A PIN or a mutual authentication is missing."""
    PIN_BLOCKED = 0x6983
    """No tries are left."""
    REFERENCE_UNUSABLE = 0x6984
    """The PIN has never been set."""
    CONDITIONS = 0x6985
    """The card's or the application's state does not allow the command."""
    NOT_ALLOWED = 0x6986
    """No file, or no key, has been selected for the command."""
    SECURE_MESSAGING_INCORRECT = 0x6988
    """The command's MAC or padding is wrong; the session has ended."""
    DATA_INVALID = 0x6A80
    """The data field does not have the form that the command asks for."""
    FUNCTION_NOT_SUPPORTED = 0x6A81
    """The function is not offered, or no logical channel is free."""
    FILE_UNKNOWN = 0x6A82
    """There is no such application or file."""
    RECORD_UNKNOWN = 0x6A83
    """There is no such record."""
    NO_SPACE = 0x6A84
    """The quota or the card's memory does not suffice."""
    PARAMETERS = 0x6A86
    """P1 or P2 is not one that the command has."""
    REFERENCE_UNKNOWN = 0x6A88
    """There is no such key or data object."""
    FILE_EXISTS = 0x6A89
    """There is such a file, application or key already."""
    OFFSET = 0x6B00
    """The offset lies behind the end of the file."""
    INSTRUCTION = 0x6D00
    """The application has no such instruction."""
    CLASS = 0x6E00
    """The application has no such class."""
    NO_DIAGNOSIS = 0x6F00
    """The command failed for a reason that the card does not tell."""


MORE_DATA = 0x6100
"""Add the number of octets that GET RESPONSE will give, 00 for 256 or more."""
TRIES_LEFT = 0x63C0
"""Add the number of tries that are left."""


def tries_left(sw: int) -> int | None:
    """Returns x of 63Cx, the number of tries left, or None for another status word."""
    return sw & 0x0F if sw & 0xFFF0 == TRIES_LEFT else None


@dataclass(frozen=True, slots=True, repr=False)
class Command:
    """One command unit; `le` is the number of octets expected in the answer (1 to 65,536), None for no Le field.

    `extended` asks for the extended form, or tells that the command came in it; what does not fit the short form is
    extended always. Commands that differ in nothing else are equal.
    Raises `ApduMalformed` for a header octet, a data length or an Le out of range. Its `repr` hides the data, which
    may be a PIN.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None
    extended: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if not all(0 <= octet <= 0xFF for octet in (self.cla, self.ins, self.p1, self.p2)):
            raise ApduMalformed("APDU_HEADER", "give each of CLA, INS, P1 and P2 as one octet")
        if len(self.data) > EXTENDED_DATA:
            raise ApduMalformed("APDU_TOO_LONG", "send at most 65,535 octets of data in a command")
        if self.le is not None and not 1 <= self.le <= EXTENDED_LE:
            raise ApduMalformed("APDU_LE", "expect 1 to 65,536 octets, or leave Le out")
        if len(self.data) > SHORT_DATA or (self.le or 0) > SHORT_LE:
            object.__setattr__(self, "extended", True)

    @property
    def header(self) -> bytes:
        """CLA, INS, P1 and P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def encode(self) -> bytes:
        """Serializes in the form that `extended` says."""
        if self.extended:
            return self.header + self._extended_body()
        lc = bytes((len(self.data),)) if self.data else b""
        le = b"" if self.le is None else bytes((self.le & 0xFF,))
        return self.header + lc + self.data + le

    def _extended_body(self) -> bytes:
        lc = b"\0" + len(self.data).to_bytes(2, "big") if self.data else b""
        if self.le is None:
            return lc + self.data
        le = (self.le & 0xFFFF).to_bytes(2, "big")
        return lc + self.data + le if self.data else b"\0" + le

    @classmethod
    def parse(cls, raw: bytes) -> Command:
        """Reads a serialized command; raises `ApduMalformed` unless every octet is accounted for."""
        if len(raw) < 4:
            raise ApduMalformed("APDU_TOO_SHORT", "a command has at least CLA, INS, P1 and P2")
        body = raw[4:]
        data, le = _parse_body(body)
        return cls(raw[0], raw[1], raw[2], raw[3], data, le, extended=len(body) > 1 and body[0] == 0)

    def __repr__(self) -> str:
        return f"Command({self.header.hex()}, data=<{len(self.data)} octets>, le={self.le})"


def _parse_body(body: bytes) -> tuple[bytes, int | None]:
    if not body:
        return b"", None
    if len(body) == 1:
        return b"", body[0] or SHORT_LE
    if body[0]:
        return _split(body, 1, body[0])
    if len(body) == 3:
        return b"", int.from_bytes(body[1:], "big") or EXTENDED_LE
    if len(body) < 3 or body[1:3] == b"\0\0":
        raise ApduMalformed("APDU_LENGTH", "a data field is not empty; give its length")
    return _split(body, 3, int.from_bytes(body[1:3], "big"))


def _split(body: bytes, width: int, length: int) -> tuple[bytes, int | None]:
    data, rest = body[width : width + length], body[width + length :]
    le_width = 1 if width == 1 else 2
    if len(data) != length or len(rest) not in {0, le_width}:
        raise ApduMalformed("APDU_LENGTH", "the data field is not as long as Lc says")
    if not rest:
        return data, None
    return data, int.from_bytes(rest, "big") or (SHORT_LE if width == 1 else EXTENDED_LE)


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """One answer: data and status word; its `repr` hides the data, which may be personal."""

    data: bytes = b""
    sw: int = StatusWord.SUCCESS

    @property
    def is_success(self) -> bool:
        """Tells whether the status word is 9000."""
        return self.sw == StatusWord.SUCCESS

    @property
    def is_error(self) -> bool:
        """Tells whether the status word is neither 9000 nor a warning (62xx, 63xx)."""
        return self.sw != StatusWord.SUCCESS and self.sw >> 8 not in {0x62, 0x63}

    def encode(self) -> bytes:
        """Serializes the data, followed by the status word."""
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def parse(cls, raw: bytes) -> Response:
        """Reads a serialized answer; raises `ApduMalformed` for one without a status word."""
        if len(raw) < 2:
            raise ApduMalformed("APDU_NO_STATUS", "the card gave no status word: reset it")
        return cls(raw[:-2], int.from_bytes(raw[-2:], "big"))

    def __repr__(self) -> str:
        return f"Response(<{len(self.data)} octets>, {self.sw:04X})"


class Channel(Protocol):
    """Anything that carries a command to a card and its answer back."""

    def transmit(self, command: Command) -> Response:
        """Sends one command and returns the answer, whatever its status word; raises when the card is gone."""
        ...
