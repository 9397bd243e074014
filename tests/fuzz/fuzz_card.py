"""Sends the card whatever a fuzzer comes up with, in the clear and inside open sessions, on several channels.

Run it with atheris and the repository's root on the path: `python -m tests.fuzz.fuzz_card -max_total_time=60`. An input
is a sequence of steps; it fails when the card raises, gives no status word, or gives 6F00, which the card answers only
when something inside it went wrong.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from services.card.apdu import Command
from services.card.securechannel import ChannelBroken
from services.card.softcard import jpki, jukinet, operator
from services.card.softcard.registry import DOMAIN
from tests.cards import (
    CLINIC,
    JUKI_PIN,
    LIBRARY,
    SERVICE_PIN,
    SIGN_PIN,
    Bench,
    Terminal,
    fresh_operator,
    fresh_resident,
)

_KNOWN = frozenset({0x61, 0x62, 0x63, 0x65, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6D, 0x6E, 0x90})
_STEPS = 12
_RESIDENT_AIDS = (DOMAIN, jukinet.AID, jpki.AID, LIBRARY, CLINIC)
_PINS = (b"1234", JUKI_PIN, SIGN_PIN, SERVICE_PIN, b"246810")
_ROWS = bytes.fromhex(
    "00200080 00240180 002C0280 80CA9F17 00B00000 80E28000 00478000 00478100 802A0080 00880000 002A9E9A 802A9E9A"
    "00E00000 00E40000 00D60000 00B20104 00DC0104 80D80181 00CABF21 00CA00E0 80D80010 80D80011 80F10011 80E40000"
    "80E60C00 80E29000 80F08007 80F0807F 80F24000 80500000 802A0310 802A0390 80820311"
)
"""Every command of the specification, four octets each."""
_TEMPLATES = tuple(
    bytes.fromhex(octets)
    for octets in (
        "",
        "0101",
        "4F00",
        "31323334",
        "00010B3132333435363738393033",
        "0003FF0200FFD8FF",
        "620F820101830201018002001086020000",
        "620F82030204028302010286020000",
        "4F0BF04A554B49101310160001",
        "D00110D20103",
        "4206313331303136",
        "A60483021103BF2100",
        "05F00100",
        "05B0410400F0010000",
        "0006F04A554B49100BF04A554B4910131016000901000DC90B8002010081058800030000",
        "A60D9002110195013C8001888101105F494104",
    )
)
_EFS = (0x0001, 0x0002, 0x0003, 0x0006, 0x000A, 0x0017, 0x0018, 0x001A, 0x001B, 0x0101)


class CardFaulty(Exception):  # noqa: N818 - names what is the case
    """The card answered as no card should."""


def check(answer: bytes) -> None:
    """Raises `CardFaulty` for an answer without a status word of the specification."""
    if len(answer) < 2 or answer[-2] not in _KNOWN:
        raise CardFaulty(answer[-2:].hex())


def _enter(bench: Bench, aid: bytes, channel: int, kind: int) -> Terminal:
    """Opens a session of some kind, or none."""
    terminal = Terminal(bench.card, channel)
    if kind == 0:
        return terminal.select(aid)
    if kind == 1 and aid not in bench.services:
        return bench.issuer(aid, channel)
    if kind == 1:
        return bench.service(aid, channel)
    return bench.mutual(aid, channel)


def _step(data: Any, bench: Bench, aids: tuple[bytes, ...], terminal: Terminal) -> Terminal:
    """Does one step of the input and returns the terminal that goes on."""
    kind = data.ConsumeIntInRange(0, 9)
    if kind == 0:
        check(bench.card.transmit(data.ConsumeBytes(data.ConsumeIntInRange(0, 300))))
    elif kind == 1:
        channel = data.ConsumeIntInRange(0, 1)
        try:
            return _enter(bench, data.PickValueInList(list(aids)), channel, data.ConsumeIntInRange(0, 2))
        except (AssertionError, ChannelBroken):
            return Terminal(bench.card, channel)
    elif kind == 2:
        _send(terminal, Command(0x00, 0xA4, 0x02, 0x0C, data.PickValueInList(list(_EFS)).to_bytes(2, "big")))
    elif kind == 3:
        _send(terminal, Command(0x00, 0x20, 0x00, 0x80, data.PickValueInList(list(_PINS))))
    elif kind == 4:
        _send(terminal, Command(0x00, 0x70, 0x00, 0x00, le=1))
    elif kind == 5:
        _send(terminal, _command(data))
    else:
        _send(terminal, _known_command(data))
    return terminal


def _command(data: Any) -> Command:
    cla = data.PickValueInList([0x00, 0x80, 0x10, 0x90])
    ins, p1, p2 = (data.ConsumeIntInRange(0, 255) for _ in range(3))
    le = data.PickValueInList([None, 1, 256, 65_536])
    return Command(cla, ins, p1, p2, data.ConsumeBytes(data.ConsumeIntInRange(0, 300)), le)


def _known_command(data: Any) -> Command:
    """Makes a command that some application has, its data a spoilt copy of what it takes."""
    at = 4 * data.ConsumeIntInRange(0, len(_ROWS) // 4 - 1)
    body = bytearray(data.PickValueInList(list(_TEMPLATES)))
    for _ in range(data.ConsumeIntInRange(0, 2)):
        if body:
            body[data.ConsumeIntInRange(0, len(body) - 1)] = data.ConsumeIntInRange(0, 255)
    body += data.ConsumeBytes(data.ConsumeIntInRange(0, 70))
    cla, ins, p1, p2 = _ROWS[at : at + 4]
    return Command(cla, ins, p1, p2, bytes(body), data.PickValueInList([None, 256, 65_536]))


def _send(terminal: Terminal, command: Command) -> None:
    wrapped = command if terminal.end is None else terminal.end.wrap(command)
    header = (wrapped.cla | terminal.channel, wrapped.ins, wrapped.p1, wrapped.p2)
    check(terminal.card.transmit(Command(*header, wrapped.data, wrapped.le).encode()))


def target(provider: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    """Makes the function that the fuzzer calls with each input."""

    def run(raw: bytes) -> None:
        data = provider(raw)
        is_operator = data.ConsumeBool()
        bench = fresh_operator()[0] if is_operator else fresh_resident()
        aids = (DOMAIN, operator.AID) if is_operator else _RESIDENT_AIDS
        terminal = Terminal(bench.card)
        for _ in range(_STEPS):
            if not data.remaining_bytes():
                break
            terminal = _step(data, bench, aids, terminal)

    return run


def main() -> None:
    """Fuzzes until the limits in the arguments are reached."""
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, target(atheris.FuzzedDataProvider))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
