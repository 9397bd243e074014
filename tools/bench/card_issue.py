"""Measures personalisation: `python -m tools.bench.card_issue [--cards N] [--files]`; prints JSON.

Cards are issued one after the other, as at a counter: software cards in an embedded reader, the issuer's keys in
SoftHSM2, PostgreSQL with fsync on; all in a temporary directory that is removed afterwards. A card's own time is
measured beside it, without store and log. With --files each card is an encrypted file, which it syncs at every change.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from datetime import date
from functools import partial
from pathlib import Path
from uuid import uuid4

import psutil
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.local import issuers, topology
from deploy.local.layout import CHECKOUT, Layout
from services.card.apdu import Channel
from services.card.handlers.issues import Issues, Wanted
from services.card.issuer import Issuer, Token, TokenIssuer, TokenSettings
from services.card.personalising import Office, Personaliser, applications_of
from services.card.readers.embedded import EmbeddedReaders
from services.card.rules.issuing import next_step
from services.card.rules.profile import PinName, ResidentCard
from services.card.sessions import Sessions
from services.card.softcard.card import SoftCard
from services.card.softcard.image import ImageFile
from services.card.softcard.memory import Storage
from services.card.softcard.production import Production, produce
from services.card.store.postgres import PostgresStore
from services.card.terminal.secret import Pin
from services.foundation.audit.log import AuditLog
from services.foundation.audit.salts import Sealer
from services.foundation.clock import SystemClock
from services.foundation.db.engine import Database
from services.foundation.db.migrate import upgrade
from services.foundation.identity import node_id
from services.foundation.journal import Journal
from services.foundation.rpc.call import Call
from services.vocabulary.resident_code import ResidentCode
from tools.bench.audit_append import server

_ROOT, _NODE, _READER = "juki.example", "card/131016-1", "Embedded 00"
_ORIGIN = "audit.card-131016-1.juki.example"
_PHOTOGRAPH = b"\xff\xd8\xff\xe0" + bytes(8_000) + b"\xff\xd9"
_TODAY = date(2026, 4, 1)
_MEGABYTE = 1024 * 1024
_TOPOLOGY = {
    "trust_domain_root": _ROOT,
    "node": [
        {"name": "agency/national", "port": 7001, "title": "A"},
        {"name": "prefecture/13", "port": 7013, "title": "P"},
        {"name": "municipal/131016", "port": 7101, "title": "M"},
        {"name": _NODE, "port": 7201, "title": "C"},
    ],
    "auditor": [{"id": "board"}],
}


class _Memory:
    """A card's memory without a disk."""

    def __init__(self) -> None:
        self._content = b""

    def load(self) -> bytes:
        return self._content

    def save(self, content: bytes) -> None:
        self._content = content


class Maker:
    """Delivers blank cards; with a directory each lies in a file of its own."""

    def __init__(self, issuer: Issuer, directory: Path | None) -> None:
        self._issuer = issuer
        self._directory = directory
        self._made = 0

    def make(self) -> tuple[SoftCard, ImageFile | None]:
        """Makes the next card, and the file to be closed when it is done with."""
        self._made += 1
        number = bytes.fromhex(f"131016{self._made:014d}")
        file = ImageFile(self._directory / f"{self._made}.card", bytes(32)) if self._directory is not None else None
        storage: Storage = file or _Memory()
        produce(storage, Production(number, self._issuer.transport_keys(number)))
        return SoftCard(storage), file


def _token(directory: Path) -> TokenIssuer:
    lacking = issuers.lacking()
    if lacking:
        raise SystemExit(f"install {lacking} first")
    layout = Layout(directory / "run")
    layout.trust.mkdir(parents=True)
    parsed = topology.parse(_TOPOLOGY)
    os.environ.update(issuers.environment(layout))
    issuers.ensure(parsed, layout)
    named = issuers.settings(parsed.node(_NODE), layout)
    settings = TokenSettings(named["pkcs11_module"], named["pkcs11_token"], Path(named["pkcs11_pin"]))
    return TokenIssuer(Token(settings), SystemClock())


