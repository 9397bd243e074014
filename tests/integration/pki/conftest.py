"""A network's keys, made for one test."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.pki.authority import Pki
from tests.integration.pki.makers import MovableClock, settings


@pytest.fixture
def clock() -> MovableClock:
    """A clock that starts at the present."""
    return MovableClock()


@pytest.fixture
def pki(tmp_path: Path, clock: MovableClock) -> Pki:
    """A network after its ceremony, with no node yet."""
    pki = Pki(tmp_path / "pki", settings(), clock)
    pki.init()
    return pki
