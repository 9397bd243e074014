"""The pool of resident codes in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import and_, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from services.municipal.refusals import CodePoolEmpty
from services.municipal.rules.pool import Allotment, PoolCounts
from services.municipal.tables import code_allotment, code_pool, resident_code_history
from services.vocabulary.resident_code import ResidentCode

_UNDRAWN = code_pool.c.drawn_at.is_(None)
_FREE = and_(
    _UNDRAWN,
    # One that a resident brought along before it was allotted here never serves anybody else.
    ~exists().where(resident_code_history.c.resident_code == code_pool.c.resident_code),
)


class PostgresCodes:
    """The resident codes, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def unissued(self, codes: Collection[ResidentCode]) -> Collection[ResidentCode]:
        """Returns those of `codes` that lie in the pool, given out to nobody."""
        if not codes:
            return ()
        rows = await self._connection.execute(
            select(code_pool.c.resident_code).where(
                code_pool.c.resident_code.in_([code.digits for code in codes]), _FREE
            )
        )
        return {ResidentCode(digits) for digits in rows.scalars()}

    async def draw(self, count: int, at: datetime) -> Sequence[ResidentCode]:
        """Takes `count` codes at random for good; refuses CODE_POOL_EMPTY.

        Acts at the same time draw past each other. A code whose act fails goes back: nobody has seen it.
        """
        if not count:
            return ()
        next_ones = (
            select(code_pool.c.resident_code)
            .where(_FREE)
            .order_by(code_pool.c.draw_order)
            .limit(count)
            .with_for_update(skip_locked=True, of=code_pool)
            .cte("next_ones")  # as a subquery it might be run, and lock, more than once
        )
        rows = await self._connection.execute(
            update(code_pool)
            .where(code_pool.c.resident_code.in_(select(next_ones.c.resident_code)))
            .values(drawn_at=at)
            .returning(code_pool.c.resident_code)
        )
        drawn = [ResidentCode(digits) for digits in rows.scalars()]
        if len(drawn) < count:
            raise CodePoolEmpty("retry when the agency has allotted more codes; GetCodePool shows how many there are")
        return drawn

    async def counts(self) -> PoolCounts:
        """Counts the whole pool, which takes time when it is large."""
        row = (
            await self._connection.execute(
                select(func.count().filter(_FREE), func.count().filter(~_UNDRAWN)).select_from(code_pool)
            )
        ).one()
        return PoolCounts(row[0], row[1])

    async def free(self, most: int) -> int:
        """Counts undrawn codes, up to `most`."""
        some = select(code_pool.c.resident_code).where(_FREE).limit(most).subquery()
        return await self._connection.scalar(select(func.count()).select_from(some)) or 0

    async def open_allotment(self) -> Allotment | None:
        """Returns an allotment that was asked for and not yet received."""
        row = (
            await self._connection.execute(
                select(code_allotment.c.request_id, code_allotment.c.count)
                .where(~code_allotment.c.received)
                .order_by(code_allotment.c.asked_at)
                .limit(1)
            )
        ).first()
        return Allotment(row[0], row[1]) if row is not None else None

    async def ask(self, allotment: Allotment) -> None:
        """Notes an allotment before the agency is asked for it."""
        await self._connection.execute(
            insert(code_allotment), {"request_id": allotment.request_id, "count": allotment.count}
        )

    async def receive(self, allotment: Allotment, codes: Sequence[ResidentCode]) -> None:
        """Puts the codes of an allotment into the pool, but for residents', and closes it; again, it does nothing."""
        digits = [code.digits for code in codes]
        taken = await self._connection.scalars(
            select(resident_code_history.c.resident_code).where(resident_code_history.c.resident_code.in_(digits))
        )
        rows = [{"resident_code": one, "draw_order": uuid4()} for one in sorted(set(digits).difference(taken))]
        if rows:
            await self._connection.execute(insert_or_skip(code_pool).on_conflict_do_nothing(), rows)
        await self._connection.execute(
            update(code_allotment).where(code_allotment.c.request_id == allotment.request_id).values(received=True)
        )
