"""An own service (独自サービス) of a municipality on the card, by its ordinance: its keys, files and access rights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from services.card import tlv
from services.card.apdu import SHORT_LE, Command, Response, StatusWord
from services.card.softcard.applet import (
    PROPRIETARY,
    Context,
    Denied,
    Prover,
    Rule,
    require,
    service,
)
from services.card.softcard.chip import Chip
from services.card.softcard.files import FileApplet, cell
from services.card.softcard.keys import KeyStore, parse_key_set
from services.card.softcard.memory import Area
from services.card.softcard.pin import PRINTABLE, Form, Pin

MODULE = bytes.fromhex("F04A554B4910")
"""What the name of every own service begins with."""
MEMORY = 32_768
"""Octets that all own services of a card share."""
PIN = 0x0018
FILE_OVERHEAD = 32
"""Octets that a file costs besides its size."""
_RESERVED = frozenset({0x0000, PIN, 0x3F00, 0xFFFF})
_NEVER = 0xFF
_CURRENT_RECORD = 0x04
_MOST_RECORDS = 254


def is_own_service(aid: bytes) -> bool:
    """Tells whether a name is that of an own service: the module, six decimal digits, a number."""
    return len(aid) == len(MODULE) + 5 and aid.startswith(MODULE) and aid[6:9].hex().isdigit()


class Right(IntFlag):
    """What an access octet asks for; 0 is free, both are asked for together."""

    PIN = 0x01
    """The PIN has been given."""
    SERVICE = 0x02
    """The service has been authenticated with its keys."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """What a file is: octets, or records of one length; and who reads and writes it."""

    record: int
    """Length of a record; 0 for a transparent file."""
    size: int
    read: int
    write: int

    def encode(self) -> bytes:
        """Serializes for the file's cell."""
        return bytes((self.record, *self.size.to_bytes(2, "big"), self.read, self.write))

    @classmethod
    def decode(cls, stored: bytes) -> FileForm:
        """Reads what `encode` wrote."""
        return cls(stored[0], int.from_bytes(stored[1:3], "big"), stored[3], stored[4])


