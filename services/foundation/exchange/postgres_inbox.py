"""What was received, kept in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import asyncpg

from services.foundation.db.engine import DriverConnection
from services.foundation.exchange.inbox_store import InboxRow
from services.foundation.exchange.refusals import NOT_KEPT, Evidence
from services.foundation.exchange.rules import Cursor, State
from services.foundation.exchange.signers import StoredSigner

# One receiving transaction at a time: else an envelope could be quarantined for a key that another transaction makes
# true at the same moment, and neither would see the other. Verification, the costly part, happens outside.
_LOCK = "SELECT pg_advisory_xact_lock(7738151096083641188)"
_CURSOR = "SELECT sequence, hash FROM public.inbox_cursor WHERE sender = $1"
_MOVE_CURSOR = """
INSERT INTO public.inbox_cursor (sender, sequence, hash) VALUES ($1, $2, $3)
ON CONFLICT (sender) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash, moved_at = now()
"""
_KEPT = "SELECT sequence, body_hash FROM public.inbox WHERE sender = $1 AND sequence = ANY($2::bigint[])"
_RELAYED = """
SELECT origin_sender, origin_sequence, origin_hash FROM public.inbox
WHERE (origin_sender, origin_sequence) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))
  AND origin_sender <> sender AND reason <> ALL($3::text[])
"""
_HELD_PLACES = """
SELECT line, place FROM public.inbox
WHERE sender = $1 AND line = ANY($2::text[]) AND state IN ('QUARANTINED', 'WAITING')
"""
_COLUMNS = """sender, sequence, envelope, body_hash, origin_sender, origin_sequence, origin_hash, line, place, state,
reason, wait_key, traceparent"""
_HELD_IN_LINE = f"""
SELECT {_COLUMNS} FROM public.inbox
WHERE sender = $1 AND line = $2 AND state IN ('QUARANTINED', 'WAITING') ORDER BY place, sequence
"""  # noqa: S608 - built of constants
_FIND = f"SELECT {_COLUMNS} FROM public.inbox WHERE sender = $1 AND sequence = $2"  # noqa: S608 - built of constants
_WAITING_FOR = f"""
SELECT {_COLUMNS} FROM public.inbox
WHERE state = 'QUARANTINED' AND wait_key <> '' AND wait_key = ANY($1::text[]) ORDER BY received_at, sender, sequence
"""  # noqa: S608 - built of constants
_ADD = f"""
INSERT INTO public.inbox ({_COLUMNS})
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[], $6::bigint[], $7::bytea[],
                     $8::text[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[])
"""  # noqa: S608 - built of constants
_SETTLE = """
UPDATE public.inbox SET place = $3, state = $4, reason = $5, wait_key = $6 WHERE sender = $1 AND sequence = $2
"""
_ALARM = """
INSERT INTO public.exchange_alarm (reason, sender, sequence, kept_hash, refused_hash) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
_SIGNERS = "SELECT hash, node, certificate, issuer FROM public.exchange_signer WHERE hash = ANY($1::bytea[])"
_ADD_SIGNERS = """
INSERT INTO public.exchange_signer (hash, node, certificate, issuer)
SELECT * FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[]) ON CONFLICT DO NOTHING
"""


