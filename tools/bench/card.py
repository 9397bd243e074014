"""How many commands, mutual authentications and signatures a second the software card does, beside their floors.

Run as `python -m tools.bench.card [--rounds N] [--seconds S] [--output FILE]`. In process, and where pcscd and vpcd are
installed through the real PC/SC service, with the card in a thread of this process. Each round measures every kind
once, so that a ratio is between neighbours; a bare signature of `cryptography` and a card that only echoes are floors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from rich.console import Console
from rich.table import Table

from services.card.apdu import Channel, Command
from services.card.readers.embedded import Insertable
from services.card.readers.pcsc import PcscReaders
from services.card.readers.protocol import Presence
from services.card.readers.session import ReaderSession
from services.card.refusals import PcscUnavailable
from services.card.terminal.applications import JpkiKey
from services.card.terminal.requests import digest_info
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from services.card.virtual.pcscd import PrivatePcscd
from services.card.virtual.vpcd import VirtualSlot
from tests.doubles.cards import EchoCard
from tests.issued_cards import AUTHENTICATION_PIN, CardChannel, IssuedCard, issue_resident

Work = Callable[[], object]

_CHALLENGE = Command(0x00, 0x84, 0x00, 0x00, le=8)
_INFO = digest_info(hashes.SHA256(), bytes(range(32)))
_SIGN = Command(0x80, 0x2A, 0x00, 0x80, _INFO, 256)
RATIOS = {
    "command, pcscd / echo, pcscd": ("command, pcscd", "echo, pcscd"),
    "signature, in process / cryptography": ("signature, in process", "signature, cryptography"),
    "signature, pcscd / cryptography": ("signature, pcscd", "signature, cryptography"),
    "SCP03, in process / command, in process": ("SCP03, in process", "command, in process"),
    "SCP11a, in process / three P-256 agreements": ("SCP11a, in process", "three P-256 agreements"),
    "SCP03, pcscd / SCP03, in process": ("SCP03, pcscd", "SCP03, in process"),
    "SCP11a, pcscd / SCP11a, in process": ("SCP11a, pcscd", "SCP11a, in process"),
}
"""What is divided by what, round by round."""


class WrongAnswer(Exception):  # noqa: N818 - names what is the case
    """The card did not do what was to be counted."""


@dataclass(frozen=True)
class Kind:
    """One thing that is counted: `prepare` is done once in each round, and returns what is done again and again."""

    name: str
    prepare: Callable[[Channel], Work]


def kinds(issued: IssuedCard, where: str) -> list[Kind]:
    """Lists what is counted on a channel to a resident card."""
    access = issued.issuer.terminal()

    def command(channel: Channel) -> Work:
        CardSession(channel).jpki()
        return lambda: _good(channel, _CHALLENGE)

    def scp03(channel: Channel) -> Work:
        session = CardSession(channel)
        return lambda: session.security_domain(issued.access)

    def scp11a(channel: Channel) -> Work:
        session = CardSession(channel)
        return lambda: session.juki_net(access)

    def signature(channel: Channel) -> Work:
        jpki = CardSession(channel).jpki()
        jpki.verify(JpkiKey.AUTHENTICATION.pin, Pin(AUTHENTICATION_PIN))
        jpki.select_file(JpkiKey.AUTHENTICATION.key_file)
        return lambda: _good(channel, _SIGN)

    made = {"command": command, "SCP03": scp03, "SCP11a": scp11a, "signature": signature}
    return [Kind(f"{name}, {where}", prepare) for name, prepare in made.items()]


def floors() -> list[Kind]:
    """Lists the floors that need no card: a bare signature, and the curve arithmetic of one end of SCP11a."""
    key = rsa.generate_private_key(65537, 2048)
    pair, peer = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1()).public_key()
    digest = Prehashed(hashes.SHA256())

    def agree() -> None:
        ec.generate_private_key(ec.SECP256R1())
        pair.exchange(ec.ECDH(), peer)
        pair.exchange(ec.ECDH(), peer)

    return [
        Kind("signature, cryptography", lambda _: lambda: key.sign(bytes(32), padding.PKCS1v15(), digest)),
        Kind("three P-256 agreements", lambda _: agree),
    ]


def count(kind: Kind, channel: Channel, seconds: float) -> float:
    """Returns how often a second a kind is done."""
    work = kind.prepare(channel)
    work()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        work()
        done += 1
    return done / elapsed


async def measure(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Counts every kind once a round."""
    found: dict[str, list[float]] = {}
    table, held = issue_resident(), issue_resident()
    table.card.power_on()
    on_table = CardChannel(table.card)
    async with through_pcscd(held.card) as sessions:
        for _ in range(rounds):
            for kind in [*floors(), *kinds(table, "in process")]:
                found.setdefault(kind.name, []).append(count(kind, on_table, seconds))
                on_table.heard.clear()
            if sessions is None:
                continue
            echoing, session = sessions
            echo = Kind("echo, pcscd", lambda channel: lambda: channel.transmit(_CHALLENGE))
            for kind, where in [(echo, echoing), *((kind, session) for kind in kinds(held, "pcscd"))]:
                rate = await where.run(partial(_count_on, kind, seconds))
                found.setdefault(kind.name, []).append(rate)
    return found


