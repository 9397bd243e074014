"""Where adopted purposes tables are kept, and how much was asked under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.foundation.db.engine import DriverConnection, Lane

_ADOPTED = "SELECT order_note, body FROM public.purposes_adopted ORDER BY number"
_NONCES = "SELECT EXISTS (SELECT FROM public.purposes_adopted WHERE nonce = $1)"
_ADOPT = """
INSERT INTO public.purposes_adopted (number, nonce, order_note, body) VALUES ($1, $2, $3, $4)
"""
_USED = "SELECT body, affair, asked FROM public.purpose_use WHERE day = $1"
_USE = """
INSERT INTO public.purpose_use AS u (day, body, affair, asked)
SELECT $1, g.body, g.affair, g.asked FROM unnest($2::text[], $3::text[], $4::bigint[]) AS g (body, affair, asked)
ORDER BY g.body, g.affair
ON CONFLICT (day, body, affair) DO UPDATE SET asked = u.asked + excluded.asked
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A table that was adopted, with its order."""

    note: str
    body: bytes


async def adopted(connection: DriverConnection) -> list[Kept]:
    """Returns the adopted tables in the order of their numbers."""
    return [Kept(row[0], row[1]) for row in await connection.fetch(_ADOPTED)]


async def is_nonce_used(connection: DriverConnection, nonce: str) -> bool:
    """Tells whether an order of this nonce was carried out."""
    return bool(await connection.fetchval(_NONCES, nonce))


async def adopt(connection: DriverConnection, number: int, nonce: str, kept: Kept) -> None:
    """Keeps a table, in the caller's transaction."""
    await connection.execute(_ADOPT, number, nonce, kept.note, kept.body)


async def used_on(connection: DriverConnection, day: date) -> dict[tuple[str, str], int]:
    """Returns how many residents each body asked about for each affair on a day of Japan."""
    return {(row[0], row[1]): row[2] for row in await connection.fetch(_USED, day)}


async def add_use(lane: Lane, day: date, counts: Mapping[tuple[str, str], int]) -> None:
    """Adds to what was asked on a day, by body and affair, in the caller's transaction."""
    statement = await lane.prepared(_USE)
    bodies, affairs = [body for body, _ in counts], [affair for _, affair in counts]
    await statement.fetch(day, bodies, affairs, list(counts.values()))