class PostgresInboxStore:
    """One transaction on what was received, on the driver connection of that transaction."""

    def __init__(self, driver: DriverConnection) -> None:
        self._driver = driver

    async def lock(self) -> None:
        """Keeps every other receiving transaction of this node waiting until this one ends."""
        await self._driver.execute(_LOCK)

    async def cursor(self, sender: str) -> Cursor:
        """Returns how far the sender's stream was received."""
        row = await self._driver.fetchrow(_CURSOR, sender)
        return Cursor() if row is None else Cursor(row["sequence"], row["hash"])

    async def move_cursor(self, sender: str, cursor: Cursor) -> None:
        """Sets how far the sender's stream was received."""
        await self._driver.execute(_MOVE_CURSOR, sender, cursor.sequence, cursor.hash)

    async def kept_hashes(self, sender: str, sequences: Sequence[int]) -> Mapping[int, bytes]:
        """Returns the hashes of the bodies received at these sequences."""
        rows = await self._driver.fetch(_KEPT, sender, sequences)
        return {row["sequence"]: row["body_hash"] for row in rows}

    async def relayed_hashes(self, origins: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], bytes]:
        """Returns the hashes of the bodies received, inside others, of these origins at these of their sequences."""
        senders, sequences = [sender for sender, _ in origins], [sequence for _, sequence in origins]
        rows = await self._driver.fetch(_RELAYED, senders, sequences, NOT_KEPT)
        return {(row["origin_sender"], row["origin_sequence"]): row["origin_hash"] for row in rows}

    async def held_places(self, sender: str, lines: Sequence[str]) -> Mapping[str, list[int]]:
        """Returns, for each of these lines that is held, the places of its quarantined and waiting envelopes."""
        places: dict[str, list[int]] = {}
        for row in await self._driver.fetch(_HELD_PLACES, sender, lines):
            places.setdefault(row["line"], []).append(row["place"])
        return places

    async def held_in_line(self, sender: str, line: str) -> Sequence[InboxRow]:
        """Returns the quarantined and waiting envelopes of a line, in the order of their places."""
        return [_row(row) for row in await self._driver.fetch(_HELD_IN_LINE, sender, line)]

    async def find(self, sender: str, sequence: int) -> InboxRow | None:
        """Returns what was received at this place of the sender's stream."""
        row = await self._driver.fetchrow(_FIND, sender, sequence)
        return None if row is None else _row(row)

    async def waiting_for(self, keys: Sequence[str]) -> Sequence[InboxRow]:
        """Returns the quarantined envelopes of any sender that wait for one of these keys, first received first."""
        return [_row(row) for row in await self._driver.fetch(_WAITING_FOR, keys)]

    async def add(self, rows: Sequence[InboxRow]) -> None:
        """Keeps newly received envelopes."""
        columns = zip(*(_values(row) for row in rows), strict=True)
        await self._driver.execute(_ADD, *(list(column) for column in columns))

    async def settle(self, rows: Sequence[InboxRow]) -> None:
        """Writes place, state, reason and wait key of envelopes that were kept before."""
        for row in rows:
            await self._driver.execute(
                _SETTLE, row.sender, row.sequence, row.place, row.state.value, row.reason, row.wait_key
            )

    async def raise_alarm(self, evidence: Evidence) -> None:
        """Keeps an alarm; the same one is kept once."""
        await self._driver.execute(
            _ALARM, evidence.reason, evidence.sender, evidence.sequence, evidence.kept_hash, evidence.refused_hash
        )

    async def signers(self, hashes: Sequence[bytes]) -> Mapping[bytes, StoredSigner]:
        """Returns the signing certificates kept, by the SHA-256 of the certificate."""
        rows = await self._driver.fetch(_SIGNERS, hashes)
        return {row["hash"]: StoredSigner(row["node"], row["certificate"], row["issuer"]) for row in rows}

    async def add_signers(self, signers: Mapping[bytes, StoredSigner]) -> None:
        """Keeps signing certificates; those already kept stay as they are."""
        kept = signers.values()
        await self._driver.execute(
            _ADD_SIGNERS,
            list(signers),
            [each.node for each in kept],
            [each.certificate for each in kept],
            [each.issuer for each in kept],
        )


def _values(row: InboxRow) -> tuple[object, ...]:
    return (
        row.sender,
        row.sequence,
        row.envelope,
        row.body_hash,
        row.origin_sender,
        row.origin_sequence,
        row.origin_hash,
        row.line,
        row.place,
        row.state.value,
        row.reason,
        row.wait_key,
        row.traceparent,
    )


def _row(row: asyncpg.Record) -> InboxRow:
    return InboxRow(**{**row, "state": State(row["state"])})