class OwnService(FileApplet):
    """One selection of an own service: the service makes and owns the files, each with its access rights."""

    prover = Prover.SERVICE

    def __init__(self, aid: bytes, area: Area, chip: Chip) -> None:
        form = area.get("pin")
        self._pin = None if form is None else Pin(area, PIN, Form(form[0], form[1], PRINTABLE, form[2]), chip)
        super().__init__(aid, area, chip, () if self._pin is None else (self._pin,))

    def rules(self) -> tuple[Rule, ...]:
        """Lists the commands."""
        return (
            *self.file_rules(),
            Rule(0xE0, 0x00, 0x00, self._create, access=service),
            Rule(0xE4, 0x00, 0x00, self._delete, access=service),
            Rule(0xD6, None, None, self._update_binary),
            Rule(0xB2, None, _CURRENT_RECORD, self._read_record),
            Rule(0xDC, None, _CURRENT_RECORD, self._update_record),
            Rule(0xD8, None, 0x81, self._put_keys, cla=PROPRIETARY, access=service),
        )

    def has_file(self, ef: int) -> bool:
        """Tells whether there is such an elementary file, of any kind."""
        return ef in self._pins or self._form(ef) is not None

    def may_administer(self, context: Context) -> bool:
        """Lets the service set the PIN; the issuer has no part here."""
        return service(context)

    def content_for(self, context: Context, ef: int) -> bytes:
        """Returns a transparent file to who has its right to read."""
        form = self._form(ef)
        if form is None or form.record:
            raise Denied(StatusWord.NOT_ALLOWED)
        self._require_right(form.read, context)
        return self._content(ef)

    def _create(self, command: Command, _: Context) -> Response:
        ef, form = _parse_form(command.data)
        require(not self.has_file(ef), StatusWord.FILE_EXISTS)
        free = int.from_bytes(self._area.get("quota") or b"", "big") - self._used()
        require(form.size + FILE_OVERHEAD <= free, StatusWord.NO_SPACE)
        self._area.put(_form_cell(ef), form.encode())
        self._area.put(cell(ef), bytes(form.size))
        return Response()

    def _delete(self, command: Command, _: Context) -> Response:
        require(len(command.data) == 2, StatusWord.WRONG_LENGTH)
        ef = int.from_bytes(command.data, "big")
        require(self._form(ef) is not None, StatusWord.FILE_UNKNOWN)
        self._area.put(_form_cell(ef), None)
        self._area.put(cell(ef), None)
        self._selected = None if self._selected == ef else self._selected
        return Response()

    def _update_binary(self, command: Command, context: Context) -> Response:
        require(command.p1 < 0x80, StatusWord.PARAMETERS)
        require(command.data, StatusWord.WRONG_LENGTH)
        ef, form = self._selected_form(has_records=False)
        self._require_right(form.write, context)
        self._write(ef, command.p1 << 8 | command.p2, command.data)
        return Response()

    def _read_record(self, command: Command, context: Context) -> Response:
        require(not command.data, StatusWord.WRONG_LENGTH)
        ef, form = self._selected_form(has_records=True)
        self._require_right(form.read, context)
        start = self._record_start(form, command.p1)
        require(command.le in {None, SHORT_LE, 0x10000, form.record}, StatusWord.WRONG_LENGTH)
        return Response(self._content(ef)[start : start + form.record])

    def _update_record(self, command: Command, context: Context) -> Response:
        ef, form = self._selected_form(has_records=True)
        self._require_right(form.write, context)
        start = self._record_start(form, command.p1)
        require(len(command.data) == form.record, StatusWord.WRONG_LENGTH)
        self._write(ef, start, command.data)
        return Response()

    def _put_keys(self, command: Command, context: Context) -> Response:
        kvn, keys, answer = parse_key_set(command.data, context.dek)
        require(command.p1, StatusWord.PARAMETERS)
        KeyStore(self._area).put_key_set(kvn, keys, replaced=command.p1)
        return Response(answer)

    def _selected_form(self, *, has_records: bool) -> tuple[int, FileForm]:
        form = None if self._selected is None else self._form(self._selected)
        if self._selected is None or form is None or bool(form.record) != has_records:
            raise Denied(StatusWord.NOT_ALLOWED)
        return self._selected, form

    def _require_right(self, right: int, context: Context) -> None:
        """Refuses 6982 when a proof that the right asks for is missing."""
        require(right != _NEVER, StatusWord.SECURITY_STATUS)
        has_pin = self._pin is not None and self._pin.is_proved
        require(not right & Right.PIN or has_pin, StatusWord.SECURITY_STATUS)
        require(not right & Right.SERVICE or context.is_service, StatusWord.SECURITY_STATUS)

    def _record_start(self, form: FileForm, number: int) -> int:
        require(1 <= number <= form.size // form.record, StatusWord.RECORD_UNKNOWN)
        return (number - 1) * form.record

    def _write(self, ef: int, offset: int, data: bytes) -> None:
        content = self._content(ef)
        require(offset + len(data) <= len(content), StatusWord.OFFSET)
        self._area.put(cell(ef), content[:offset] + data + content[offset + len(data) :])

    def _content(self, ef: int) -> bytes:
        return self._area.get(cell(ef)) or b""

    def _form(self, ef: int) -> FileForm | None:
        stored = self._area.get(_form_cell(ef))
        return None if stored is None else FileForm.decode(stored)

    def _used(self) -> int:
        contents = (self._area.get(name) or b"" for name in self._area.names() if name.startswith("ef/"))
        return sum(len(content) + FILE_OVERHEAD for content in contents)


def install(area: Area, parameters: bytes, dek: bytes) -> int:
    """Lays an own service's memory and returns the quota that it asks for; refuses 6A80 for other parameters."""
    try:
        found = tlv.parse_known(parameters, frozenset({0x80, 0x81, 0x82}))
    except tlv.TlvMalformed:
        raise Denied(StatusWord.DATA_INVALID) from None
    quota, pin = found.get(0x80, b""), found.get(0x82)
    require(len(quota) == 2 and 0x81 in found, StatusWord.DATA_INVALID)
    kvn, keys, _ = parse_key_set(found[0x81], dek)
    KeyStore(area).put_key_set(kvn, keys)
    area.put("quota", quota)
    if pin is not None:
        is_formed = len(pin) == 3 and 1 <= pin[0] <= pin[1] and 1 <= pin[2] <= 15
        require(is_formed, StatusWord.DATA_INVALID)
        area.put("pin", pin)
    return int.from_bytes(quota, "big")


def _parse_form(data: bytes) -> tuple[int, FileForm]:
    try:
        (control,) = tlv.parse_exactly(data, 0x62)
        found = tlv.parse_known(control, frozenset({0x80, 0x82, 0x83, 0x86}))
    except tlv.TlvMalformed:
        raise Denied(StatusWord.DATA_INVALID) from None
    kind, ef, size, rights = (found.get(tag, b"") for tag in (0x82, 0x83, 0x80, 0x86))
    require(len(ef) == 2 and len(rights) == 2, StatusWord.DATA_INVALID)
    require(all(right <= Right.PIN | Right.SERVICE or right == _NEVER for right in rights), StatusWord.DATA_INVALID)
    require(int.from_bytes(ef, "big") not in _RESERVED, StatusWord.DATA_INVALID)
    number = int.from_bytes(ef, "big")
    if kind == b"\x01" and len(size) == 2:
        return number, FileForm(0, int.from_bytes(size, "big"), *rights)
    is_formed = len(kind) == 3 and kind[0] == 0x02 and kind[1] >= 1 and 1 <= kind[2] <= _MOST_RECORDS and not size
    require(is_formed, StatusWord.DATA_INVALID)
    return number, FileForm(kind[1], kind[1] * kind[2], *rights)


def _form_cell(ef: int) -> str:
    return f"form/{ef:04X}"
