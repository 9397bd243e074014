"""How an act on a card is performed: in the log before the card is asked, and its answer once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from juki.common.v1.receipt_pb2 import AuditReceipt
from services.card.desk import CardDesk
from services.card.refusals import SessionUnknown
from services.card.rules.issuing import Life
from services.card.sessions import OpenCard, Sessions
from services.card.store.unit import Store, Unit
from services.card.wire.write import card_name
from services.foundation.audit.entry import AuditEntry
from services.foundation.journal import Journal, Reason, receipt_message
from services.foundation.rpc.call import Call, current_call

R = TypeVar("R", bound=Message)
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", bound=Message, covariant=True)

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class Answer(Protocol[T_contra, R_co]):
    """Makes the response of what was done and the receipt."""

    def __call__(self, done: T_contra, receipt: AuditReceipt) -> R_co:
        """Returns the response."""
        ...


@dataclass(frozen=True, slots=True)
class Under:
    """What work on a card may know of the act that it is part of."""

    desk: CardDesk
    begun: bool
    """Whether this very act began before, broke off, and may have reached the card."""


class Acts:
    """Performs acts and look-ups in sessions."""

    def __init__(self, store: Store, journal: Journal, sessions: Sessions) -> None:
        self.store = store
        self.journal = journal
        self.sessions = sessions

    async def perform(
        self,
        session: str,
        kind: type[R],
        work: Callable[[Under], T],
        answer: Answer[T, R],
        *,
        changes_life: bool = False,
    ) -> R:
        """Performs an act once; a request that is repeated gets the first answer again.

        The entry is durable before the card is asked. If the node stops between the card and the answer, the request
        finds its act begun when it is repeated, and is done again. Refuses CARD_SESSION_UNKNOWN.
        """
        call = current_call()
        held = await self._find(session, call)
        if held is None:
            return await self._repeated(call, kind)
        async with self.sessions.using(held):
            async with self.store.begin() as unit:
                if (reply := await first_answer(unit, self.journal, call)) is not None:
                    return kind.FromString(reply)
                begun = await unit.begin_act(call, held.number)
                (receipt,) = await unit.record([self.entry(call, held)])
            done = await held.run(lambda desk: work(Under(desk, begun)))
            # Dying here leaves the act done, in the log, and begun: repeated, it is done again, or seen to be done.
            response = answer(done, receipt_message(receipt))
            async with self.store.begin() as unit:
                if changes_life:
                    await unit.cards.change(held.number, held.desk.life)
                await unit.reply(call, response.SerializeToString())
        if held.desk.life is Life.TERMINATED:
            await self.sessions.end(held)
        return response

    async def perform_again(self, session: str, work: Callable[[CardDesk], T], answer: Answer[T, R]) -> R:
        """Performs an act that changes nothing on the card each time that it is asked for; its answer is not kept."""
        call = current_call()
        held = self.sessions.find(session, call.peer)
        async with self.sessions.using(held):
            async with self.store.begin() as unit:
                (receipt,) = await unit.record([self.entry(call, held)])
            done = await held.run(work)
        return answer(done, receipt_message(receipt))

    async def look(
        self, session: str, work: Callable[[CardDesk], T], answer: Answer[T, R], fields: tuple[str, ...] = ()
    ) -> R:
        """Looks something up on the card; it is in the log before it is answered."""
        call = current_call()
        held = self.sessions.find(session, call.peer)
        async with self.sessions.using(held):
            done = await held.run(work)
        receipt = await self.journal.record_alone(self.entry(call, held, fields=fields))
        return answer(done, receipt_message(receipt))

    def entry(self, call: Call, held: OpenCard, *, fields: tuple[str, ...] = ()) -> AuditEntry:
        """Makes the entry of what a call does in a session: its case is the card, its subject the holder, if known."""
        reason = Reason(case=card_name(held.number))
        return self.journal.entry(
            action_of(call), subject=held.subject, fields=fields, count=1, reason=reason, call=call
        )

    async def _find(self, session: str, call: Call) -> OpenCard | None:
        try:
            return self.sessions.find(session, call.peer)
        except SessionUnknown:
            async with self.store.begin() as unit:
                if await unit.replied(call) is None:
                    raise
            return None

    async def _repeated(self, call: Call, kind: type[R]) -> R:
        async with self.store.begin() as unit:
            return kind.FromString(await first_answer(unit, self.journal, call) or b"")


async def first_answer(unit: Unit, journal: Journal, call: Call) -> bytes | None:
    """Returns the answer that a repeated request had, with its repetition in the log of the same transaction."""
    reply = await unit.replied(call)
    if reply is not None:
        await unit.record([journal.entry("REPEAT_REPLY", call=call, response=reply)])
    return reply


def receipted(kind: Callable[..., R]) -> Answer[object, R]:
    """Returns what answers with a receipt and nothing else."""

    def answer(done: object, receipt: AuditReceipt) -> R:  # noqa: ARG001 - there is nothing to tell of it
        return kind(receipt=receipt)

    return answer


def action_of(call: Call) -> str:
    """Returns the audit action that a method is: VERIFY_PIN of `VerifyPin`."""
    return _WORD.sub("_", call.method.rpartition("/")[2]).upper()
