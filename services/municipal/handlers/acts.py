"""How an act is performed: everything it writes in one transaction, and its answer once."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID, uuid4

from google.protobuf.message import Message

from juki.municipal.v1 import resident_pb2
from services.foundation.clock import Clock
from services.foundation.journal import Journal, receipt_message
from services.foundation.rpc.call import Call, current_call
from services.municipal.refusals import ResidentAlreadyRegistered
from services.municipal.rules.days import event_dates, japanese_day
from services.municipal.rules.entry import identity
from services.municipal.rules.notification import Notification, notification
from services.municipal.rules.record import Change, Record, Stamp
from services.municipal.rules.situation import Decision
from services.municipal.store.unit import Store, Unit
from services.municipal.wire import parse, write
from services.vocabulary.local_government_code import LocalGovernmentCode

R = TypeVar("R", bound=Message)
Decide = Callable[[Unit, Stamp], Awaitable[Decision]]
"""Finds the facts, and decides on them."""

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an act must know of the municipality."""

    own: LocalGovernmentCode
    move_out_days_ahead: int
    new_id: Callable[[], UUID] = uuid4


class Acts:
    """Performs acts on the register."""

    def __init__(self, store: Store, journal: Journal, clock: Clock, settings: Settings) -> None:
        self.settings = settings
        self._store = store
        self._journal = journal
        self._clock = clock

    async def perform(
        self, act: parse.Act, answer: Callable[..., R], decide: Decide, *, by_office: bool = False, ground: str = ""
    ) -> R:
        """Performs an act once: a request that is repeated gets the first answer again, byte for byte.

        An act by office has no day of notification unless the request gives one; any other has today's.
        """
        call = current_call()
        async with self._store.begin() as unit:
            if (reply := await unit.replied(call)) is not None:
                return await self._repeat(unit, call, answer, reply)
            stamp = self._stamp(act, by_office=by_office, ground=ground)
            decision = await decide(unit, stamp)
            await _refuse_doubles(unit, decision.changes)
            await unit.residents.write(decision)
            told = [notification(change) for change in decision.changes if change.goes_up]
            await self._send(unit, call, told)
            return await self._answer(unit, call, [change.after for change in decision.changes], answer)

    async def resend(
        self,
        act: parse.Act,
        answer: Callable[..., R],
        find: Callable[[Unit], Awaitable[tuple[Record, Notification]]],
        supersedes: int,
    ) -> R:
        """Sends a notification in the place of the one sent under `supersedes`, once."""
        call = current_call()
        async with self._store.begin() as unit:
            if (reply := await unit.replied(call)) is not None:
                return await self._repeat(unit, call, answer, reply)
            self._stamp(act, by_office=True, ground="")
            record, told = await find(unit)
            await self._send(unit, call, [told], supersedes)
            return await self._answer(unit, call, [record], answer, fields=(told.reason.value,))

    def _stamp(self, act: parse.Act, *, by_office: bool, ground: str) -> Stamp:
        now = self._clock.now()
        notified_on = act.notified_on or (None if by_office else japanese_day(now))
        dates = event_dates(act.event_on, notified_on, now)
        return Stamp(act=self.settings.new_id(), dates=dates, processed_at=now, ground=ground)

    async def _send(self, unit: Unit, call: Call, told: Sequence[Notification], supersedes: int = 0) -> None:
        changes = [write.change_event(one, self.settings.own) for one in told]
        await unit.send(changes, traceparent=call.traceparent, supersedes=supersedes)

    async def _answer(
        self, unit: Unit, call: Call, touched: Sequence[Record], answer: Callable[..., R], fields: tuple[str, ...] = ()
    ) -> R:
        residents = [write.resident(record) for record in touched]
        # The receipt cannot be part of what the log commits to: it comes of the log.
        committed = answer(residents=residents).SerializeToString(deterministic=True)
        action = action_of(call)
        receipts = await unit.record(
            [
                self._journal.entry(action, subject=record.code.digits, fields=fields, call=call, response=committed)
                for record in touched
            ]
        )
        complete = answer(residents=residents, receipt=receipt_message(receipts[0]))
        await unit.reply(call, complete.SerializeToString())
        return complete

    async def _repeat(self, unit: Unit, call: Call, answer: Callable[..., R], reply: bytes) -> R:
        """Records that residents are shown again, each as the first time, before the first answer goes out again."""
        repeated = answer()
        repeated.ParseFromString(reply)
        shown: Sequence[resident_pb2.Resident] = getattr(repeated, "residents")  # noqa: B009 - R is any act's answer
        await unit.record(
            [self._journal.entry("REPEAT_REPLY", subject=one.resident_code, call=call, response=reply) for one in shown]
        )
        return repeated


def action_of(call: Call) -> str:
    """Returns the audit action that a method is: REPORT_MOVE_IN of `ReportMoveIn`."""
    return _WORD.sub("_", call.method.rpartition("/")[2]).upper()


async def _refuse_doubles(unit: Unit, changes: Sequence[Change]) -> None:
    """Refuses RESIDENT_ALREADY_REGISTERED when a record would come to say the same as another live one.

    Identities are claimed in order, so that two acts at once never wait for each other.
    """
    touched = {change.after.resident for change in changes}
    claims = {
        identity(change.after.attributes): change.after.attributes
        for change in changes
        if change.after.is_live and _is_new_identity(change)
    }
    for _, attributes in sorted(claims.items()):
        holder = await unit.residents.claim_identity(attributes)
        if holder is not None and holder not in touched:
            raise ResidentAlreadyRegistered("search by attributes: a live record has all four of them")


def _is_new_identity(change: Change) -> bool:
    before = change.before
    return before is None or not before.is_live or identity(before.attributes) != identity(change.after.attributes)
