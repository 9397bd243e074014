"""A ceremony killed at any disk operation and run again ends as if it had never been killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("act", "fewest"), [("found", 100), ("rotate", 25), ("revoke", 10)])
def test_a_killed_act_is_completed_by_the_next_run(tmp_path: Path, act: str, fewest: int) -> None:
    command = [sys.executable, "-m", "tests.integration.pki.killing", str(tmp_path), act]
    repository = Path(__file__).parents[3]

    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["faults"] == []
    assert outcome["kills"] >= fewest
