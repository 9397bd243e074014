"""What an operator may set for a prefecture."""

from __future__ import annotations

from dataclasses import dataclass

from services.confirmation.settings import ConfirmingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ConfirmingConfig):
    """Settings of a prefecture, one field a key of its TOML file."""
