"""Where a test may keep a database that another account serves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that PostgreSQL's account can be let through to.

    Not under pytest's own: each session that starts closes that one to other accounts, also for those that run.
    """
    with tempfile.TemporaryDirectory(prefix="juki-run-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)
