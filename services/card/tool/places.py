"""Where a card can be spoken to: on the workshop's shelf, or in a reader of the machine's card service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from services.card.apdu import Channel, Command, Response
from services.card.readers.pcsc import PcscReaders
from services.card.readers.protocol import Presence
from services.card.refusals import CardAbsent, CardMute, CardUnknown, ReaderBusy
from services.card.softcard.card import SoftCard
from services.card.softcard.image import ImageInUse
from services.card.softcard.memory import MemoryFault
from services.card.tool.workshop import Workshop

T = TypeVar("T")
_SECONDS = 60.0


class _Table:
    """A software card on the table, in no reader."""

    def __init__(self, card: SoftCard) -> None:
        self._card = card

    def transmit(self, command: Command) -> Response:
        return Response.parse(self._card.transmit(command.encode()))


def on_the_shelf(workshop: Workshop, number: str, work: Callable[[Channel], T]) -> T:
    """Takes a card off the shelf for some work; refuses CARD_UNKNOWN, CARD_MUTE, READER_BUSY if it is in a reader."""
    if number not in workshop.shelf.numbers():
        raise CardUnknown("name a card that is listed", card=number)
    try:
        card, image = workshop.shelf.take(number)
    except ImageInUse:
        raise ReaderBusy("remove the card from its reader, or speak to it there with --reader", card=number) from None
    except MemoryFault as fault:
        raise CardMute(str(fault), card=number) from None
    with image:
        card.power_on()
        return work(_Table(card))


def in_a_reader(reader: str, work: Callable[[Channel], T]) -> T:
    """Works on the card in a PC/SC reader; `any` for the first with a card. Refuses as connecting does."""
    return asyncio.run(_in_a_reader(reader, work))


async def _in_a_reader(reader: str, work: Callable[[Channel], T]) -> T:
    readers = PcscReaders()
    try:
        if reader == "any":
            with_card = [each.name for each in await readers.list() if each.presence is not Presence.EMPTY]
            if not with_card:
                raise CardAbsent("insert a card into a reader")
            reader = with_card[0]
        async with await readers.connect(reader, _SECONDS) as session:
            return await session.run(work)
    finally:
        await readers.close()
