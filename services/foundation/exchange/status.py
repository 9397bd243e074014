"""How a node's streams stand: what its operators, and nobody's resident, can see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.foundation.db.engine import raw
from services.foundation.exchange.messages import Held
from services.foundation.exchange.refusals import Evidence

ALARMS_LISTED = 500

_SENDING = """
SELECT head.sequence, coalesce(cursor.acknowledged, 0) AS acknowledged,
    coalesce(extract(epoch FROM now() - (
        SELECT made_at FROM public.outbox WHERE sequence > coalesce(cursor.acknowledged, 0) ORDER BY sequence LIMIT 1
    )), 0)::float8 AS lag
FROM public.outbox_head AS head LEFT JOIN public.outbox_cursor AS cursor ON cursor.peer = $1
"""
_RECEIVING = """
SELECT sender, sequence, coalesce(quarantined, 0) AS quarantined, coalesce(waiting, 0) AS waiting
FROM public.inbox_cursor LEFT JOIN (
    SELECT sender, count(*) FILTER (WHERE state = 'QUARANTINED') AS quarantined,
        count(*) FILTER (WHERE state = 'WAITING') AS waiting
    FROM public.inbox WHERE state IN ('QUARANTINED', 'WAITING') GROUP BY sender
) AS held USING (sender) ORDER BY sender
"""
_HELD = """
SELECT received_at, sender, sequence, reason FROM public.inbox
WHERE state IN ('QUARANTINED', 'WAITING') AND (received_at, sender, sequence) > ($1, $2, $3)
ORDER BY received_at, sender, sequence LIMIT $4
"""
_ALARMS = """
SELECT reason, sender, sequence, kept_hash, refused_hash FROM public.exchange_alarm ORDER BY number DESC LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class Sending:
    """A stream that this node sends."""

    peer: str
    last: int
    acknowledged: int
    lag_seconds: float


@dataclass(frozen=True, slots=True)
class Receiving:
    """A stream that this node receives."""

    peer: str
    last: int
    quarantined: int
    waiting: int


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """Where an envelope stands in the list of what is held."""

    received_at: datetime
    sender: str
    sequence: int


async def sending(connection: AsyncConnection, peers: Sequence[str]) -> list[Sending]:
    """Returns how the stream to each of `peers` stands."""
    driver = await raw(connection)
    streams = []
    for peer in peers:
        row = await driver.fetchrow(_SENDING, peer)
        if row is None:
            raise RuntimeError("the outbox has lost its head row")
        streams.append(Sending(peer, row["sequence"], row["acknowledged"], row["lag"]))
    return streams


async def receiving(connection: AsyncConnection) -> list[Receiving]:
    """Returns how each stream that was ever received stands."""
    driver = await raw(connection)
    return [
        Receiving(row["sender"], row["sequence"], row["quarantined"], row["waiting"])
        for row in await driver.fetch(_RECEIVING)
    ]


async def held(connection: AsyncConnection, after: HeldPosition, most: int) -> Mapping[HeldPosition, Held]:
    """Returns what is quarantined or waits, oldest first, from past `after`."""
    driver = await raw(connection)
    return {
        HeldPosition(row["received_at"], row["sender"], row["sequence"]): Held(
            row["sender"], row["sequence"], row["reason"]
        )
        for row in await driver.fetch(_HELD, after.received_at, after.sender, after.sequence, most)
    }


async def alarms(connection: AsyncConnection) -> list[Evidence]:
    """Returns the newest alarms, newest first."""
    driver = await raw(connection)
    return [Evidence(**row) for row in await driver.fetch(_ALARMS, ALARMS_LISTED)]
