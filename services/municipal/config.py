"""What an operator may set for a municipality."""

from __future__ import annotations

from dataclasses import dataclass

from services.foundation.settings import NodeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(NodeConfig):
    """Settings of a municipality, one field a key of its TOML file."""

    agency: str = "agency/national"
    """Short name of the agency's node, which allots resident codes."""

    code_pool_low: int = 500
    """Count of undrawn resident codes below which more are asked for and the operator is warned."""

    code_pool_batch: int = 2000
    """How many resident codes are asked for at a time, 1 to 10,000."""

    code_pool_seconds: float = 1.0
    """How often the count of undrawn codes is looked at."""

    move_out_days_ahead: int = 60
    """How many days before its day a move-out is taken notice of."""
