"""What is known of the pool of resident codes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """How many codes are left to draw, and how many were drawn."""

    free: int
    drawn: int


@dataclass(frozen=True, slots=True)
class Allotment:
    """Codes that the agency was, or is about to be, asked for under a request id."""

    request_id: UUID
    count: int