def _count_on(kind: Kind, seconds: float, channel: Channel) -> float:
    return count(kind, channel, seconds)


@asynccontextmanager
async def through_pcscd(card: Insertable) -> AsyncIterator[tuple[ReaderSession, ReaderSession] | None]:
    """Holds an echoing card and `card` in two slots of a private pcscd; None where there is none."""
    service = PrivatePcscd()
    try:
        service.start()
        os.environ.update(service.environment)
        readers = PcscReaders()
        await readers.list()
    except PcscUnavailable as absent:
        Console(stderr=True).print(f"without PC/SC: {absent.advice}", style="yellow", markup=False)
        yield None
        return
    slots = [VirtualSlot(partial(service.connect, slot), each) for slot, each in enumerate((EchoCard(), card))]
    try:
        for slot in slots:
            slot.insert()
        names = await _names(readers, len(slots))
        echoing, session = [await readers.connect(name, 60.0) for name in names]
        yield echoing, session
    finally:
        await readers.close()
        for slot in slots:
            slot.remove()
        service.stop()


async def _names(readers: PcscReaders, count_of_cards: int) -> list[str]:
    async with asyncio.timeout(10):
        while True:
            names = [each.name for each in await readers.list() if each.presence is Presence.PRESENT]
            if len(names) == count_of_cards:
                return names
            await asyncio.sleep(0.05)


def result(found: dict[str, list[float]]) -> dict[str, Any]:
    """Returns medians, and ratios with their spread over the rounds."""
    ratios = {}
    for name, (upper, lower) in RATIOS.items():
        if upper in found and lower in found:
            each = [above / below for above, below in zip(found[upper], found[lower], strict=True)]
            ratios[name] = {"median": statistics.median(each), "least": min(each), "most": max(each)}
    return {
        "environment": {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()},
        "per_second": {name: statistics.median(rates) for name, rates in found.items()},
        "ratios": ratios,
        "rounds": found,
    }


def _good(channel: Channel, command: Command) -> None:
    if not channel.transmit(command).is_success:
        raise WrongAnswer(f"{command!r}")


def main(arguments: list[str]) -> int:
    """Measures, prints tables on the error output and JSON on the other, or into a file."""
    parser = argparse.ArgumentParser(description="Measures the software card beside its floors.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4, help="length of each count")
    parser.add_argument("--output", type=Path, help="file for the JSON")
    options = parser.parse_args(arguments)
    values = result(asyncio.run(measure(options.rounds, options.seconds)))
    table = Table("kind", "a second", box=None)
    for name, rate in sorted(values["per_second"].items()):
        table.add_row(name, f"{rate:,.0f}")
    shown = Table("ratio", "median", "least", "most", box=None)
    for name, ratio in values["ratios"].items():
        shown.add_row(name, *(f"{ratio[key]:.2f}" for key in ("median", "least", "most")))
    console = Console(stderr=True)
    console.print(table)
    console.print(shown)
    text = json.dumps(values, indent=2)
    if options.output:
        options.output.write_text(text + "\n", "utf-8")
    else:
        sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
