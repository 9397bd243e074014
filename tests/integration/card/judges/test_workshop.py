"""A specimen that the workshop's command holds in a virtual reader is found by others, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.card.tool.specimen import PINS
from services.card.tool.workshop import Workshop
from services.card.virtual.pcscd import PrivatePcscd
from tests.integration.card.judges.programs import opensc_module, run

ROOT = Path(__file__).parents[4]


def workshop(state: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "services.card.tool", "--state", str(state), *arguments]


@pytest.fixture
def environment() -> dict[str, str]:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "gen")))
    found = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"}
    found.pop("PCSCLITE_CSOCK_NAME", None)
    return found


def test_others_find_the_specimen_until_it_is_taken_out(
    pcscd: PrivatePcscd, tmp_path: Path, environment: dict[str, str]
) -> None:
    subprocess.run(workshop(tmp_path, "make", "resident"), env=environment, check=True, capture_output=True)
    (number,) = Workshop(tmp_path).shelf.numbers()
    held = subprocess.Popen(workshop(tmp_path, "insert", number), env=environment, stdout=subprocess.PIPE, text=True)
    try:
        address = _wait_for(tmp_path / "pcscd.address")
        theirs = {"PCSCLITE_CSOCK_NAME": address}
        _wait_for_card(theirs)
        name = run("opensc-tool", "--reader", "0", "--name", environment=theirs).stdout
        objects = run(
            "pkcs11-tool", "--module", opensc_module(), "--slot", "0", "--login", "--pin", PINS["auth"], "-O",
            environment=theirs,
        ).stdout  # fmt: skip
        shown = subprocess.run(
            workshop(tmp_path, "show", "--reader", "any", "--pin", "juki"),
            env=environment, input=f"{PINS['juki']}\n", capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    finally:
        held.send_signal(signal.SIGINT)
        said, _ = held.communicate(timeout=20)

    assert name.strip() == "jpki"
    assert "Private Key Object" in objects
    assert "住民票コード" in shown
    assert held.returncode == 0
    assert "Taken out" in said
    assert not Path(address).exists()


def _wait_for(path: Path) -> str:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.read_text("utf-8")


def _wait_for_card(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        listed = run("opensc-tool", "--list-readers", code=None, environment=environment).stdout
        if "Yes" in listed:
            return
        time.sleep(0.1)
    raise TimeoutError
