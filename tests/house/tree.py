"""The files that are committed, or about to be."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def committed(*patterns: str) -> list[Path]:
    """Returns the files that git knows and that are there, under the root of the checkout."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def hits(words: tuple[str, ...], paths: list[Path]) -> list[str]:
    """Returns `file: word` for each file that has one of the words."""
    return [
        f"{path.relative_to(ROOT)}: {word}" for path in paths for word in words if word.encode() in path.read_bytes()
    ]


def packages() -> set[str]:
    """Returns the proto packages, `audit` of `juki.audit.v1`, of the tiers that are composed, and those they share."""
    return {
        "audit",
        "common",
        "confirmation",
        "exchange",
        "witness",
        *(path.parent.name for path in committed("services/*/app.py")),
    }
