"""Where allotted codes are kept."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.agency.refusals import CodeSpaceCrowded
from services.agency.rules.allotment import draw
from services.agency.tables import allotted_code
from services.vocabulary.resident_code import ResidentCode

_ROUNDS = 20
"""Draws before the space counts as crowded: twenty in a row that all miss mean that nearly no code is free."""


class CodePool(Protocol):
    """The codes that have been allotted."""

    async def claim(self, codes: Sequence[ResidentCode], municipality: str) -> list[ResidentCode]:
        """Allots those of `codes` that nobody has, and returns them."""
        ...


class PostgresCodePool:
    """The pool in the agency's database, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, codes: Sequence[ResidentCode], municipality: str) -> list[ResidentCode]:
        """Allots those of `codes` that nobody has, and returns them."""
        rows = [{"resident_code": code.digits, "municipality": municipality} for code in codes]
        claimed = await self._connection.execute(
            insert(allotted_code).values(rows).on_conflict_do_nothing().returning(allotted_code.c.resident_code)
        )
        return [ResidentCode(digits) for digits in claimed.scalars()]


async def allot(pool: CodePool, municipality: str, count: int, source: random.Random) -> list[ResidentCode]:
    """Draws until `count` free codes are claimed; refuses CODE_SPACE_CROWDED when that takes too long."""
    claimed: list[ResidentCode] = []
    for _ in range(_ROUNDS):
        claimed += await pool.claim(draw(count - len(claimed), source), municipality)
        if len(claimed) == count:
            return claimed
    raise CodeSpaceCrowded("tell the agency's operator: the space of resident codes is nearly used up")
