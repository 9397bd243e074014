"""Which reply a request had, so that repeating the request repeats the reply and not the act."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from services.foundation.db.engine import raw
from services.foundation.db.grants import grant_table
from services.foundation.refusals import RequestIdReused

_TABLE = """
CREATE TABLE public.stored_reply (
    caller text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL,
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    reply bytea,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, method, request_id)
)
"""
# A second transaction with the same key waits here until the first ends: then it finds the row, or inserts its own.
_CLAIM = """
INSERT INTO public.stored_reply (caller, method, request_id, request_hash) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true
"""
_FIND = """
SELECT request_hash, reply FROM public.stored_reply WHERE caller = $1 AND method = $2 AND request_id = $3
"""
_STORE = """
UPDATE public.stored_reply SET reply = $4
WHERE caller = $1 AND method = $2 AND request_id = $3 AND reply IS NULL RETURNING true
"""


def create_replies(execute: Callable[[str], object], app_role: str) -> None:
    """Creates the table of stored replies; `execute` is Alembic's `op.execute`, run by the owner."""
    execute(_TABLE)
    grant_table(execute, "stored_reply", app_role, ("SELECT", "INSERT", "UPDATE (reply)"))


async def stored_reply(
    connection: AsyncConnection, caller: str, method: str, request_id: str, request: bytes
) -> bytes | None:
    """Returns the reply that this request had, or None for the first one, which must then call `store_reply`.

    Both happen in the transaction of the act. Of two at once the second waits for the first to commit, and gets its
    reply; if the first fails, the second goes ahead. `request` is the serialized request; refuses REQUEST_ID_REUSED
    when the same caller used the id with the same method for another.
    """
    driver = await raw(connection)
    request_hash = hashlib.sha256(request).digest()
    if await driver.fetchval(_CLAIM, caller, method, request_id, request_hash):
        return None
    row = await driver.fetchrow(_FIND, caller, method, request_id)
    if row is None:
        raise RuntimeError("a reply vanished between two statements: nothing deletes replies of requests under way")
    if row["request_hash"] != request_hash:
        raise RequestIdReused("draw a new request id for a new request", method=method)
    if row["reply"] is None:
        raise RuntimeError(f"{method} committed without storing its reply, or asked twice in one transaction")
    return bytes(row["reply"])


async def find_reply(
    connection: AsyncConnection, caller: str, method: str, request_id: str, request: bytes
) -> bytes | None:
    """Returns the reply that this request had, or None, without claiming the request.

    For acts on something outside the database, which come before the transaction that stores their reply; what keeps
    two of them apart is the caller's. Refuses REQUEST_ID_REUSED as `stored_reply` does.
    """
    row = await (await raw(connection)).fetchrow(_FIND, caller, method, request_id)
    if row is None:
        return None
    if row["request_hash"] != hashlib.sha256(request).digest():
        raise RequestIdReused("draw a new request id for a new request", method=method)
    return bytes(row["reply"])


async def store_reply(connection: AsyncConnection, caller: str, method: str, request_id: str, reply: bytes) -> None:
    """Stores the serialized `reply` of a request for which `stored_reply` answered None in this transaction."""
    driver = await raw(connection)
    if not await driver.fetchval(_STORE, caller, method, request_id, reply):
        raise RuntimeError(f"{method} stores a reply that nobody claimed")
