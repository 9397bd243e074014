"""The same readers through the real PC/SC service: inserted, removed, mute, pulled out, stopped."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from services.card.apdu import Channel, Command
from services.card.readers import Change, Presence, ReaderEvent
from services.card.readers.pcsc import PcscReaders
from services.card.terminal.applications import JpkiKey
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from services.card.virtual.pcscd import PrivatePcscd
from services.card.virtual.vpcd import VirtualSlot
from services.foundation.refusals import Refusal
from tests.doubles.cards import ATR, EchoCard, GarbledCard, HeldCard
from tests.integration.card.judges.conftest import InReader, wait_for
from tests.issued_cards import AUTHENTICATION_PIN, JUKI_PIN, PHOTOGRAPH, RESIDENT_CODE, IssuedCard

ONE, TWO, THREE, FOUR = "Virtual 00 00 00", "Virtual 00 00 01", "Virtual 01 00 00", "Virtual 01 00 01"
COMMAND = Command(0x00, 0xA4, 0x04, 0x0C, b"name")
ROOT = Path(__file__).parents[4]


@pytest.fixture
async def readers(pcscd: PrivatePcscd) -> AsyncIterator[PcscReaders]:
    readers = PcscReaders()
    yield readers
    await readers.close()


async def until(events: AsyncIterator[ReaderEvent], change: Change, reader: str) -> ReaderEvent:
    async with asyncio.timeout(5):
        async for event in events:
            if (event.change, event.reader.name) == (change, reader):
                return event
    raise AssertionError("the watch ended")


async def test_virtual_readers_have_two_slots_each(readers: PcscReaders) -> None:
    assert [reader.name for reader in await readers.list()] == [ONE, TWO, THREE, FOUR]


def test_nobody_else_on_the_machine_reaches_the_virtual_readers(pcscd: PrivatePcscd) -> None:
    if not pcscd.is_isolated:
        pytest.skip("not judged here: the kernel gives this user no network namespace")
    listening = Path("/proc/self/net/tcp").read_text("ascii")

    assert f":{35963:04X} " not in listening
    assert pcscd.socket_path.stat().st_mode & 0o077 == 0


async def test_insertion_and_removal_are_told(readers: PcscReaders, in_reader: InReader) -> None:
    async with aclosing(readers.watch()) as events:  # type: ignore[type-var]
        await until(events, Change.READER_ADDED, FOUR)
        with in_reader(EchoCard(), 2):
            inserted = await until(events, Change.CARD_INSERTED, THREE)
        await until(events, Change.CARD_REMOVED, THREE)

    assert (inserted.reader.presence, inserted.reader.atr) == (Presence.PRESENT, ATR)


async def test_a_whole_visit_goes_through_the_service(
    readers: PcscReaders, in_reader: InReader, resident: IssuedCard
) -> None:
    access = resident.issuer.terminal()

    def visit(channel: Channel) -> tuple[str, bytes]:
        juki_net = CardSession(channel).juki_net(access)
        juki_net.verify_pin(Pin(JUKI_PIN))
        return juki_net.resident_code(), juki_net.photograph()

    with in_reader(resident.card):
        async with await readers.connect(ONE) as session:
            assert await session.run(visit) == (RESIDENT_CODE, PHOTOGRAPH)


async def test_what_was_proved_does_not_outlive_the_session(
    readers: PcscReaders, in_reader: InReader, resident: IssuedCard
) -> None:
    def prove(channel: Channel) -> None:
        CardSession(channel).jpki().verify(JpkiKey.AUTHENTICATION.pin, Pin(AUTHENTICATION_PIN))

    sign = Command(0x80, 0x2A, 0x00, 0x80, b"\x30" * 51, 256)
    with in_reader(resident.card):
        async with await readers.connect(ONE) as session:
            await session.run(prove)
            await session.transmit(Command(0x00, 0xA4, 0x02, 0x0C, b"\x00\x17"))
            assert (await session.transmit(sign)).sw == 0x9000
        async with await readers.connect(ONE) as session:
            assert (await session.transmit(sign)).sw != 0x9000


async def test_cards_in_all_four_slots_work_at_the_same_time(readers: PcscReaders, in_reader: InReader) -> None:
    with in_reader(EchoCard(), 0), in_reader(EchoCard(), 1), in_reader(EchoCard(), 2), in_reader(EchoCard(), 3):
        sessions = [await readers.connect(name) for name in (ONE, TWO, THREE, FOUR)]
        commands = [Command(0x00, 0xB0, 0x00, number, le=4) for number in range(4)]
        answers = await asyncio.gather(
            *(session.transmit(command) for session, command in zip(sessions, commands, strict=True) for _ in range(25))
        )

    assert [answer.data for answer in answers] == [command.header for command in commands for _ in range(25)]


@pytest.mark.parametrize(("reader", "reason"), [("Nowhere", "READER_UNKNOWN"), (TWO, "CARD_ABSENT")])
async def test_a_session_needs_a_reader_and_a_card(readers: PcscReaders, reader: str, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        await readers.connect(reader)

    assert refused.value.reason == reason


async def test_a_card_whose_answer_to_reset_is_garbled_is_mute(readers: PcscReaders, in_reader: InReader) -> None:
    with in_reader(GarbledCard(), 1), pytest.raises(Refusal) as refused:
        await readers.connect(TWO)

    assert refused.value.reason == "CARD_MUTE"


async def test_a_card_that_goes_quiet_is_mute_and_its_session_ends(
    readers: PcscReaders, in_reader: InReader, resident: IssuedCard
) -> None:
    held = HeldCard(resident.card, ins=0xB0)
    with in_reader(held):
        session = await readers.connect(ONE, seconds=0.5)
        with pytest.raises(Refusal) as refused:
            await session.transmit(Command(0x00, 0xB0, 0x00, 0x00, le=4))
        held.let_go.set()
        await session.close()

    assert refused.value.reason == "CARD_MUTE"
    assert not session.is_open


async def test_a_card_that_somebody_holds_is_busy(readers: PcscReaders, in_reader: InReader) -> None:
    other = PcscReaders()
    with in_reader(EchoCard()):
        async with await other.connect(ONE):
            with pytest.raises(Refusal) as refused:
                await readers.connect(ONE)
            assert next(reader for reader in await readers.list() if reader.name == ONE).in_use
    await other.close()

    assert refused.value.reason == "READER_BUSY"


async def test_taking_the_card_out_ends_an_idle_session(readers: PcscReaders, in_reader: InReader) -> None:
    with in_reader(EchoCard()):
        session = await readers.connect(ONE)
        await session.transmit(COMMAND)

    await asyncio.wait_for(session.ended(), 5)
    with pytest.raises(Refusal) as refused:
        await session.transmit(COMMAND)
    assert refused.value.reason == "CARD_SESSION_ENDED"


async def test_a_card_pulled_out_in_the_middle_of_a_signature_gives_none(
    readers: PcscReaders, pcscd: PrivatePcscd, resident: IssuedCard
) -> None:
    held = HeldCard(resident.card)
    slot = VirtualSlot(lambda: pcscd.connect(0), held)
    slot.insert()
    wait_for(ONE, empty=False)
    released: list[bytes] = []

    def sign(channel: Channel) -> None:
        jpki = CardSession(channel).jpki()
        jpki.verify(JpkiKey.AUTHENTICATION.pin, Pin(AUTHENTICATION_PIN))
        released.append(jpki.sign(JpkiKey.AUTHENTICATION, b"\x30" * 51))

    session = await readers.connect(ONE)
    signing = asyncio.create_task(session.run(sign))
    await asyncio.to_thread(held.reached.wait, 5)
    removing = asyncio.create_task(asyncio.to_thread(slot.remove))
    with pytest.raises(Refusal) as refused:
        await signing
    held.let_go.set()
    await removing

    wait_for(ONE, empty=True)
    assert refused.value.reason == "CARD_REMOVED"
    assert released == []
    assert not session.is_open
    assert resident.session().jpki().tries_left(JpkiKey.AUTHENTICATION.pin) == 3


async def test_the_reader_takes_a_card_again_after_one_was_pulled_out(
    readers: PcscReaders, in_reader: InReader
) -> None:
    for _ in range(3):
        with in_reader(EchoCard()):
            async with await readers.connect(ONE) as session:
                assert (await session.transmit(COMMAND)).data == COMMAND.header


def in_a_process_of_its_own(code: str, **environment: str) -> str:
    """Runs code where pcsc-lite has not yet read the address of a service; returns what it prints."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "gen")))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_the_service_the_refusal_says_what_to_start(tmp_path: Path) -> None:
    pytest.importorskip("smartcard", reason="not judged here: pyscard is not installed")
    said = in_a_process_of_its_own(
        "import asyncio\nfrom services.card.readers.pcsc import PcscReaders\nfrom services.foundation.refusals import "
        "Refusal\ntry:\n    asyncio.run(PcscReaders().list())\nexcept Refusal as refusal:\n    print(refusal.reason, "
        "'pcscd' in refusal.advice)",
        PCSCLITE_CSOCK_NAME=str(tmp_path / "nobody"),
    )

    assert said == "PCSC_UNAVAILABLE True"


