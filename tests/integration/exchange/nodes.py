"""A sending and a receiving node on real databases; what is between them, a test may break."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.foundation.db.engine import Database, raw
from services.foundation.exchange.envelope import EnvelopeSigner
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.messages import Accepted, Applied, Delivery, Outcome, ReceiveResult
from services.foundation.exchange.neighbour import Neighbour
from services.foundation.exchange.outbox import Outbox, OutgoingMessage
from services.foundation.exchange.outbox_reader import PostgresOutboxReader
from services.foundation.exchange.rules import Cursor
from services.foundation.exchange.sender import Sender
from services.foundation.exchange.signers import Signers
from services.foundation.identity import NodeId
from services.foundation.rpc.refusals import NeighbourUnreachable
from tests.streams import FixedClock, NotYet, change, line_of

_INSERT = "INSERT INTO register (code, note) VALUES ($1, $2)"


def never() -> None:
    """Does not break anything."""


class SendingNode:
    """A tier that registers something and reports it, in one transaction."""

    def __init__(self, database: Database, signer: EnvelopeSigner) -> None:
        self.database = database
        self.outbox = Outbox(signer)

    async def act(self, code: str, note: str, *, supersedes: int = 0, before_commit: Callable[[], None] = never) -> int:
        async with self.database.begin() as connection:
            await (await raw(connection)).execute(_INSERT, code, note)
            message = OutgoingMessage(change=change(code, note), supersedes=supersedes)
            sequences = await self.outbox.append(connection, [message])
            before_commit()
        self.outbox.wake()
        return sequences[0]

    def sender(self, neighbour: Neighbour) -> Sender:
        reader = PostgresOutboxReader(self.database)
        return Sender(
            "prefecture/13", neighbour, self.outbox, reader, FixedClock(), longest_pause=0.05, chance=random.Random(1)
        )


class ReceivingNode:
    """A tier that keeps what arrives, relays it, and refuses the codes in `refused`."""

    def __init__(self, database: Database, signers: Signers, signer: EnvelopeSigner | None = None) -> None:
        self.database = database
        self.refused: set[str] = set()
        self.outbox = Outbox(signer) if signer is not None else None
        self.before_commit: Callable[[], None] = never
        self.inbox = Inbox(database, signers, line_of, self._apply)

    async def _apply(self, connection: AsyncConnection, accepted: Sequence[Accepted]) -> list[Outcome]:
        driver = await raw(connection)
        outcomes: list[Outcome] = []
        relayed = []
        for each in accepted:
            made = each.origin.change
            assert made is not None
            if made.resident_code in self.refused:
                outcomes.append(NotYet("wait"))
                continue
            await driver.execute(_INSERT, made.resident_code, made.former_resident_code)
            relayed.append(OutgoingMessage(relayed=each.origin.envelope, traceparent=each.traceparent))
            outcomes.append(Applied())
        if self.outbox is not None:
            await self.outbox.append(connection, relayed)
        return outcomes

    async def finish(self, connection: AsyncConnection, result: ReceiveResult) -> None:
        self.before_commit()


class Line:
    """The line between two nodes; while `down`, nothing gets through, and `lose_answers` loses as many answers."""

    def __init__(self, node: ReceivingNode, sender: NodeId) -> None:
        self.node = node
        self.down = False
        self.lose_answers = 0
        self.certificates_sent: list[int] = []
        self._sender = sender

    async def get_position(self) -> Cursor:
        if self.down:
            raise NeighbourUnreachable("wait for the neighbour")
        async with self.node.database.begin() as connection:
            return await self.node.inbox.position(connection, self._sender.name)

    async def deliver(self, deliveries: Sequence[Delivery], certificates: Sequence[bytes]) -> int:
        if self.down:
            raise NeighbourUnreachable("wait for the neighbour")
        self.certificates_sent.append(len(certificates))
        result, _ = await self.node.inbox.deliver(self._sender, deliveries, certificates, self.node.finish)
        if self.lose_answers:
            self.lose_answers -= 1
            raise NeighbourUnreachable("wait for the neighbour")
        return result.cursor.sequence


async def drain(sender: Sender) -> None:
    """Sends until nothing is left; fails when that does not come."""
    for _ in range(200):
        if (await sender.step()).idle:
            return
    raise AssertionError(f"the stream does not move: {sender.last_failure}")
