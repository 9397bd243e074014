"""An own service of a municipality on a card: its files, their access, and its keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from services.card import tlv
from services.card.apdu import SHORT_LE, Command
from services.card.securechannel import StaticKeys
from services.card.terminal.application import Application, PinForm
from services.card.terminal.key_set import key_set_data

MODULE = bytes.fromhex("F04A554B4910")
PIN_FILE = 0x0018
NEVER = 0xFF
"""The access octet of what nobody may do."""
_CHUNK = 240
_PRINTABLE = frozenset(range(0x20, 0x7F))


class Access(IntFlag):
    """What an access octet asks for; 0 is free, both are asked for together."""

    PIN = 0x01
    SERVICE = 0x02


@dataclass(frozen=True, slots=True)
class ServicePin:
    """The PIN that an own service is installed with."""

    minimum: int
    maximum: int
    tries: int

    @property
    def form(self) -> PinForm:
        """What the PIN looks like."""
        return PinForm(PIN_FILE, self.minimum, self.maximum, _PRINTABLE)


@dataclass(frozen=True, slots=True, repr=False)
class ServiceParameters:
    """What an own service is installed with: a quota in octets, its own keys, and perhaps a PIN."""

    quota: int
    keys: StaticKeys
    key_version: int = 1
    pin: ServicePin | None = None

    def encode(self, dek: bytes) -> bytes:
        """Serializes for INSTALL, the keys encrypted under the session's key for keys."""
        data = tlv.encode(0x80, self.quota.to_bytes(2, "big"))
        data += tlv.encode(0x81, key_set_data(self.key_version, self.keys, dek))
        if self.pin is not None:
            data += tlv.encode(0x82, bytes((self.pin.minimum, self.pin.maximum, self.pin.tries)))
        return data


def service_aid(municipality: str, number: int) -> bytes:
    """Names the own service `number` of the municipality with this six-digit code."""
    return MODULE + bytes.fromhex(municipality) + number.to_bytes(2, "big")


class OwnService(Application):
    """An own service (独自サービス) that is selected, perhaps in a session with its keys."""

    def create_file(self, ef: int, octets: int, *, read: int, write: int) -> None:
        """Makes a file of zero octets; refuses CARD_OBJECT_EXISTS, CARD_FULL, CARD_CONTENT_REFUSED."""
        self._create(tlv.encode(0x82, b"\x01") + _number(ef) + tlv.encode(0x80, octets.to_bytes(2, "big")), read, write)

    def create_records(self, ef: int, length: int, count: int, *, read: int, write: int) -> None:
        """Makes a file of `count` records of `length` octets; refuses as `create_file` does."""
        self._create(tlv.encode(0x82, bytes((0x02, length, count))) + _number(ef), read, write)

    def delete_file(self, ef: int) -> None:
        """Deletes a file; refuses CARD_FILE_UNKNOWN."""
        self.call(Command(0x00, 0xE4, 0x00, 0x00, ef.to_bytes(2, "big")))

    def update_file(self, ef: int, content: bytes, offset: int = 0) -> None:
        """Overwrites part of a file, one command for 240 octets; refuses CARD_ACCESS_MISSING, CARD_CONTENT_REFUSED."""
        self.select_file(ef)
        for at in range(0, len(content), _CHUNK):
            where = offset + at
            self.call(Command(0x00, 0xD6, where >> 8, where & 0xFF, content[at : at + _CHUNK]))

    def read_record(self, ef: int, number: int) -> bytes:
        """Reads a record, numbered from 1; refuses CARD_FILE_UNKNOWN, CARD_ACCESS_MISSING."""
        self.select_file(ef)
        return self.call(Command(0x00, 0xB2, number, 0x04, le=SHORT_LE))

    def update_record(self, ef: int, number: int, content: bytes) -> None:
        """Overwrites a record, numbered from 1; refuses CARD_CONTENT_REFUSED for another length."""
        self.select_file(ef)
        self.call(Command(0x00, 0xDC, number, 0x04, content))

    def put_keys(self, replaced: int, version: int, keys: StaticKeys) -> None:
        """Replaces the service's keys of version `replaced`, in their own session."""
        data = key_set_data(version, keys, self._selection.dek)
        self.call(Command(0x80, 0xD8, replaced, 0x81, data, SHORT_LE))

    def _create(self, described: bytes, read: int, write: int) -> None:
        control = described + tlv.encode(0x86, bytes((read, write)))
        self.call(Command(0x00, 0xE0, 0x00, 0x00, tlv.encode(0x62, control)))


def _number(ef: int) -> bytes:
    return tlv.encode(0x83, ef.to_bytes(2, "big"))
