"""How a card is issued: step by step, each durable on the card, and once for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from juki.card.v1 import issuing_service_pb2 as pb
from services.card.apdu import Channel
from services.card.desk import check_forms
from services.card.handlers.acts import action_of, first_answer
from services.card.personalising import Office, Personaliser, applications_of
from services.card.readers.session import ReaderSession
from services.card.refusals import (
    CardBeingIssued,
    CardNotBeingIssued,
    CardNotBlank,
    CardOfAnotherRequest,
    CardRecalled,
    CardTerminated,
)
from services.card.rules.issuing import Facts, Life, check_blank, next_step
from services.card.rules.profile import PinName, Profile, ResidentCard, check_pins, check_profile
from services.card.sessions import Sessions
from services.card.store.unit import IssuedCard, Store, Unit
from services.card.terminal.secret import Pin
from services.card.wire import write
from services.foundation.audit.entry import AuditEntry
from services.foundation.journal import Journal, Reason, receipt_message
from services.foundation.rpc.call import Call


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """One card to be issued."""

    holder: str
    batch: str
    profile: Profile
    pins: Mapping[PinName, Pin]
    """Empty for a card that is handed over later."""

    @property
    def subject(self) -> str | None:
        """The resident code of whom it is for; None for an operator."""
        return self.profile.code.digits if isinstance(self.profile, ResidentCard) else None


class Issues:
    """Issues cards from blank ones; `office` gives what the municipality has to issue with."""

    def __init__(self, sessions: Sessions, store: Store, journal: Journal, office: Callable[[], Office]) -> None:
        self.sessions = sessions
        self.store = store
        self.journal = journal
        self.office = office

    async def repeated(self, call: Call) -> pb.IssueCardResponse | None:
        """Returns the answer that this request had before, or None."""
        async with self.store.begin() as unit:
            reply = await first_answer(unit, self.journal, call)
        return None if reply is None else pb.IssueCardResponse.FromString(reply)

    async def issue(self, call: Call, reader: str, wanted: Wanted, today: date) -> pb.IssueCardResponse:
        """Issues the card in a reader, or goes on with it; refuses as IssuingService/IssueCard says."""
        check_profile(wanted.profile, today)
        if wanted.pins:
            check_pins(wanted.profile.pins, wanted.pins.keys())
            check_forms(wanted.pins)
        if (answer := await self.repeated(call)) is not None:
            return answer
        office = self.office()
        async with await self.sessions.connect(reader) as connection:
            maker = await _maker(connection, office)
            number = maker.number.hex().upper()
            facts = await connection.run(lambda _: maker.look())
            async with self.store.begin() as unit:
                if (reply := await first_answer(unit, self.journal, call)) is not None:
                    return pb.IssueCardResponse.FromString(reply)
                await _claim(unit, call, number, facts, wanted)
                (receipt,) = await unit.record([self._entry(call, number, wanted.subject)])
            life = await _finish(connection, maker, facts, wanted, today)
            # Dying here, or anywhere since the claim, leaves a card that says how far it is: repeated, it goes on.
            card = write.card(number, life, office.municipality)
            answer = pb.IssueCardResponse(card=card, receipt=receipt_message(receipt))
            async with self.store.begin() as unit:
                await unit.cards.change(number, life, unfinished=False)
                await unit.reply(call, answer.SerializeToString())
        return answer

    async def abandon(self, call: Call, reader: str) -> pb.AbandonIssueResponse:
        """Terminates the card in a reader, whose issue stopped in the middle; refuses CARD_NOT_BEING_ISSUED."""
        async with self.store.begin() as unit:
            if (reply := await first_answer(unit, self.journal, call)) is not None:
                return pb.AbandonIssueResponse.FromString(reply)
            begun = await unit.begun_with(call)
        office = self.office()
        async with await self.sessions.connect(reader) as connection:
            try:
                maker = await connection.run(lambda channel: Personaliser(channel, office))
            except CardTerminated:
                # Of a card that is ended only an act of ours that broke off can say which one it is.
                if not begun:
                    raise CardNotBeingIssued("put the card into the reader whose issue stopped") from None
                return await self._abandoned(call, begun, office)
            number = maker.number.hex().upper()
            await self._claim_end(call, number)
            await connection.run(lambda _: maker.terminate())
            return await self._abandoned(call, number, office)

    async def _claim_end(self, call: Call, number: str) -> None:
        async with self.store.begin() as unit:
            found = await unit.cards.find(number)
            if found is None or not found.unfinished:
                raise CardNotBeingIssued("put the card into the reader whose issue stopped")
            await unit.begin_act(call, number)
            await unit.record([self._entry(call, number, None)])

    async def _abandoned(self, call: Call, number: str, office: Office) -> pb.AbandonIssueResponse:
        async with self.store.begin() as unit:
            await unit.cards.change(number, Life.TERMINATED, unfinished=False)
            (receipt,) = await unit.record([self._entry(call, number, None)])
            card = write.card(number, Life.TERMINATED, office.municipality)
            answer = pb.AbandonIssueResponse(card=card, receipt=receipt_message(receipt))
            await unit.reply(call, answer.SerializeToString())
        return answer

    def _entry(self, call: Call, number: str, subject: str | None) -> AuditEntry:
        reason = Reason(case=write.card_name(number))
        return self.journal.entry(action_of(call), subject=subject, count=1, reason=reason, call=call)


async def _maker(connection: ReaderSession, office: Office) -> Personaliser:
    try:
        return await connection.run(lambda channel: Personaliser(channel, office))
    except CardTerminated:
        raise CardNotBlank("put a blank card into the reader") from None


async def _claim(unit: Unit, call: Call, number: str, facts: Facts, wanted: Wanted) -> None:
    """Enters the card as being issued by this request, or finds that it is already."""
    key = f"{call.peer.name} {call.request_id}"
    await unit.begin_act(call, number)
    begun, there = await unit.cards.of_issue(key), await unit.cards.find(number)
    if begun is not None and begun.number != number:
        name = write.card_name(begun.number)
        raise CardOfAnotherRequest("put the card into the reader with which this request began", card=name)
    if there is None:
        check_blank(facts)
        await unit.cards.add(IssuedCard(number, wanted.holder, wanted.batch, Life.ISSUED, key, unfinished=True))
        if await unit.cards.is_recalled(number):
            raise CardRecalled("name another batch: this one has been recalled")
    elif begun is None:
        if there.unfinished:
            raise CardBeingIssued("repeat the request that began with this card, or abandon the issue")
        raise CardNotBlank("put a blank card into the reader")


async def _finish(connection: ReaderSession, maker: Personaliser, facts: Facts, wanted: Wanted, today: date) -> Life:
    """Does the steps that are left, looking at the card after each."""
    applications = applications_of(wanted.profile)
    while (step := next_step(facts, applications, handed_over=bool(wanted.pins))) is not None:
        work = partial(maker.do, step, wanted.profile, today, wanted.pins)
        facts = await connection.run(partial(_after, maker, work))
    return facts.life


def _after(maker: Personaliser, work: Callable[[], None], _channel: Channel) -> Facts:
    work()
    return maker.look()
