"""Runs the suite in a process of its own, as a card-maker does: with a reader and a specimen file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = Path(__file__).parent / "card"
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S+::(test_\w+)", re.MULTILINE)
_PASSED = re.compile(r"\b(\d+) passed[^\n]* in ")


@dataclass(frozen=True)
class Verdict:
    """What the suite said of a card."""

    code: int
    failed: frozenset[str]
    passed: int
    said: str


def judge(reader: str, specimen: Path, *files: str, environment: Mapping[str, str] | None = None) -> Verdict:
    """Runs the suite, or some of its files, against the card in a reader."""
    paths = [str(SUITE / file) for file in files] or [str(SUITE)]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-rfE", "-p", "no:cacheprovider", *paths]
    configured = {"JUKI_CARD_READER": reader, "JUKI_CARD_SPECIMEN": str(specimen)}
    run = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **configured, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    passed = _PASSED.search(run.stdout)
    return Verdict(run.returncode, frozenset(_FAILED.findall(run.stdout)), int(passed[1]) if passed else 0, run.stdout)
