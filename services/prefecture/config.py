"""What an operator may set for a prefecture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.foundation.settings import NodeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(NodeConfig):
    """Settings of a prefecture, one field a key of its TOML file."""

    purposes: Path
    """Directory of the table of statutory affairs and grants."""
