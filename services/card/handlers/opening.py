"""How a session with a card begins."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from services.card.apdu import Channel
from services.card.desk import CardDesk
from services.card.issuer import Issuer
from services.card.readers.session import ReaderSession
from services.card.refusals import CardRecalled
from services.card.rules.issuing import Life
from services.card.sessions import OpenCard, Sessions
from services.card.store.unit import Store
from services.card.terminal.scp11 import TerminalAccess
from services.foundation.refusals import Refusal
from services.foundation.rpc.call import Call


class Opening:
    """Opens sessions: finds the card's number, locks it if its batch was recalled, and authenticates both ends.

    `terminal` gives the terminal's key and certificate as they are now, since certificates are renewed.
    """

    def __init__(
        self, sessions: Sessions, store: Store, issuer: Issuer, own: str, terminal: Callable[[], TerminalAccess]
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._issuer = issuer
        self._own = own
        self._terminal = terminal

    async def open(self, call: Call, reader: str) -> OpenCard:
        """Opens a session, or returns the one that this very call has opened before its answer was lost."""
        if (held := self._sessions.opened_by(call.peer, call.request_id)) is not None:
            return held
        access = self._terminal()
        connection = await self._sessions.connect(reader)
        try:
            desk = await connection.run(lambda channel: self._desk(channel, access))
            await self._withhold_recalled(connection, desk)
            await connection.run(lambda _channel: desk.authenticate())
        except BaseException:
            await connection.close()
            raise
        return self._sessions.add(call.peer, call.request_id, connection, desk)

    async def lock_recalled(self, reader: str) -> bool:
        """Locks the card in a reader if its batch was recalled, and tells whether it is locked now."""
        async with await self._sessions.connect(reader) as connection:
            desk = await connection.run(lambda channel: self._desk(channel, self._terminal()))
            try:
                await self._withhold_recalled(connection, desk)
            except CardRecalled:
                return True
        return False

    def _desk(self, channel: Channel, access: TerminalAccess) -> CardDesk:
        return CardDesk(channel, access, self._issuer, self._own)

    async def _withhold_recalled(self, connection: ReaderSession, desk: CardDesk) -> None:
        number = desk.number.hex().upper()
        async with self._store.begin() as unit:
            listed = await unit.cards.find(number)
            if listed is not None and listed.life is not desk.life:
                # An act on the card was not followed by its note here, or another node acted: the card is right.
                await unit.cards.change(number, desk.life)
            recalled = await unit.cards.is_recalled(number)
        if not recalled:
            return
        if desk.life in (Life.ACTIVE, Life.PERSONALISED):
            # Whatever keeps it from being locked now, it is refused.
            with suppress(Refusal):
                await self._lock(connection, desk, number)
        raise CardRecalled("keep the card, and issue another")

    async def _lock(self, connection: ReaderSession, desk: CardDesk, number: str) -> None:
        # A card that was never handed over has no PIN and cannot be locked: it is ended.
        target = Life.LOCKED if desk.life is Life.ACTIVE else Life.TERMINATED
        await connection.run(lambda _channel: desk.move(target))
        async with self._store.begin() as unit:
            await unit.cards.change(number, desk.life)
