"""What a run came to, as JSON: medians, ratios, every round, and what it was measured on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tools.bench.figures import Rate, spread
from tools.bench.plan import IN_FLIGHT, Plan
from tools.bench.run import PGBENCH_DURABLE, PGBENCH_READ, Found

NOTE = (
    "Load, nodes and PostgreSQL share the machine. Absolute figures drift from run to run and from machine to machine; "
    "the ratios, taken between neighbours of the same rounds, are what may be quoted."
)

RATIOS = {
    **{f"look-up / echo, {number} in flight": (f"confirm/{number}", f"echo/{number}") for number in IN_FLIGHT},
    "look-up, 16 in flight / pgbench -S": ("confirm/16", f"pgbench -S/{PGBENCH_READ}"),
    **{
        f"look-up / pgbench SELECT + INSERT, {clients}": (f"confirm/{clients}", f"pgbench durable/{clients}")
        for clients in PGBENCH_DURABLE
    },
    "bulk / SQL alone": ("bulk", "bulk floor"),
}
"""What is divided by what, round by round."""


def ratios(found: Found) -> dict[str, list[float]]:
    """Returns each ratio in each round."""
    return {
        name: [
            above.per_second / below.per_second
            for above, below in zip(found.rates[upper], found.rates[lower], strict=True)
        ]
        for name, (upper, lower) in RATIOS.items()
    }


def result(found: Found, plan: Plan, environment: Mapping[str, object]) -> dict[str, Any]:
    """Returns the whole of a run, ready for JSON."""
    values: dict[str, Any] = {
        "note": NOTE,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment,
        "plan": dataclasses.asdict(plan),
        "medians": {key: _medians(rates) for key, rates in found.rates.items()}
        | {
            "propagation": _medians_of(found.steady),
            "drain": _medians_of(found.drains),
        },
        "ratios": {name: dataclasses.asdict(spread(each)) for name, each in ratios(found).items()},
        "ed25519_per_second_of_one_core": {"sign": found.sign_per_second, "verify": found.verify_per_second},
        "start_seconds": found.starts,
        "memory_mib": {"idle": found.memory_idle, "after_the_load": found.memory},
        "seconds_until_the_checkpoint_covered_the_log": found.publishing_seconds,
        "evidence": dataclasses.asdict(found.evidence) if found.evidence else None,
        "rounds": {key: [dataclasses.asdict(rate) for rate in rates] for key, rates in found.rates.items()}
        | {
            "propagation": [dataclasses.asdict(one) for one in found.steady],
            "drain": [dataclasses.asdict(one) for one in found.drains],
        },
    }
    rounded: dict[str, Any] = _rounded(values)
    return rounded


def _medians(rates: Sequence[Rate]) -> dict[str, float]:
    names = "per_second", "p50_ms", "p99_ms", "server_cpu_us", "database_cpu_us"
    return {name: spread([getattr(rate, name) for rate in rates]).median for name in names}


def _medians_of(rounds: Sequence[Any]) -> dict[str, float]:
    names = [field.name for field in dataclasses.fields(rounds[0])]
    return {name: spread([getattr(one, name) for one in rounds]).median for name in names}


def _rounded(value: Any) -> Any:
    """Returns the value with its numbers at four digits; JSON has no NaN, which becomes null."""
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.4g}")
    return value
