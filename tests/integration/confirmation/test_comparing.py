"""How a prefecture finds out, over the wire, that the node above holds another purposes table."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import asyncpg
import grpc.aio
import pytest

from services.confirmation.comparing import Comparing
from services.confirmation.tables import create_purposes
from services.foundation.audit.table import create_audit
from services.foundation.identity import node_id
from services.foundation.refusals import Refusal
from tests.certificates import ROOT
from tests.databases import MakeDatabase
from tests.integration.audit.makers import NODE
from tests.integration.confirmation.conftest import Node
from tests.integration.confirmation.test_adopting import GRACE, NOW, Adopting, another
from tests.purposes import ordered


@pytest.fixture
async def below(make_database: MakeDatabase, tmp_path: Path) -> Adopting:
    """The purposes of a node that is not the one above."""
    urls = make_database("below")
    statements: list[str] = []
    create_audit(statements.append, urls.app_role)
    create_purposes(statements.append, urls.app_role)
    owner = await asyncpg.connect(urls.owner)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    (tmp_path / "below").mkdir()
    return Adopting(urls, tmp_path / "below")


def channel_to(node: Node) -> grpc.aio.Channel:
    keys = node.network.keys("relying/local-pension")
    credentials = grpc.ssl_channel_credentials(
        (node.network.trust / "roots.crt").read_bytes(),
        (keys / "tls.key").read_bytes(),
        (keys / "tls.crt").read_bytes(),
    )
    override = ("grpc.ssl_target_name_override", node_id(NODE.name, ROOT).dns_name)
    return grpc.aio.secure_channel(f"localhost:{node.port}", credentials, [override])


async def test_a_node_that_is_behind_refuses_until_it_has_the_same_table(node: Node, below: Adopting) -> None:
    ordered(below.directory, now=NOW)
    async with below.started() as purposes, channel_to(node) as channel:
        comparing = Comparing(purposes, channel, timedelta(seconds=60))
        await comparing.compare()
        below.clock.time += 2 * GRACE
        assert purposes.in_force().number == 1

        await node.adopt(another())
        await comparing.compare()
        below.clock.time += 2 * GRACE
        with pytest.raises(Refusal) as refused:
            purposes.in_force()

    assert refused.value.reason == "PURPOSES_VERSION_DIFFERS"
