"""A PKCS #11 token for tests: SoftHSM2 in a directory of its own, with the issuer's keys made in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.card.issuer.token import TokenSettings

_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
_PIN, _LABEL = "24681357", "juki-issuer"


@dataclass(frozen=True)
class SoftToken:
    """A token that has been initialised."""

    settings: TokenSettings


def make_token(directory: Path) -> SoftToken:
    """Initialises a token; skips the test where SoftHSM2, or its Python side, is not installed.

    The library reads its configuration once in a process, so a process has one directory of tokens.
    """
    pytest.importorskip("pkcs11", reason="python-pkcs11 (extra `issuing`) is not installed")
    module = next((path for path in _MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed (Debian: softhsm2)")
    if "SOFTHSM2_CONF" not in os.environ:
        tokens = directory / "tokens"
        tokens.mkdir()
        configuration = directory / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(configuration)
    label = f"{_LABEL}-{os.urandom(4).hex()}"
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", _PIN[::-1], "--pin", _PIN],
        check=True,
        capture_output=True,
    )
    pin = directory / f"{label}.pin"
    pin.write_text(_PIN, "ascii")
    return SoftToken(TokenSettings(module, label, pin))
