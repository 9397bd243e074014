"""Readers of this process: cards come and go, and whoever used one learns it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.card.apdu import Channel, Command
from services.card.readers import Change, Presence, ReaderEvent
from services.card.readers.embedded import EmbeddedReaders
from services.card.terminal.applications import JPKI_AID, JpkiKey
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from services.foundation.refusals import Refusal
from tests.cards import QuickChip
from tests.doubles.card_storage import MemoryStorage
from tests.doubles.cards import ATR, EchoCard, HeldCard, MuteCard
from tests.issued_cards import AUTHENTICATION_PIN, issue_resident

ONE, TWO = "Embedded 00", "Embedded 01"
COMMAND = Command(0x00, 0xA4, 0x04, 0x0C, b"name")


@pytest.fixture
async def readers() -> AsyncIterator[EmbeddedReaders]:
    readers = EmbeddedReaders((ONE, TWO))
    yield readers
    await readers.close()


async def take(events: AsyncIterator[ReaderEvent], count: int) -> list[tuple[Change, str]]:
    taken = [await asyncio.wait_for(anext(events), 5) for _ in range(count)]
    return [(event.change, event.reader.name) for event in taken]


async def test_readers_tell_what_is_in_them(readers: EmbeddedReaders) -> None:
    await readers.insert(ONE, EchoCard())
    await readers.insert(TWO, MuteCard())

    first, second = await readers.list()

    assert (first.name, first.presence, first.atr) == (ONE, Presence.PRESENT, ATR)
    assert (second.name, second.presence, second.atr) == (TWO, Presence.MUTE, b"")


async def test_a_watch_tells_what_is_there_and_what_happens(readers: EmbeddedReaders) -> None:
    await readers.insert(ONE, EchoCard())
    async with aclosing(readers.watch()) as events:  # type: ignore[type-var]
        there = await take(events, 3)
        await readers.remove(ONE)
        await readers.insert(TWO, EchoCard())
        await readers.plug("Embedded 02")
        await readers.unplug(TWO)
        happened = await take(events, 5)

    assert there == [(Change.READER_ADDED, ONE), (Change.CARD_INSERTED, ONE), (Change.READER_ADDED, TWO)]
    assert happened == [
        (Change.CARD_REMOVED, ONE),
        (Change.CARD_INSERTED, TWO),
        (Change.READER_ADDED, "Embedded 02"),
        (Change.CARD_REMOVED, TWO),
        (Change.READER_REMOVED, TWO),
    ]


@pytest.mark.parametrize(
    ("reader", "reason"),
    [("Nowhere", "READER_UNKNOWN"), (ONE, "CARD_ABSENT"), (TWO, "CARD_MUTE")],
)
async def test_a_session_needs_a_card_that_answers(readers: EmbeddedReaders, reader: str, reason: str) -> None:
    await readers.insert(TWO, MuteCard())

    with pytest.raises(Refusal) as refused:
        await readers.connect(reader)

    assert refused.value.reason == reason


async def test_a_software_card_whose_memory_is_destroyed_is_mute(readers: EmbeddedReaders) -> None:
    storage = MemoryStorage()
    issued = issue_resident(QuickChip(), storage=storage)
    await readers.insert(ONE, issued.card)
    storage.content = b"\x09torn"

    with pytest.raises(Refusal) as refused:
        await readers.connect(ONE)

    assert refused.value.reason == "CARD_MUTE"


async def test_a_card_has_one_session_at_a_time(readers: EmbeddedReaders) -> None:
    await readers.insert(ONE, EchoCard())
    async with await readers.connect(ONE):
        with pytest.raises(Refusal) as refused:
            await readers.connect(ONE)
        assert (await readers.list())[0].in_use
    async with await readers.connect(ONE) as again:
        assert (await again.transmit(COMMAND)).sw == 0x9000

    assert refused.value.reason == "READER_BUSY"


async def test_cards_in_two_readers_work_at_the_same_time(readers: EmbeddedReaders) -> None:
    cards = {ONE: EchoCard(), TWO: EchoCard()}
    for reader, card in cards.items():
        await readers.insert(reader, card)
    async with await readers.connect(ONE) as one, await readers.connect(TWO) as two:
        answers = await asyncio.gather(*(session.transmit(COMMAND) for session in (one, two) * 20))

    assert {answer.sw for answer in answers} == {0x9000}


async def test_closing_takes_the_power_from_the_card(readers: EmbeddedReaders) -> None:
    card = EchoCard()
    await readers.insert(ONE, card)
    before = card.power_losses
    session = await readers.connect(ONE)
    await session.close()
    await session.close()

    assert card.power_losses == before + 1
    with pytest.raises(Refusal) as refused:
        await session.transmit(COMMAND)
    assert refused.value.reason == "CARD_SESSION_ENDED"


async def test_taking_the_card_out_ends_an_idle_session(readers: EmbeddedReaders) -> None:
    await readers.insert(ONE, EchoCard())
    session = await readers.connect(ONE)

    await readers.remove(ONE)

    await asyncio.wait_for(session.ended(), 5)
    assert not session.is_open


@pytest.mark.parametrize(("unplugged", "reason"), [(False, "CARD_REMOVED"), (True, "READER_GONE")])
async def test_a_card_pulled_out_in_the_middle_of_a_signature_gives_none(
    readers: EmbeddedReaders, unplugged: bool, reason: str
) -> None:
    issued = issue_resident(QuickChip())
    held = HeldCard(issued.card)
    await readers.insert(ONE, held)
    session = await readers.connect(ONE)
    released: list[bytes] = []

    def sign(channel: Channel) -> None:
        jpki = CardSession(channel).jpki()
        jpki.verify(JpkiKey.AUTHENTICATION.pin, Pin(AUTHENTICATION_PIN))
        released.append(jpki.sign(JpkiKey.AUTHENTICATION, b"\x30" * 51))

    signing = asyncio.create_task(session.run(sign))
    await asyncio.to_thread(held.reached.wait, 5)
    pulling = asyncio.create_task(readers.unplug(ONE) if unplugged else readers.remove(ONE))
    await asyncio.wait_for(session.ended(), 5)
    held.let_go.set()
    await pulling

    with pytest.raises(Refusal) as refused:
        await signing
    assert refused.value.reason == reason
    assert released == []
    assert issued.session().jpki().tries_left(JpkiKey.AUTHENTICATION.pin) == 3


async def test_another_card_in_the_same_reader_is_not_taken_for_the_first(readers: EmbeddedReaders) -> None:
    held = HeldCard(issue_resident(QuickChip()).card, ins=0xB0)
    await readers.insert(ONE, held)
    session = await readers.connect(ONE)
    reading = asyncio.create_task(session.transmit(Command(0x00, 0xB0, 0x00, 0x00, le=4)))
    await asyncio.to_thread(held.reached.wait, 5)
    removing = asyncio.create_task(readers.remove(ONE))
    await asyncio.wait_for(session.ended(), 5)
    await readers.insert(ONE, EchoCard())
    held.let_go.set()
    await removing

    with pytest.raises(Refusal) as refused:
        await reading
    assert refused.value.reason == "CARD_REMOVED"
    async with await readers.connect(ONE) as fresh:
        assert (await fresh.transmit(COMMAND)).data == COMMAND.header


async def test_a_card_that_does_not_answer_in_time_is_mute_and_its_late_answer_is_void(
    readers: EmbeddedReaders,
) -> None:
    held = HeldCard(issue_resident(QuickChip()).card, ins=0xB0)
    await readers.insert(ONE, held)
    session = await readers.connect(ONE, seconds=0.1)
    later: list[str] = []

    def work(channel: Channel) -> None:
        try:
            channel.transmit(Command(0x00, 0xB0, 0x00, 0x00, le=4))
        finally:
            later.append("late")
        channel.transmit(COMMAND)
        later.append("went on")

    with pytest.raises(Refusal) as refused:
        await session.run(work)
    held.let_go.set()
    await session.close()

    assert refused.value.reason == "CARD_MUTE"
    assert not session.is_open
    assert later == ["late"]


class SlowCard(EchoCard):
    """A card that takes its time to answer the reset of a session."""

    def __init__(self) -> None:
        super().__init__()
        self.resets = 0
        self.let_go = threading.Event()

    def power_on(self) -> bytes:
        self.resets += 1
        if self.resets == 2:
            self.let_go.wait(30)
        return super().power_on()


async def test_a_card_that_answered_the_reset_too_late_is_let_go(readers: EmbeddedReaders) -> None:
    card = SlowCard()
    await readers.insert(ONE, card)
    with pytest.raises(Refusal) as refused:
        await readers.connect(ONE, seconds=0.05)
    connecting = asyncio.create_task(readers.connect(ONE))
    await asyncio.sleep(0.05)
    card.let_go.set()

    async with await connecting as session:
        assert (await session.transmit(COMMAND)).sw == 0x9000
        losses = card.power_losses
        await asyncio.sleep(0.05)
        assert card.power_losses == losses
    assert refused.value.reason == "CARD_MUTE"
    assert card.power_losses == losses + 1


async def test_a_session_that_ended_late_does_not_disturb_the_next_one(readers: EmbeddedReaders) -> None:
    held = HeldCard(issue_resident(QuickChip()).card, ins=0xB0)
    await readers.insert(ONE, held)
    late = await readers.connect(ONE, seconds=0.05)
    with pytest.raises(Refusal):
        await late.transmit(Command(0x00, 0xB0, 0x00, 0x00, le=4))
    connecting = asyncio.create_task(readers.connect(ONE))
    await asyncio.sleep(0.05)
    held.let_go.set()

    async with await connecting as session:
        await late.close()
        select = Command(0x00, 0xA4, 0x04, 0x0C, JPKI_AID)
        assert (await session.transmit(select)).sw == 0x9000


async def test_a_caller_that_gives_up_ends_the_session(readers: EmbeddedReaders) -> None:
    held = HeldCard(issue_resident(QuickChip()).card, ins=0xB0)
    await readers.insert(ONE, held)
    session = await readers.connect(ONE)
    reading = asyncio.create_task(session.transmit(Command(0x00, 0xB0, 0x00, 0x00, le=4)))
    await asyncio.to_thread(held.reached.wait, 5)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not session.is_open
    held.let_go.set()


async def test_a_card_comes_out_when_it_has_come_to_rest(readers: EmbeddedReaders) -> None:
    held = HeldCard(issue_resident(QuickChip()).card, ins=0xB0)
    await readers.insert(ONE, held)
    session = await readers.connect(ONE)
    reading = asyncio.create_task(session.transmit(Command(0x00, 0xB0, 0x00, 0x00, le=4)))
    await asyncio.to_thread(held.reached.wait, 5)

    removing = asyncio.create_task(readers.remove(ONE))
    await asyncio.wait_for(session.ended(), 5)
    assert not removing.done()
    held.let_go.set()

    assert await removing is held
    with pytest.raises(Refusal):
        await reading


async def test_a_reader_takes_one_card(readers: EmbeddedReaders) -> None:
    await readers.insert(ONE, EchoCard())

    with pytest.raises(Refusal) as full:
        await readers.insert(ONE, EchoCard())
    with pytest.raises(Refusal) as empty:
        await readers.remove(TWO)

    assert (full.value.reason, empty.value.reason) == ("CARD_PRESENT", "CARD_ABSENT")
