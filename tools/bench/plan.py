"""How long and how much a run measures; everything in it is bounded."""

from __future__ import annotations

from dataclasses import dataclass

IN_FLIGHT = (1, 16, 128)
"""How many questions are under way at once in each look-up measurement."""
BATCH = 500
"""Residents in one batch of a bulk confirmation."""
HOUSEHOLD = 10
"""Residents, and so events, in one act while a neighbour is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sizes of one run."""

    records: int
    """Synthetic records that the agency holds."""
    rounds: int
    """How often everything is measured, one thing after the other in each round; figures are medians of the rounds."""
    slot_seconds: int
    """How long one rate is measured."""
    warm_seconds: float
    """How long the same load runs before it, unmeasured."""
    bulk: int
    """Residents in one bulk confirmation."""
    steady_acts: int
    """Acts, one resident each, whose way to the agency is timed in one round."""
    steady_interval: float
    """Seconds from one such act to the next."""
    backlog: int
    """Events that queue in one round while the agency is down."""


def full(records: int) -> Plan:
    """Returns the plan of a run of some three minutes."""
    return Plan(
        records=records,
        rounds=3,
        slot_seconds=2,
        warm_seconds=0.3,
        bulk=min(records, 100_000),
        steady_acts=100,
        steady_interval=0.03,
        backlog=2_000,
    )


def quick(records: int) -> Plan:
    """Returns the plan of a run of less than a minute, to see whether everything works."""
    return Plan(
        records=min(records, 100_000),
        rounds=1,
        slot_seconds=1,
        warm_seconds=0.2,
        bulk=min(records, 20_000),
        steady_acts=30,
        steady_interval=0.03,
        backlog=500,
    )
