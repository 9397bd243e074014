"""What an operator may set for a card node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.foundation.settings import NodeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(NodeConfig):
    """Settings of a card node, one field a key of its TOML file."""

    readers: str = "embedded"
    """What the readers are: `pcsc` for those of the machine's card service, `embedded` for software cards in files."""

    state: Path
    """Directory of the embedded readers and their cards, private to the node; unused with `pcsc`."""

    embedded_readers: int = 2
    """How many embedded readers there are."""

    idle_seconds: float = 120.0
    """Time without a call after which a session with a card ends."""

    card_seconds: float = 30.0
    """Longest time for one piece of work on a card; making an RSA key takes a real card several seconds."""

    pkcs11_module: str = ""
    """Path of the PKCS #11 module of the issuer's token; empty for a node that only reads cards."""

    pkcs11_token: str = "juki-issuer"  # noqa: S105 - the token's label, no secret
    """Label of the issuer's token."""

    pkcs11_pin: Path = Path("issuer.pin")
    """File with the PIN of the issuer's token, readable by the node alone; relative to `keys`."""