def _wanted() -> Wanted:
    resident = ResidentCard(ResidentCode("12345678903"), date(2035, 4, 1), _PHOTOGRAPH, jpki=True)
    values = {PinName.JUKI_NET: "4711", PinName.AUTHENTICATION: "1234", PinName.SIGNATURE: "ABC123"}
    return Wanted(f"residents/{uuid4()}", "bench", resident, {name: Pin(value) for name, value in values.items()})


def _call() -> Call:
    caller = node_id("counter/131016-1", _ROOT)
    method = "/juki.card.v1.IssuingService/IssueCard"
    return Call(caller, method, str(uuid4()), b"\x0a\x24" + os.urandom(36), "TLSv1.3", "X25519MLKEM768", "")


async def _issue(issues: Issues, readers: EmbeddedReaders, maker: Maker, count: int) -> tuple[float, list[float]]:
    """Returns seconds of issuing alone, and the process's megabytes after each tenth of the cards."""
    process, seconds, memory = psutil.Process(), 0.0, []
    for number in range(1, count + 1):
        card, file = maker.make()
        await readers.insert(_READER, card)
        began = time.perf_counter()
        await issues.issue(_call(), _READER, _wanted(), _TODAY)
        seconds += time.perf_counter() - began
        await readers.remove(_READER)
        if file is not None:
            file.close()
        if number % max(1, count // 10) == 0:
            gc.collect()
            memory.append(round(process.memory_info().rss / _MEGABYTE, 1))
    return seconds, memory


async def _alone(readers: EmbeddedReaders, office: Office, maker: Maker, count: int) -> float:
    """Returns seconds of the work on cards by itself."""
    seconds, wanted = 0.0, _wanted()
    for _ in range(count):
        card, file = maker.make()
        await readers.insert(_READER, card)
        async with await readers.connect(_READER) as connection:
            began = time.perf_counter()
            personaliser = await connection.run(lambda channel: Personaliser(channel, office))
            await connection.run(partial(_finish, personaliser, wanted))
            seconds += time.perf_counter() - began
        await readers.remove(_READER)
        if file is not None:
            file.close()
    return seconds


def _finish(personaliser: Personaliser, wanted: Wanted, _channel: Channel) -> None:
    applications = applications_of(wanted.profile)
    while (step := next_step(personaliser.look(), applications, handed_over=True)) is not None:
        personaliser.do(step, wanted.profile, _TODAY, wanted.pins)


async def _measure(url: str, directory: Path, cards: int, *, files: bool) -> dict[str, object]:
    await upgrade(url, CHECKOUT / "services/card/migrations", "postgres")
    database = Database(url, 4)
    node = node_id(_NODE, _ROOT)
    journal = Journal(AuditLog(node, _ORIGIN, Sealer(bytes(32), _ORIGIN)), database, SystemClock())
    readers = EmbeddedReaders([_READER])
    issuer = _token(directory)
    office = Office("131016", issuer, ec.generate_private_key(ec.SECP256R1()).public_key())
    issues = Issues(Sessions(readers, 60.0, 30.0), PostgresStore(database, journal), journal, lambda: office)
    images = directory / "images" if files else None
    if images is not None:
        images.mkdir()
    maker = Maker(issuer, images)
    await _issue(issues, readers, maker, 10)
    seconds, memory = await _issue(issues, readers, maker, cards)
    alone = await _alone(readers, office, maker, max(10, cards // 10))
    await readers.close()
    await journal.close()
    await database.close()
    return {
        "cards": cards,
        "images": "files" if files else "memory",
        "cards_per_second": round(cards / seconds, 1),
        "cards_per_second_without_store_and_log": round(max(10, cards // 10) / alone, 1),
        "rss_mib_after_each_tenth": memory,
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="card_issue", description="Measures personalisation.")
    parser.add_argument("--cards", type=int, default=1000, help="how many cards are issued")
    parser.add_argument("--files", action="store_true", help="keep each card in an encrypted file")
    given = parser.parse_args()
    with server() as url, tempfile.TemporaryDirectory() as directory:
        found = uvloop.run(_measure(url, Path(directory), given.cards, files=given.files))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
