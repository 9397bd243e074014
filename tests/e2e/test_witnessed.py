"""Real nodes witness each other's logs, beside an auditor's witness that stands alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import grpc
import pytest

from deploy.local.layout import CHECKOUT
from deploy.local.postgres import Cluster
from deploy.local.provision import _roles
from deploy.local.topology import Node
from juki.audit.v1 import audit_service_pb2 as audit_pb
from services.foundation.audit.policy import load_policy
from services.foundation.audit.tlog_proof import parse_tlog_proof
from services.foundation.identity import log_origin
from tests.e2e.callers import Callers
from tests.e2e.federation import AGENCY, CHIYODA, SHINJUKU, TOKYO, YOKOSUKA, Federation

pytestmark = pytest.mark.timeout(240)
_PATIENCE_S = 30.0
_GUARDS = """
    SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE NOT tgisinternal AND tgenabled = 'D' AND relname LIKE 'audit%'
"""


async def durable(callers: Callers, node: str) -> int:
    """How many entries a node's log has."""
    return len(await callers.entries(node))


async def published(callers: Callers, node: str, size: int) -> audit_pb.GetCheckpointResponse:
    """The newest checkpoint of a node, once it covers `size` entries."""
    for _ in range(int(_PATIENCE_S / 0.1)):
        # Before the first checkpoint, and while the node restarts, it is refused.
        with suppress(grpc.aio.AioRpcError):
            answer: audit_pb.GetCheckpointResponse = await callers.log(node).GetCheckpoint(
                audit_pb.GetCheckpointRequest(), timeout=5
            )
            if answer.size >= size:
                return answer
        await asyncio.sleep(0.1)
    pytest.fail(f"{node} did not publish {size} entries")


async def test_what_a_node_publishes_its_quorum_has_cosigned(callers: Callers) -> None:
    await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)

    for name in (f"municipal/{CHIYODA}", TOKYO, AGENCY):
        node = callers.federation.topology.node(name).identity
        policy, origin = load_policy(callers.federation.layout.policy(node)), log_origin(node, "juki.example")
        size = await durable(callers, name)
        checkpoint = await published(callers, name, size)
        proof = await callers.log(name).GetInclusionProof(audit_pb.GetInclusionProofRequest(index=0), timeout=5)

        assert policy.open(checkpoint.checkpoint, origin)[0].root_hash == checkpoint.root_hash
        assert policy.open(parse_tlog_proof(proof.offline_proof).checkpoint, origin)[0].size == proof.size


@pytest.mark.parametrize("victim", ["witness/board", TOKYO])
async def test_one_witness_that_is_killed_is_not_missed(callers: Callers, victim: str) -> None:
    await asyncio.to_thread(callers.federation.kill, victim)

    await callers.counter(SHINJUKU).move_in()

    name = f"municipal/{SHINJUKU}"
    await published(callers, name, await durable(callers, name))


@asynccontextmanager
async def put_back(federation: Federation, node: Node) -> AsyncIterator[None]:
    """Keeps a node's database as it was before its last entry, and its files lost, while the block runs."""
    layout = federation.layout
    url = Cluster(layout.cluster, layout.socket_directory).owner_url(_roles(node, layout))
    files = layout.node(node.identity) / "log"
    hidden = files.with_name("log.away")
    owner = await asyncpg.connect(url)
    tables = ("audit_entry", "audit_checkpoint", "audit_cosigned", "audit_head")
    for table in tables:
        await owner.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    try:
        size = await owner.fetchval("UPDATE audit_head SET size = size - 1 RETURNING size")
        await owner.execute("DELETE FROM audit_entry WHERE seq >= $1", size)
        await owner.execute("DELETE FROM audit_checkpoint WHERE size > $1", size)
        await owner.execute("DELETE FROM audit_cosigned WHERE size > $1", size)
        await asyncio.to_thread(files.rename, hidden)
        await asyncio.to_thread(files.mkdir)
        yield
    finally:
        for table in tables:
            await owner.execute(f"DELETE FROM {table}")
            await owner.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")
            await owner.execute(f"DROP TABLE kept_{table}")
        for trigger, table in await owner.fetch(_GUARDS):
            await owner.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
        await asyncio.to_thread(shutil.rmtree, files)
        await asyncio.to_thread(hidden.rename, files)
        await owner.close()


async def test_a_node_whose_database_was_put_back_does_not_serve_until_it_is_replayed(callers: Callers) -> None:
    federation, name = callers.federation, f"municipal/{YOKOSUKA}"
    node = federation.topology.node(name)
    await callers.counter(YOKOSUKA).move_in()
    await published(callers, name, await durable(callers, name))
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}"}
    settings = federation.layout.settings(node.identity).with_name("node.toml.away")

    with federation.away(name):
        async with put_back(federation, node):
            started = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "services.municipal", str(settings)],
                cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip

    assert started.returncode == 2
    assert "LOG_ROLLED_BACK" in started.stderr
    assert await callers.counter(YOKOSUKA).move_in()
