"""What applications with elementary files have in common: selecting, reading, PINs, personalisation."""

from __future__ import annotations

from services.card import tlv
from services.card.apdu import EXTENDED_LE, SHORT_LE, Command, Response, StatusWord
from services.card.softcard.applet import (
    PROPRIETARY,
    Applet,
    Context,
    Denied,
    Rule,
    anyone,
    issuer,
    require,
    while_in_use,
    while_open,
)
from services.card.softcard.chip import Chip
from services.card.softcard.memory import Area
from services.card.softcard.pin import Pin


class FileApplet(Applet):
    """An application with PINs and files, one of which is selected; subclasses say which and who may read."""

    def __init__(self, aid: bytes, area: Area, chip: Chip, pins: tuple[Pin, ...]) -> None:
        super().__init__(aid, area)
        self._chip = chip
        self._pins = {pin.ef: pin for pin in pins}
        self._selected: int | None = None

    def has_file(self, ef: int) -> bool:
        """Tells whether there is such an elementary file, of any kind."""
        raise NotImplementedError

    def may_use(self, context: Context) -> bool:
        """Tells whether user commands are open to who is there; PINs come on top."""
        return anyone(context)

    def may_select(self, context: Context) -> bool:
        """Tells whether a file may be selected by who is there."""
        return anyone(context)

    def may_administer(self, context: Context) -> bool:
        """Tells whether who is there may set PINs and see their history."""
        return issuer(context)

    def content_for(self, context: Context, ef: int) -> bytes:
        """Returns what a file holds; raises `Denied` for who may not read it, and when there is nothing."""
        raise NotImplementedError

    def forget(self) -> None:
        """Forgets which PINs were given: the next terminal does not inherit them from the last."""
        for pin in self._pins.values():
            pin.use_up()

    def file_rules(self) -> tuple[Rule, ...]:
        """Lists the commands that every such application has."""
        use, manage = self.may_use, self.may_administer
        return (
            Rule(0xA4, 0x02, 0x0C, self._select, access=self.may_select),
            Rule(0xB0, None, None, self._read_binary),
            Rule(0x20, 0x00, 0x80, self._verify, state=while_in_use, access=use),
            Rule(0x24, 0x01, 0x80, self._change, state=while_in_use, access=use),
            Rule(0x2C, 0x02, 0x80, self._reset, access=manage),
            Rule(0xCA, 0x9F, 0x17, self._history, cla=PROPRIETARY, access=manage),
        )

    def _select(self, command: Command, _: Context) -> Response:
        require(len(command.data) == 2, StatusWord.WRONG_LENGTH)
        ef = int.from_bytes(command.data, "big")
        require(self.has_file(ef), StatusWord.FILE_UNKNOWN)
        self._selected = ef
        return Response()

    def _read_binary(self, command: Command, context: Context) -> Response:
        require(command.p1 < 0x80, StatusWord.PARAMETERS)
        require(not command.data, StatusWord.WRONG_LENGTH)
        if self._selected is None:
            raise Denied(StatusWord.NOT_ALLOWED)
        content = self.content_for(context, self._selected)
        return slice_of(content, command.p1 << 8 | command.p2, command.le)

    def _verify(self, command: Command, _: Context) -> Response:
        pin = self.selected_pin()
        return pin.verify(command.data) if command.data else pin.status()

    def _change(self, command: Command, _: Context) -> Response:
        self.selected_pin().change(command.data)
        return Response()

    def _reset(self, command: Command, _: Context) -> Response:
        self.selected_pin().reset(command.data)
        return Response()

    def _history(self, command: Command, _: Context) -> Response:
        require(not command.data, StatusWord.WRONG_LENGTH)
        return Response(b"".join(pin.history() for pin in self._pins.values()))

    def selected_pin(self) -> Pin:
        """Returns the PIN whose file is selected; refuses 6986."""
        pin = self._pins.get(self._selected) if self._selected is not None else None
        if pin is None:
            raise Denied(StatusWord.NOT_ALLOWED)
        return pin


class PersonalisedApplet(FileApplet):
    """An application whose files the issuer writes, whole, with STORE DATA."""

    writable: tuple[int, ...] = ()

    def has_file(self, ef: int) -> bool:
        """Tells whether there is such an elementary file, of any kind."""
        return ef in self.writable or ef in self._pins

    def check(self, ef: int, content: bytes) -> None:
        """Refuses 6A80 unless the content is of the file's form."""
        raise NotImplementedError

    def stored(self, ef: int) -> bytes:
        """Returns what the issuer stored; refuses 6986 for a file without content of its own, 6A82 for an empty one."""
        require(ef in self.writable, StatusWord.NOT_ALLOWED)
        content = self._area.get(cell(ef))
        if content is None:
            raise Denied(StatusWord.FILE_UNKNOWN)
        return content

    def personalised_rules(self) -> tuple[Rule, ...]:
        """Lists the commands that every such application has."""
        store = Rule(0xE2, 0x80, 0x00, self._store, cla=PROPRIETARY, state=while_open, access=issuer)
        return (*self.file_rules(), store)

    def _store(self, command: Command, _: Context) -> Response:
        try:
            groupings = tlv.parse_groupings(command.data)
        except tlv.TlvMalformed:
            raise Denied(StatusWord.DATA_INVALID) from None
        for grouping in groupings:
            require(grouping.ef in self.writable, StatusWord.DATA_INVALID)
            if grouping.content:
                self.check(grouping.ef, grouping.content)
            self._area.put(cell(grouping.ef), grouping.content or None)
        return Response()


def cell(ef: int) -> str:
    """Names the cell of a file's content."""
    return f"ef/{ef:04X}"


def slice_of(content: bytes, offset: int, le: int | None) -> Response:
    """Answers READ BINARY: refuses 6B00 behind the end; warns 6282 when fewer octets than a definite Le are there."""
    require(offset <= len(content), StatusWord.OFFSET)
    part = content[offset:] if le is None else content[offset : offset + le]
    is_short = le not in {None, SHORT_LE, EXTENDED_LE} and len(part) < (le or 0)
    return Response(part, StatusWord.END_OF_FILE if is_short else StatusWord.SUCCESS)
