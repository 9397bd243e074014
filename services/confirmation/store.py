"""Where identity-confirmation information is kept, and the few statements by which it is found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol

import asyncpg

from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.ledger import Ledger, Rename
from services.confirmation.rules.matching import Candidate
from services.confirmation.rules.record import Held, Record, State, standing_on
from services.foundation.clock import Clock, SystemClock
from services.foundation.db.engine import Lane
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason

CANDIDATES_LIMIT = 20
"""Most candidates looked at for one question by attributes: more namesakes born on one day cannot be told apart."""

_WRITERS = 0x6A756B69_6964656E  # "jukiiden"

_COLUMNS = (
    "r.resident_code, r.name, r.name_folded, r.birth_date, r.sex, r.address, r.address_folded, r.municipality_code, "
    "r.state, r.entered_at, r.last_reason, r.last_event_date, r.open_elsewhere"
)
_BY_CODES = f"SELECT {_COLUMNS} FROM public.identity_record r WHERE r.resident_code = ANY($1::text[])"  # noqa: S608 - a constant
_GIVEN_UP = "SELECT former_code FROM public.identity_alias WHERE former_code = ANY($1::text[])"
_ALIASES = """
WITH RECURSIVE chain AS (
    SELECT former_code, present_code FROM public.identity_alias WHERE former_code = ANY($1::text[])
    UNION
    SELECT a.former_code, a.present_code FROM public.identity_alias a JOIN chain c ON a.former_code = c.present_code
)
SELECT former_code, present_code FROM chain
"""
_CANDIDATES = f"""
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::smallint[], $3::text[], $4::text[])
        WITH ORDINALITY AS asked (birth_date, sex, name_folded, address_folded, place)
), named AS (
    SELECT a.place, r.resident_code, false AS formerly
    FROM asked a CROSS JOIN LATERAL (
        SELECT r.resident_code FROM public.identity_record r
        WHERE r.birth_date = a.birth_date AND r.sex = a.sex AND r.name_folded = a.name_folded
        ORDER BY r.address_folded <> a.address_folded LIMIT {CANDIDATES_LIMIT}
    ) r
    UNION ALL
    SELECT a.place, f.resident_code, true AS formerly
    FROM asked a CROSS JOIN LATERAL (
        SELECT f.resident_code FROM public.identity_former f
        JOIN public.identity_record r USING (resident_code)
        WHERE f.name_folded = a.name_folded AND f.address_folded = a.address_folded
            AND r.birth_date = a.birth_date AND r.sex = a.sex
        LIMIT {CANDIDATES_LIMIT}
    ) f
), found AS (
    SELECT place, resident_code, bool_or(formerly) AS formerly FROM named GROUP BY place, resident_code
)
SELECT found.place, found.formerly, {_COLUMNS} FROM found JOIN public.identity_record r USING (resident_code)
ORDER BY found.place, resident_code
"""  # noqa: S608 - constants
_CHANGES = """
SELECT c.position, c.resident_code, c.reason, c.event_date, c.items FROM public.identity_change c
WHERE c.resident_code = ANY($1::text[]) AND c.position > $2 ORDER BY c.position LIMIT $3
"""
_UPSERT = """
INSERT INTO public.identity_record AS r (
    resident_code, name, name_folded, birth_date, sex, address, address_folded, municipality_code, state, entered_at,
    last_reason, last_event_date, open_elsewhere, position
)
SELECT g.a, g.b, g.c, g.d, g.e, g.f, g.g, g.h, g.i, g.j, g.k, g.l, string_to_array(g.m, ','), $14
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::timestamptz[], $11::text[], $12::text[], $13::text[]
) AS g (a, b, c, d, e, f, g, h, i, j, k, l, m)
ON CONFLICT (resident_code) DO UPDATE SET
    name = excluded.name, name_folded = excluded.name_folded, birth_date = excluded.birth_date, sex = excluded.sex,
    address = excluded.address, address_folded = excluded.address_folded,
    municipality_code = excluded.municipality_code, state = excluded.state, entered_at = excluded.entered_at,
    last_reason = excluded.last_reason, last_event_date = excluded.last_event_date,
    open_elsewhere = excluded.open_elsewhere, position = excluded.position
"""
_ADD_CHANGES = """
INSERT INTO public.identity_change (position, resident_code, reason, event_date, items)
SELECT $1 + place, code, reason, event_date, string_to_array(items, ',')
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])
    WITH ORDINALITY AS g (code, reason, event_date, items, place)
"""
_ADD_FORMERS = """
INSERT INTO public.identity_former (resident_code, name_folded, address_folded)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING
"""
_ADD_ALIASES = """
INSERT INTO public.identity_alias (former_code, present_code) SELECT * FROM unnest($1::text[], $2::text[])
"""
_MOVE_FORMERS = """
WITH moved AS (DELETE FROM public.identity_former WHERE resident_code = $1 RETURNING name_folded, address_folded)
INSERT INTO public.identity_former (resident_code, name_folded, address_folded)
SELECT $2, name_folded, address_folded FROM moved ON CONFLICT DO NOTHING
"""


# Calling an enumeration costs ten times as much as this, and a look-up does it twice a record.
_STATES = {state.value: state for state in State}
_REASONS = {reason.value: reason for reason in ChangeReason}


@dataclass(frozen=True, slots=True)
class ByCodes:
    """What is held under the codes that were asked for."""

    records: Mapping[str, Record]
    given_up: frozenset[str]
    """Asked codes without a record that a resident had before."""


class HistoryLine(NamedTuple):
    """One line of the change history."""

    position: int
    resident_code: str
    reason: str
    event_date: str
    items: list[str]


class LookUps(Protocol):
    """Finds records as they stand today, Japan's; several questions at a time."""

    async def by_codes(self, codes: Collection[str]) -> ByCodes:
        """Finds the records of these codes."""
        ...

    async def by_attributes(self, asked: Sequence[FourAttributes]) -> list[list[Candidate]]:
        """Finds, for each question, who has or had the name, with this date of birth and sex."""
        ...

    async def changes(self, codes: Collection[str], since: int, limit: int) -> list[HistoryLine]:
        """Lists at most `limit` lines of these codes' histories after the position `since`, in order."""
        ...