def test_without_pyscard_the_refusal_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "smartcard").mkdir()
    (tmp_path / "smartcard/__init__.py").write_text("raise ImportError\n")
    said = in_a_process_of_its_own(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport asyncio\n"
        "from services.card.readers.pcsc import PcscReaders\nfrom services.foundation.refusals import Refusal\n"
        "try:\n    asyncio.run(PcscReaders().list())\nexcept Refusal as refusal:\n"
        "    print(refusal.reason, '`card`' in refusal.advice)",
    )

    assert said == "PCSC_UNAVAILABLE True"


_STOPPED = """
import asyncio, os
from services.card.apdu import Command
from services.card.readers.pcsc import PcscReaders
from services.card.virtual.pcscd import PrivatePcscd
from services.card.virtual.vpcd import VirtualSlot
from services.foundation.refusals import Refusal
from tests.doubles.cards import EchoCard

async def main():
    service = PrivatePcscd()
    service.start()
    os.environ.update(service.environment)
    directory = service.socket_path.parent
    readers, slot = PcscReaders(), VirtualSlot(lambda: service.connect(0), EchoCard())
    watch, reasons = readers.watch(), []
    slot.insert()
    async for event in watch:
        if event.change == "card-inserted":
            break
    session = await readers.connect(event.reader.name)
    service.stop()
    try:
        async for event in watch:
            if event.change not in ("card-removed", "reader-removed"):
                print(event)
    except Refusal as refusal:
        print(refusal.reason)
    await asyncio.wait_for(session.ended(), 5)
    try:
        await readers.connect("Virtual 00 00 00")
    except Refusal as refusal:
        print(refusal.reason)
    slot.remove()
    await readers.close()
    print(directory.exists())

asyncio.run(main())
"""


def test_when_the_service_stops_watches_and_sessions_end_and_nothing_is_left(pcscd: PrivatePcscd) -> None:
    assert in_a_process_of_its_own(_STOPPED).split() == ["PCSC_UNAVAILABLE", "PCSC_UNAVAILABLE", "False"]


_KILLED = """
import os
from services.card.virtual.pcscd import PrivatePcscd
service = PrivatePcscd()
service.start()
print(service.process_id, service.socket_path.parent, flush=True)
os._exit(9)
"""


def test_the_service_ends_with_the_process_that_started_it(pcscd: PrivatePcscd) -> None:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "gen")))
    done = subprocess.run(
        [sys.executable, "-c", _KILLED],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    process, directory = done.stdout.split()
    assert done.returncode == 9
    _wait_until_gone(int(process))
    assert not Path(directory).exists()


def _wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        if "Z (zombie)" in Path(f"/proc/{process}/status").read_text():
            return
        time.sleep(0.05)
    assert not Path(f"/proc/{process}").exists()
