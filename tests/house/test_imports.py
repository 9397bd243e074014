"""The arrows between the rooms hold, and an arrow that points the wrong way is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.house.tree import ROOT

_ROOMS = ("services", "relying", "deploy", "tools")
_PLANTED = {
    "services/municipal/rules/search.py": "import services.prefecture.config",
    "services/vocabulary/sex.py": "import asyncpg",
    "relying/showing.py": "import services.foundation.clock",
    "services/foundation/ids_of_nobody.py": "import services.confirmation.refusals",
    "services/agency/helpers.py": "",
}
"""A file for each kind of contract, and what is added to it."""
_BROKEN = (
    "no tier imports another BROKEN",
    "inside a tier BROKEN",
    "rules and vocabulary are pure BROKEN",
    "a relying body needs nothing of ours but the wire BROKEN",
)


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    lint = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": f"{root}:{root / 'gen'}", "COLUMNS": "200"}
    return subprocess.run([lint, "--no-cache"], cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_the_import_contracts_are_kept() -> None:
    said = _lint(ROOT)

    assert said.returncode == 0, said.stdout + said.stderr


def test_a_planted_violation_breaks_its_contract(tmp_path: Path) -> None:
    for room in _ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "gen", tmp_path / "gen", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for name, line in _PLANTED.items():
        file = tmp_path / name
        file.write_text((file.read_text("utf-8") if file.exists() else '"""Planted."""\n') + f"\n{line}\n", "utf-8")

    said = _lint(tmp_path)

    assert said.returncode == 1, said.stdout + said.stderr
    shown = " ".join(said.stdout.split())
    assert [contract for contract in _BROKEN if contract not in shown] == []
    assert "that on two base rooms, those on the wire BROKEN" in shown
