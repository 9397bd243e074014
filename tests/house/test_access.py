"""Every method that a node serves has a row in its access table, every row a method, and every proto a server."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from deploy.pki.authority import Pki, load_settings
from juki.audit.v1 import audit_service_pb2
from juki.witness.v1 import witness_service_pb2
from services.foundation.identity import node_id
from services.foundation.node import Node
from services.foundation.rpc.access import COMMON, Access, check_complete, methods_of, permits
from services.foundation.rpc.refusals import AccessIncomplete
from services.foundation.settings import NodeConfig
from tests.house.tree import ROOT, committed, packages

_OF_THE_LOG = [
    audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
    witness_service_pb2.DESCRIPTOR.services_by_name["WitnessService"],
]
"""What a node adds to its server when it runs."""
_NODES = {
    "agency": "agency/national",
    "prefecture": "prefecture/13",
    "municipal": "municipal/131016",
    "card": "card/131016-1",
}
_NEIGHBOURS = dict.fromkeys(_NODES.values(), "127.0.0.1:1")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    pki = Pki(tmp_path_factory.mktemp("pki"), load_settings(ROOT / "deploy/pki/ceremony.toml"))
    pki.init()
    return pki


@asynccontextmanager
async def _composed(tier: str, pki: Pki, directory: Path) -> AsyncIterator[Node]:
    """The node as its own `app.py` composes it; it has connected to nothing."""
    purposes = {"purposes": ROOT / "deploy/purposes"}
    extra = {"municipal": {}, "card": {"state": directory / "cards"}}.get(tier, purposes)
    config: NodeConfig = importlib.import_module(f"services.{tier}.config").Config(
        node=_NODES[tier],
        listen="127.0.0.1:0",
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        keys=pki.issue(_NODES[tier]),
        trust=pki.trust.path,
        log_directory=directory,
        neighbours=_NEIGHBOURS,
        **extra,
    )
    node: Node = importlib.import_module(f"services.{tier}.app").build(config)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(node.channels.close)
        stack.push_async_callback(node.database.close)
        stack.push_async_callback(node.journal.close)
        for close in node._closing:
            stack.push_async_callback(close)
        yield node


def _access_of(tier: str) -> Access:
    access: Access = importlib.import_module(f"services.{tier}.access").ACCESS
    return access


def _served(node: Node) -> Collection[ServiceDescriptor]:
    return [*node.server._services, *_OF_THE_LOG]


def _descriptors() -> list[ServiceDescriptor]:
    """Every service of every proto of the tiers here."""
    modules = [
        importlib.import_module(str(path.relative_to(ROOT / "protos").with_suffix("")).replace("/", ".") + "_pb2")
        for path in committed("protos/**/*.proto")
        if path.relative_to(ROOT).parts[2] in packages()
    ]
    return [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]


def test_every_tier_that_is_composed_is_looked_at_here() -> None:
    assert {path.parent.name for path in committed("services/*/app.py")} == set(_NODES)


@pytest.mark.parametrize("tier", _NODES)
async def test_every_method_has_a_row_and_every_row_a_method(tier: str, pki: Pki, tmp_path: Path) -> None:
    async with _composed(tier, pki, tmp_path) as node:
        check_complete(_access_of(tier), _served(node))


@pytest.mark.parametrize("tier", _NODES)
async def test_a_row_too_few_or_too_many_is_refused(tier: str, pki: Pki, tmp_path: Path) -> None:
    async with _composed(tier, pki, tmp_path) as node:
        rows = dict(_access_of(tier))
        method, grants = rows.popitem()

        with pytest.raises(AccessIncomplete) as too_few:
            check_complete(rows, _served(node))
        with pytest.raises(AccessIncomplete) as too_many:
            check_complete({**rows, method: grants, "/juki.x.v1.X/Y": grants}, _served(node))

    assert too_few.value.facts["missing"] == method
    assert too_many.value.facts["unknown"] == "/juki.x.v1.X/Y"


async def test_every_method_of_the_protos_is_served_somewhere(pki: Pki, tmp_path: Path) -> None:
    served: set[str] = set()
    for tier in _NODES:
        async with _composed(tier, pki, tmp_path) as node:
            served |= methods_of(_served(node))

    assert methods_of(_descriptors()) == served


@pytest.mark.parametrize("tier", _NODES)
def test_only_what_holds_no_personal_data_is_open_to_anyone(tier: str) -> None:
    node, stranger = node_id(_NODES[tier], "juki.example"), node_id("counter/999999-1", "juki.example")
    open_to_all = {method for method, grants in _access_of(tier).items() if permits(grants, stranger, node)}

    proofs = {f"/juki.audit.v1.AuditService/Get{name}" for name in ("Checkpoint", "InclusionProof", "ConsistencyProof")}
    assert open_to_all - set(COMMON) == {*proofs, "/juki.witness.v1.WitnessService/GetCheckpoint"}
