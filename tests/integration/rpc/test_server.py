"""How a node's server starts, serves tools, and stops."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.foundation.refusals import Refusal
from services.foundation.rpc.access import anyone
from services.foundation.rpc.gate import Gate
from services.foundation.rpc.refusals import AccessIncomplete, PortTaken
from services.foundation.rpc.server import Server
from services.foundation.rpc.trust import TrustStore
from tests.certificates import ROOT, Network, make_issuer, make_leaf, make_root
from tests.integration.rpc.echo import (
    ACCESS,
    CALLER,
    NAME,
    NODE,
    SERVICE,
    Echo,
    Node,
    Stub,
    Words,
    config_of,
    register,
    running,
)

BUF = Path(sysconfig.get_path("scripts")) / "buf"


async def test_a_port_that_is_taken_is_refused_by_its_address(node: Node) -> None:
    with pytest.raises(PortTaken) as refused:
        async with running(node.network, listen=f"127.0.0.1:{node.port}"):
            pass

    assert refused.value.facts["address"] == f"127.0.0.1:{node.port}"


@pytest.mark.parametrize(
    "access",
    [
        {method: grants for method, grants in ACCESS.items() if not method.endswith("Talk")},
        {**ACCESS, f"/{NAME}/Talk": frozenset()},
        {**ACCESS, f"/{NAME}/Shout": anyone()},
    ],
    ids=["no row", "no grant", "no method"],
)
async def test_a_server_with_an_incomplete_access_table_does_not_start(network: Network, access: Any) -> None:
    with pytest.raises(AccessIncomplete):
        async with running(network, access=access):
            pass


async def test_a_server_whose_own_certificate_is_not_trusted_does_not_start(network: Network) -> None:
    make_leaf(make_issuer(make_root(), f"13.{ROOT}"), NODE).write(network.directory / "prefecture-13")

    with pytest.raises(Refusal) as refused:
        async with running(network):
            pass

    assert refused.value.reason == "ISSUER_NOT_TRUSTED"


async def test_metadata_beyond_sixteen_kilobytes_is_refused(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await Stub(channel).say(Words(text="a"), timeout=5, metadata=(("x-large", "x" * 20_000),))

    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert node.echo.seen == []


async def test_sigterm_lets_calls_under_way_end(network: Network) -> None:
    config = config_of(network, NODE)
    trust = TrustStore(config.trust, ROOT)
    server = Server(config, Gate(config.identity, trust, ACCESS, _no_record)).add(register, echo := Echo(), SERVICE)
    serving = asyncio.create_task(server.serve())
    await asyncio.wait_for(server.started.wait(), 5)
    node = Node(network, config, server, server.gate, echo, [], server.port)
    async with node.channel(network.leaf(CALLER)) as channel:
        call = Stub(channel).say(Words(text="slow"), timeout=5)
        asking = asyncio.ensure_future(_awaited(call))
        await asyncio.wait_for(echo.waiting.wait(), 5)

        os.kill(os.getpid(), signal.SIGTERM)
        answer = await asking
        await asyncio.wait_for(serving, 5)

    assert answer.text == "slow"


async def test_stopping_is_bounded_although_a_call_does_not_end(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        asking = asyncio.ensure_future(_awaited(Stub(channel).say(Words(text="wait"), timeout=60)))
        await asyncio.wait_for(node.echo.waiting.wait(), 5)

        began = time.monotonic()
        await node.server.stop(0.3)
        with pytest.raises(grpc.aio.AioRpcError):
            await asking

    assert time.monotonic() - began < 3


async def test_buf_curl_calls_a_node_and_sees_its_refusals(network: Network) -> None:
    async with running(network, reflection=True) as node:
        said = await _buf_curl(node, "Say", '{"text": "もしもし"}')
        refused = await _buf_curl(node, "Say", '{"text": "refuse"}')
        listed = await _buf_curl(node, "", "", "--list-methods")

    assert json.loads(said.stdout) == {"text": "もしもし"}
    assert json.loads(refused.stderr)["message"].startswith("REFUSED_BY_HANDLER")
    assert f"{NAME}/Say" in listed.stdout


async def test_a_node_without_reflection_does_not_describe_itself(node: Node) -> None:
    listed = await _buf_curl(node, "", "", "--list-methods")

    assert listed.returncode != 0
    assert "unimplemented" in listed.stderr


async def _buf_curl(node: Node, method: str, message: str, *more: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(BUF) is None:
        pytest.skip("buf is not installed")
    keys, trust = node.network.keys(CALLER), node.network.trust
    url = f"https://localhost:{node.port}" + (f"/{NAME}/{method}" if method else "")
    command: list[str | Path] = [BUF, "curl", "--timeout", "5s", "--protocol", "grpc", "--cacert", trust / "roots.crt"]
    command += ["--cert", keys / "tls.crt", "--key", keys / "tls.key", *more]
    command += ["--data", message] if message else []

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, url], capture_output=True, text=True, timeout=20, check=False)

    return await asyncio.to_thread(run)


async def _awaited(call: Any) -> Any:
    return await call


async def _no_record(_call: object, _refusal: object) -> None:
    """Stands for an audit log where nothing is to be recorded."""
