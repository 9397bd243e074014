"""One federation for all stories, and for each story those who call it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.callers import Callers
from tests.e2e.collector import Collector, running_collector
from tests.e2e.federation import Federation
from tests.e2e.logs import broken_logs, leaks


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the nodes send their telemetry."""
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def told() -> set[str]:
    """Names, codes and addresses of everybody who was ever registered."""
    return set()


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory, collector: Collector, told: set[str]) -> Iterator[Federation]:
    """The federation; when all stories are over, its logs must be whole and must name nobody."""
    # Not under pytest's directory: that is closed to other accounts again whenever another pytest starts, and
    # PostgreSQL, which does not run as root, could not start again after it was killed.
    with tempfile.TemporaryDirectory(prefix="juki-e2e-", ignore_cleanup_errors=True) as directory:
        federation = Federation(Path(directory), collector.endpoint)
        try:
            federation.up()
            yield federation
            federation.settle()
        finally:
            federation.down()
        assert broken_logs(federation) == []
        assert leaks(federation, collector, told) == []


@pytest.fixture
async def callers(federation: Federation, told: set[str]) -> AsyncIterator[Callers]:
    """Those who call the federation in one story, which finds every process ready."""
    federation.settle()
    callers = Callers(federation, told)
    yield callers
    await callers.close()
