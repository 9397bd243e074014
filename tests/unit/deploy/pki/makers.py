"""Settings and keys with good defaults."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from deploy.pki import profiles
from deploy.pki.certificates import Issuer, certify, self_sign
from deploy.pki.settings import CeremonySettings, parse_settings

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
SETTINGS_TEXT = (Path(__file__).parents[4] / "deploy/pki/ceremony.toml").read_text("utf-8")


def make_settings(*, development: bool = True) -> CeremonySettings:
    """The settings of the file that is shipped, for development or a deployment."""
    return parse_settings(SETTINGS_TEXT.replace("development = true", f"development = {str(development).lower()}"))


def make_root(settings: CeremonySettings) -> Issuer:
    """A root signed by a key of its own."""
    key = ec.generate_private_key(ec.SECP384R1())
    return Issuer(self_sign(profiles.root(settings), key, 1, NOW), key)


def make_authority(settings: CeremonySettings, label: str = "13") -> Issuer:
    """An issuing authority under a fresh root."""
    key = ec.generate_private_key(ec.SECP256R1())
    profile = profiles.issuing(settings, label)
    return Issuer(certify(profile, key.public_key(), make_root(settings), 2, NOW), key)