class Changes(Protocol):
    """Loads what a batch of changes is about and writes what it came to, in one transaction, no two at once."""

    async def load(self, codes: Collection[str]) -> Ledger:
        """Waits for other writers, and loads the records of these codes and of those that followed them."""
        ...

    async def write(self, ledger: Ledger) -> None:
        """Writes what the ledger changed."""
        ...


class PostgresLookUps:
    """Look-ups through one held connection and its prepared statements."""

    def __init__(self, lane: Lane, clock: Clock | None = None) -> None:
        self._lane = lane
        self._clock = clock or SystemClock()

    async def by_codes(self, codes: Collection[str]) -> ByCodes:
        """Finds the records of these codes."""
        # Sorted keys walk the index in order: 1.5 times as many a second.
        keys = sorted(set(codes))
        rows = await self._fetch(_BY_CODES, keys)
        today = self._today()
        records = {row[0]: standing_on(_record(row), today) for row in rows}
        unknown = [key for key in keys if key not in records]
        given_up = await self._fetch(_GIVEN_UP, unknown) if unknown else []
        return ByCodes(records, frozenset(row[0] for row in given_up))

    async def by_attributes(self, asked: Sequence[FourAttributes]) -> list[list[Candidate]]:
        """Finds, for each question, who has or had the name, with this date of birth and sex."""
        rows = await self._fetch(
            _CANDIDATES,
            [one.birth_date.iso() for one in asked],
            [int(one.sex) for one in asked],
            [one.name.folded for one in asked],
            [one.address.folded for one in asked],
        )
        candidates: list[list[Candidate]] = [[] for _ in asked]
        today = self._today()
        for row in rows:
            record = standing_on(_record(row, 2), today)
            candidates[row[0] - 1].append(Candidate(record, formerly=row[1]))
        return candidates

    async def changes(self, codes: Collection[str], since: int, limit: int) -> list[HistoryLine]:
        """Lists at most `limit` lines of these codes' histories after the position `since`, in order."""
        return [HistoryLine(*row) for row in await self._fetch(_CHANGES, sorted(set(codes)), since, limit)]

    def _today(self) -> date:
        return self._clock.now().astimezone(JAPAN).date()

    async def _fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        statement = await self._lane.prepared(sql)
        return await statement.fetch(*arguments)


class PostgresChanges:
    """Changes inside the caller's transaction on this driver connection."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def load(self, codes: Collection[str]) -> Ledger:
        """Waits for other writers, and loads the records of these codes and of those that followed them."""
        # Held until the commit. Two municipalities may report the same resident at once, also one that has no row yet
        # to lock; and positions must follow the order of commits, or a reader would skip what commits late.
        await self._connection.execute("SELECT pg_advisory_xact_lock($1)", _WRITERS)
        aliases = {row[0]: row[1] for row in await self._connection.fetch(_ALIASES, sorted(codes))}
        keys = sorted({*codes, *aliases.values()})
        rows = await self._connection.fetch(_BY_CODES, keys)
        return Ledger({row[0]: _record(row) for row in rows}, aliases)

    async def write(self, ledger: Ledger) -> None:
        """Writes what the ledger changed."""
        if not ledger.rows:
            return
        last: int = await self._connection.fetchval("SELECT coalesce(max(position), 0) FROM public.identity_change")
        await self._rename(ledger.renames)
        await self._write_records([ledger.records[code] for code in sorted(ledger.changed)], last + len(ledger.rows))
        await self._connection.execute(
            _ADD_CHANGES,
            last,
            [row.resident_code for row in ledger.rows],
            [row.reason.value for row in ledger.rows],
            [row.event_date for row in ledger.rows],
            [",".join(row.items) for row in ledger.rows],
        )
        formers = [(code, pair) for code, pairs in ledger.formers.items() for pair in pairs]
        if formers:
            await self._connection.execute(
                _ADD_FORMERS,
                [code for code, _ in formers],
                [pair.name_folded for _, pair in formers],
                [pair.address_folded for _, pair in formers],
            )

    async def _rename(self, renames: Sequence[Rename]) -> None:
        if not renames:
            return
        given_up = [one.former for one in renames]
        await self._connection.execute(_ADD_ALIASES, given_up, [one.following for one in renames])
        await self._connection.execute("DELETE FROM public.identity_record WHERE resident_code = ANY($1)", given_up)
        for one in renames:
            await self._connection.execute(_MOVE_FORMERS, one.former, one.present)

    async def _write_records(self, records: Sequence[Record], position: int) -> None:
        await self._connection.execute(
            _UPSERT,
            [record.resident_code for record in records],
            *(list(column) for column in zip(*(record.held for record in records), strict=True)),
            [record.municipality_code for record in records],
            [record.state.value for record in records],
            [record.entered_at for record in records],
            [record.last_reason.value for record in records],
            [record.last_event_date for record in records],
            [",".join(sorted(record.open_elsewhere)) for record in records],
            position,
        )


def _record(row: asyncpg.Record, start: int = 0) -> Record:
    code, *values = row[start:]
    return Record(
        code,
        Held(*values[:6]),
        values[6],
        _STATES[values[7]],
        values[8],
        _REASONS[values[9]],
        values[10],
        frozenset(values[11]),
    )
