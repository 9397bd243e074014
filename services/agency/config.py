"""What an operator may set for the agency."""

from __future__ import annotations

from dataclasses import dataclass

from services.confirmation.settings import ConfirmingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ConfirmingConfig):
    """Settings of the agency, one field a key of its TOML file."""
