"""The workshop's command.

Usage: python -m services.card.tool [--state DIRECTORY] make|list|readers|insert|remove|show|pin ...
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from services.card.apdu import Channel
from services.card.readers.pcsc import PcscReaders
from services.card.readers.protocol import Presence
from services.card.refusals import CardUnknown, ContentRefused
from services.card.shelf import reader_name
from services.card.terminal.application import Application, PinForm
from services.card.terminal.applications import JUKI_NET_PIN, OPERATOR_PIN, JpkiKey
from services.card.terminal.domain import LifeCycle
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from services.card.tool import inserting, showing, specimen
from services.card.tool.places import in_a_reader, on_the_shelf
from services.card.tool.workshop import Workshop
from services.foundation.refusals import Refusal

T = TypeVar("T")
_STATE = Path("var/cards")
_SLOTS = 8
_PRESENCE = {
    Presence.EMPTY: "空 empty",
    Presence.PRESENT: "[green]カードあり card[/]",
    Presence.MUTE: "[red]無応答 mute[/]",
}


def main(arguments: list[str]) -> int:
    """Runs one command; a refusal is told in a line and exits with 1, Ctrl-C with 130."""
    options = _parser().parse_args(arguments)
    console, workshop = Console(), Workshop(options.state)
    try:
        workshop.prepare()
        service = inserting.running_service(workshop)
        if service is not None:
            os.environ.setdefault("PCSCLITE_CSOCK_NAME", str(service))
        return _COMMANDS[options.command](options, workshop, console)
    except Refusal as refusal:
        facts = "".join(f" {name}={value}" for name, value in refusal.facts.items() if value)
        Console(stderr=True).print(f"{refusal.reason}: {refusal.advice}{facts}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130


def _make(options: argparse.Namespace, workshop: Workshop, console: Console) -> int:
    photograph = _read(options.photograph) if options.photograph else b""
    number = specimen.make(workshop, options.kind, photograph, lambda step: console.print(f"  [green]✓[/] {step}"))
    console.print(f"Made [bold]{number}[/]. 作成しました。", highlight=False)
    names = {"resident": ("juki", "auth", "sign"), "operator": ("operator",)}.get(options.kind, ())
    if names:
        console.print("PINs of this specimen: " + ", ".join(f"{name} {specimen.PINS[name]}" for name in names))
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContentRefused(f"name a picture that can be read: {error.strerror}", file=path.name) from None


def _list(_: argparse.Namespace, workshop: Workshop, console: Console) -> int:
    places = {workshop.shelf.inserted(slot): reader_name(slot) for slot in range(_SLOTS)}
    table = Table("番号 number", "状態 state", "場所 place", box=None)
    for number in workshop.shelf.numbers():
        try:
            state = on_the_shelf(workshop, number, _life_cycle).name.lower()
        except Refusal as refusal:
            state = "in use" if refusal.reason == "READER_BUSY" else f"[red]{refusal.reason}[/]"
        table.add_row(number, state, places.get(number, "-"))
    console.print(table if table.row_count else "No cards yet: make one with `make resident`.")
    return 0


def _life_cycle(channel: Channel) -> LifeCycle:
    return CardSession(channel).security_domain().life_cycle()


def _readers(_: argparse.Namespace, workshop: Workshop, console: Console) -> int:
    table = Table("リーダ reader", "状態 state", "ATR", box=None)
    for slot in range(_SLOTS):
        if number := workshop.shelf.inserted(slot):
            table.add_row(reader_name(slot), f"[green]カードあり card[/] {number}", "")
    try:
        found = asyncio.run(PcscReaders().list())
    except Refusal as refusal:
        found = ()
        console.print(f"No PC/SC readers: {refusal.advice}", style="yellow", markup=False)
    for reader in found:
        table.add_row(reader.name, _PRESENCE[reader.presence], reader.atr.hex(" ").upper())
    console.print(table if table.row_count else "No reader has a card. リーダにカードがありません。")
    return 0


def _insert(options: argparse.Namespace, workshop: Workshop, console: Console) -> int:
    if options.embedded is not None:
        workshop.shelf.insert(options.embedded, options.number[0])
        console.print(f"{options.number[0]} is in {reader_name(options.embedded)} of the node that has this state.")
    elif options.vpcd:
        host, port = options.vpcd
        inserting.insert_at(workshop, options.number[0], host, port, console)
    else:
        inserting.insert_privately(workshop, options.number, console)
    return 0


def _remove(options: argparse.Namespace, workshop: Workshop, console: Console) -> int:
    workshop.shelf.remove(options.slot)
    console.print(f"{reader_name(options.slot)} is empty. 取り出しました。")
    return 0


def _show(options: argparse.Namespace, workshop: Workshop, console: Console) -> int:
    pins = {name: _ask(name) for name in options.pin}
    try:
        access = workshop.access()
        tables = _at(options, workshop, lambda channel: list(showing.describe(channel, access, pins)))
    finally:
        for pin in pins.values():
            pin.wipe()
    for table in tables:
        console.print(table)
        console.print()
    return 0


def _pin(options: argparse.Namespace, workshop: Workshop, console: Console) -> int:
    access = workshop.access()

    def work(channel: Channel) -> int:
        session = CardSession(channel)
        application, form = _OPEN[options.name](session, access)
        with _ask(options.name) as pin:
            application.verify(form, pin)
        return application.tries_left(form)

    left = _at(options, workshop, work)
    console.print(f"[green]Right[/]; {left} tries. 照合成功。")
    return 0


def _at(options: argparse.Namespace, workshop: Workshop, work: Callable[[Channel], T]) -> T:
    if options.reader:
        return in_a_reader(options.reader, work)
    if not options.number:
        raise CardUnknown("name a card, or a reader with --reader")
    return on_the_shelf(workshop, options.number, work)


def _ask(name: str) -> Pin:
    if sys.stdin.isatty():
        return Pin(getpass.getpass(f"暗証番号 PIN ({name}): "))
    return Pin(sys.stdin.readline().rstrip("\r\n"))


_OPEN: dict[str, Callable[..., tuple[Application, PinForm]]] = {
    "juki": lambda session, access: (session.juki_net(access), JUKI_NET_PIN),
    "auth": lambda session, _: (session.jpki(), JpkiKey.AUTHENTICATION.pin),
    "sign": lambda session, _: (session.jpki(), JpkiKey.SIGNATURE.pin),
    "operator": lambda session, _: (session.operator(), OPERATOR_PIN),
}
_COMMANDS: dict[str, Callable[[argparse.Namespace, Workshop, Console], int]] = {
    "make": _make,
    "list": _list,
    "readers": _readers,
    "insert": _insert,
    "remove": _remove,
    "show": _show,
    "pin": _pin,
}


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.card.tool", description="A workshop for specimen cards.")
    parser.add_argument("--state", type=Path, default=_STATE, help="directory of the cards, %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("make", help="make a card")
    made.add_argument("kind", choices=specimen.KINDS)
    made.add_argument("--photograph", type=Path, help="a JPEG of at most 12,288 octets")
    commands.add_parser("list", help="list the cards")
    commands.add_parser("readers", help="list the readers")
    inserted = commands.add_parser("insert", help="put cards into virtual readers, until Ctrl-C")
    inserted.add_argument("number", nargs="+", help="the card's number")
    where = inserted.add_mutually_exclusive_group()
    where.add_argument("--embedded", type=int, metavar="SLOT", help="into an embedded reader of a running card node")
    where.add_argument("--vpcd", type=_address, metavar="HOST:PORT", help="into a slot of a vpcd that runs already")
    removed = commands.add_parser("remove", help="take a card out of an embedded reader")
    removed.add_argument("slot", type=int)
    shown = commands.add_parser("show", help="show what is on a card")
    shown.add_argument("--pin", action="append", choices=("juki", "sign", "operator"), default=[], help="ask for a PIN")
    tried = commands.add_parser("pin", help="try a PIN; wrong ones count")
    tried.add_argument("name", choices=tuple(_OPEN))
    for command in (shown, tried):
        command.add_argument("number", nargs="?", help="the card's number")
        command.add_argument("--reader", help="the card in this PC/SC reader instead; `any` for the first with a card")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
