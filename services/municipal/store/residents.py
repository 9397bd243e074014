"""The residents and households in PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.municipal import tables
from services.municipal.refusals import RecordChanged
from services.municipal.rules.entry import identity
from services.municipal.rules.record import Record, State
from services.municipal.rules.search import Search
from services.municipal.rules.situation import Decision, Household, Situation
from services.municipal.store.rows import (
    household_of,
    household_revision_values,
    household_values,
    record_of,
    resident_values,
    revision_values,
)
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.resident_code import ResidentCode

_RESIDENT, _ROW = tables.resident, tables.resident_revision
_HOUSEHOLD = tables.household
_CODES = tables.resident_code_history

_NEWEST = select(_ROW).join_from(
    _RESIDENT, _ROW, and_(_ROW.c.resident == _RESIDENT.c.id, _ROW.c.number == _RESIDENT.c.revision)
)


class PostgresResidents:
    """Residents and households, inside the caller's transaction.

    Whoever acts holds the rows of all households concerned, taken in the order of their ids; so acts on one household
    come one after another and never wait for each other in a ring.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def hold(self, residents: Collection[UUID], households: Collection[UUID] = ()) -> Situation:
        """Locks households with all they contain, as `Residents.hold` says."""
        wanted = set(households)
        if not wanted and not residents:
            return Situation({})
        if residents:
            found = await self._connection.execute(
                select(_RESIDENT.c.household).where(_RESIDENT.c.id.in_(set(residents)))
            )
            wanted.update(found.scalars())
        held = await self._lock(wanted)
        rows = await self._records(
            _NEWEST.where(
                or_(
                    _RESIDENT.c.id.in_(set(residents)),
                    and_(_RESIDENT.c.household.in_(wanted), _RESIDENT.c.state == State.LIVE.value),
                )
            )
        )
        records = {record.resident: record for record in rows}
        if any(record.household not in held for record in records.values()):
            raise RecordChanged("read the record again and decide anew")
        return Situation(records, held)

    async def holders(self, codes: Collection[ResidentCode]) -> Mapping[ResidentCode, UUID]:
        """Returns who has, or had, each of `codes` here."""
        if not codes:
            return {}
        rows = await self._connection.execute(
            select(_CODES.c.resident_code, _CODES.c.resident).where(
                _CODES.c.resident_code.in_([code.digits for code in codes])
            )
        )
        return {ResidentCode(digits): resident for digits, resident in rows}

    async def claim_identity(self, attributes: FourAttributes) -> UUID | None:
        """Locks an identity until the transaction ends, and returns a live record that has it."""
        name, born, sex, address = identity(attributes)
        digest = hashlib.sha256(json.dumps([name, born, sex, address]).encode()).digest()
        await self._connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], signed=True))))
        found: UUID | None = await self._connection.scalar(
            select(_RESIDENT.c.id).where(
                _RESIDENT.c.name_folded == name,
                _RESIDENT.c.birth_date == born,
                _RESIDENT.c.sex == sex,
                _RESIDENT.c.address_folded == address,
                _RESIDENT.c.state == State.LIVE.value,
            )
        )
        return found

    async def of_act(self, act: UUID) -> Sequence[UUID]:
        """Returns the residents in whose history the act wrote a row."""
        rows = await self._connection.execute(select(_ROW.c.resident).where(_ROW.c.act == act).distinct())
        return rows.scalars().all()

    async def row(self, resident: UUID, number: int) -> Record | None:
        """Returns one row of a history."""
        rows = await self._records(select(_ROW).where(_ROW.c.resident == resident, _ROW.c.number == number))
        return rows[0] if rows else None

    async def write(self, decision: Decision) -> None:
        """Adds the rows of a decision, households first, since residents refer to them."""
        for household in decision.households:
            await self._put(_HOUSEHOLD, household_values(household))
        if decision.households:
            rows = [household_revision_values(household) for household in decision.households]
            await self._connection.execute(insert(tables.household_revision), rows)
        for change in decision.changes:
            await self._put(_RESIDENT, resident_values(change.after))
        after = [change.after for change in decision.changes]
        await self._connection.execute(insert(_ROW), [revision_values(record) for record in after])
        new_codes = [
            {"resident_code": record.code.digits, "resident": record.resident, "since": record.stamp.processed_at}
            for record, before in ((change.after, change.before) for change in decision.changes)
            if before is None or before.code != record.code
        ]
        if new_codes:
            await self._connection.execute(insert(_CODES), new_codes)

    async def find(self, resident: UUID) -> Record | None:
        """Returns a resident's newest row."""
        rows = await self._records(_NEWEST.where(_RESIDENT.c.id == resident))
        return rows[0] if rows else None

    async def search(self, search: Search, after: UUID | None, limit: int) -> Sequence[Record]:
        """Returns the newest rows that match, by reading and id, those after the resident `after` only."""
        place = tuple_(_RESIDENT.c.kana_folded, _RESIDENT.c.id)
        query = _NEWEST.where(*_conditions(search)).order_by(_RESIDENT.c.kana_folded, _RESIDENT.c.id).limit(limit)
        if after is not None:
            other = _RESIDENT.alias()
            query = query.where(
                place > select(other.c.kana_folded, other.c.id).where(other.c.id == after).scalar_subquery()
            )
        return await self._records(query)

    async def history(self, resident: UUID, below: int | None, limit: int) -> Sequence[Record]:
        """Returns a resident's rows, newest first, those below number `below` only."""
        query = select(_ROW).where(_ROW.c.resident == resident).order_by(_ROW.c.number.desc()).limit(limit)
        return await self._records(query if below is None else query.where(_ROW.c.number < below))

    async def household(self, household: UUID) -> tuple[Household, Sequence[Record]] | None:
        """Returns a household with its live members, the head first."""
        rows = await self._connection.execute(select(_HOUSEHOLD).where(_HOUSEHOLD.c.id == household))
        row = rows.mappings().first()
        if row is None:
            return None
        live = and_(_RESIDENT.c.household == household, _RESIDENT.c.state == State.LIVE.value)
        found = household_of(row)
        records = {record.resident: record for record in await self._records(_NEWEST.where(live))}
        return found, Situation(records, {household: found}).members(household)

    async def _lock(self, households: Collection[UUID]) -> dict[UUID, Household]:
        rows = await self._connection.execute(
            select(_HOUSEHOLD).where(_HOUSEHOLD.c.id.in_(households)).order_by(_HOUSEHOLD.c.id).with_for_update()
        )
        return {row["id"]: household_of(row) for row in rows.mappings()}

    async def _records(self, query: Select[Any]) -> list[Record]:
        return [record_of(row) for row in (await self._connection.execute(query)).mappings()]

    async def _put(self, table: Any, values: dict[str, Any]) -> None:
        """Inserts the first row of a thing, or updates the row before it; refuses RECORD_CHANGED."""
        first = values["revision"] == 1
        if first:
            await self._connection.execute(insert(table), values)
            return
        before = and_(table.c.id == bindparam("of"), table.c.revision == bindparam("before"))
        done = await self._connection.execute(
            update(table).where(before).values({name: bindparam(f"new_{name}") for name in values if name != "id"}),
            {"of": values["id"], "before": values["revision"] - 1}
            | {f"new_{name}": value for name, value in values.items() if name != "id"},
        )
        if done.rowcount != 1:
            raise RecordChanged("read the record again and decide anew")


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if search.code is not None:
        holder = select(_CODES.c.resident).where(_CODES.c.resident_code == search.code.digits)
        conditions.append(_RESIDENT.c.id.in_(holder))
    if search.name:
        names = (_RESIDENT.c.name_folded, _RESIDENT.c.kana_folded)
        conditions.append(or_(*(name.startswith(search.name, autoescape=True) for name in names)))
    if search.address:
        conditions.append(_RESIDENT.c.address_folded.startswith(search.address, autoescape=True))
    if search.born is not None:
        # The ISO form of what is known is the beginning of every date that agrees with it.
        conditions.append(_RESIDENT.c.birth_date.startswith(search.born.iso()))
    if search.sex is not None:
        conditions.append(_RESIDENT.c.sex == int(search.sex))
    if not search.include_removed:
        conditions.append(_RESIDENT.c.state == State.LIVE.value)
    return conditions
