"""What an operator may set alike for every node that confirms identities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.foundation.settings import NodeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmingConfig(NodeConfig):
    """Settings of a node that confirms identities, one field a key of its TOML file."""

    purposes: Path
    """Directory of the purposes table, `table.json`, and of the order to adopt it, `order.note`."""

    purposes_reload_seconds: float = 5.0
    """How often that directory is looked at for a newer table."""

    purposes_compare_seconds: float = 60.0
    """How often a prefecture compares its table with the agency's."""

    purposes_grace_seconds: float = 300.0
    """How long two tiers may hold different tables; then the node that is behind refuses confirmations."""

    pairwise_module: str = ""
    """Path of the PKCS #11 module that holds the key of the pairwise identifiers; empty, for development, for a key made of salt.key."""  # noqa: E501 - the catalogue takes it whole

    pairwise_token: str = "juki"  # noqa: S105 - the name of a token
    """Label of the token that holds it."""

    pairwise_pin: str = ""
    """File that holds the token's PIN."""

    pairwise_key_version: int = 1
    """Version of the key, `juki-ppid-<version>` in the token; with another come other identifiers."""
