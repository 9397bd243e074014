"""What is measured, as values, and how several measurements become one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast something went in one round."""

    per_second: float
    seconds: float
    """How long it was measured."""
    answers: int = 0
    """Answers that were received in all, those of the warm-up included."""
    p50_ms: float = math.nan
    p99_ms: float = math.nan
    server_cpu_us: float = math.nan
    """Processor time of the process that answered, for one answer."""
    database_cpu_us: float = math.nan
    """Processor time of all processes of PostgreSQL meanwhile, for one answer."""
    request_bytes: int = 0
    answer_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, and their ends."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Returns the median and the ends of what the rounds came to; raises ValueError when there are none."""
    if not values:
        raise ValueError("nothing was measured")
    return Spread(median(values), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the smallest value that at least this share of all does not exceed (nearest rank); NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
