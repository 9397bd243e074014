"""A PKCS #11 token for tests: SoftHSM2 in a directory of its own, with the issuer's keys made in it."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
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
_PIN = "24681357"


@dataclass(frozen=True)
class SoftToken:
    """A token that has been initialised."""

    settings: TokenSettings


def make_token() -> SoftToken:
    """Returns this process's token; skips the test where SoftHSM2, or its Python side, is not installed."""
    return _tokens()[0]


def empty_token() -> SoftToken:
    """Returns a token without keys; skips as `make_token` does."""
    return _tokens()[1]


def agency_token() -> SoftToken:
    """Returns a token of the agency's own; whoever logs in to a token does so for all who use it in the process."""
    return _tokens()[2]


@functools.cache
def _tokens() -> tuple[SoftToken, ...]:
    """Initialises all before the library is loaded, which looks for tokens once in a process."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 (extra `issuing`) is not installed")
    module = next((path for path in _MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed (Debian: softhsm2)")
    directory = Path(tempfile.mkdtemp(prefix="juki-token-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    (directory / "store").mkdir()
    configuration = directory / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {directory / 'store'}\nobjectstore.backend = file\nlog.level = ERROR\n", "utf-8"
    )
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    pin = directory / "issuer.pin"
    pin.write_text(_PIN, "ascii")
    return tuple(_initialise(module, label, pin) for label in ("juki-issuer", "empty", "juki-agency"))


def _initialise(module: str, label: str, pin: Path) -> SoftToken:
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", _PIN[::-1], "--pin", _PIN]
    subprocess.run(command, check=True, capture_output=True)
    return SoftToken(TokenSettings(module, label, pin))
