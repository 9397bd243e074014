"""Tokens in which the municipalities of a local run keep their issuing keys: SoftHSM2, where the machine has it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.layout import CHECKOUT, Layout
from deploy.local.refusals import TokenNotMade
from deploy.local.secret import secret
from deploy.local.topology import Node, Topology, municipality_of
from deploy.pki.files import PRIVATE, PUBLIC, write_atomic
from services.foundation.identity import Tier

_UTILITY = "softhsm2-util"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
_SECONDS = 60.0


def lacking() -> str:
    """Says what the machine lacks for issuing cards; empty when it lacks nothing."""
    if module() is None or shutil.which(_UTILITY) is None:
        return "SoftHSM2 (Debian: apt-get install softhsm2)"
    if importlib.util.find_spec("pkcs11") is None:
        return "python-pkcs11 (the extra `issuing`)"
    return ""


def module() -> Path | None:
    """Returns SoftHSM2's PKCS #11 module, if it is installed."""
    return next((path for path in map(Path, _MODULES) if path.exists()), None)


def ensure(topology: Topology, layout: Layout) -> None:
    """Makes the tokens and keys that are lacking, and publishes under whose certificates cards are certified.

    Refuses TOKEN_NOT_MADE.
    """
    layout.tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
    (layout.tokens / "store").mkdir(mode=0o700, exist_ok=True)
    configuration = f"directories.tokendir = {layout.tokens / 'store'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    write_atomic(layout.tokens / "softhsm2.conf", configuration.encode(), PRIVATE)
    issuing = sorted({municipality_of(node) for node in topology.of_tier(Tier.CARD)})
    certificates = [_ensure_issuer(municipality, layout) for municipality in issuing]
    write_atomic(layout.trust / "cards.crt", b"".join(certificates), PUBLIC)


def environment(layout: Layout) -> Mapping[str, str]:
    """Returns what a process must know to find the tokens."""
    return {"SOFTHSM2_CONF": str(layout.tokens / "softhsm2.conf")}


def settings(node: Node, layout: Layout) -> dict[str, str]:
    """Returns the settings of a card node that name its token; none where cards cannot be issued."""
    found = module()
    if lacking() or found is None:
        return {}
    municipality = municipality_of(node)
    return {
        "pkcs11_module": str(found),
        "pkcs11_token": _label(municipality),
        "pkcs11_pin": str(_pin_file(municipality, layout)),
    }


def _ensure_issuer(municipality: str, layout: Layout) -> bytes:
    secret(_pin_file(municipality, layout))
    marker = layout.tokens / f"{_label(municipality)}.made"
    if not marker.exists():
        _initialise(municipality, layout)
        write_atomic(marker, b"", PRIVATE)
    command = [sys.executable, "-m", "services.card.issuer", "--module", str(module())]
    command += ["--token", _label(municipality), "--pin", str(_pin_file(municipality, layout)), municipality]
    return _run(command, municipality, layout)


def _initialise(municipality: str, layout: Layout) -> None:
    pin = secret(_pin_file(municipality, layout))
    security_officer = secret(layout.tokens / f"{_label(municipality)}.so-pin")
    command = [_UTILITY, "--init-token", "--free", "--label", _label(municipality)]
    _run([*command, "--so-pin", security_officer, "--pin", pin], municipality, layout)


def _run(command: list[str], municipality: str, layout: Layout) -> bytes:
    paths = {"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}"}
    done = subprocess.run(
        command,
        env={**os.environ, **paths, **environment(layout)},
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TokenNotMade(f"look after SoftHSM2 on this machine: {said}", municipality=municipality)
    return done.stdout


def _label(municipality: str) -> str:
    return f"issuer-{municipality}"


def _pin_file(municipality: str, layout: Layout) -> Path:
    return layout.tokens / f"{_label(municipality)}.pin"
