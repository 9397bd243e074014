"""A network and a node of it that serves the echo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import Network, make_network
from tests.integration.rpc.echo import Node, running


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return make_network(tmp_path)


@pytest.fixture
async def node(network: Network) -> AsyncIterator[Node]:
    async with running(network) as node:
        yield node
