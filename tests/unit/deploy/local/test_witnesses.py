"""Who witnesses whom, by default and as the topology says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from deploy.local import topology
from deploy.local.refusals import TopologyMalformed
from deploy.local.witnesses import witnesses_of
from services.foundation.identity import Tier


@pytest.fixture
def table() -> dict[str, Any]:
    return tomllib.loads(Path("deploy/topology.toml").read_text(encoding="utf-8"))


def test_every_log_has_an_auditor_and_two_nodes_of_other_domains(table: dict[str, Any]) -> None:
    read = topology.parse(table)

    for node in read.nodes:
        auditor, *others = witnesses_of(read, node).items()
        assert auditor == ("auditor/board", "http://127.0.0.1:7900")
        assert len(others) == 2
        for name, url in others:
            assert url == read.node(name).identity.uri
            assert read.node(name).identity.trust_domain != node.identity.trust_domain


def test_every_node_that_is_always_on_is_a_witness(table: dict[str, Any]) -> None:
    read = topology.parse(table)

    assert {name for node in read.nodes for name in witnesses_of(read, node)} == {
        "auditor/board", *(node.name for node in read.nodes if node.identity.tier is not Tier.CARD)
    }  # fmt: skip


def test_without_an_auditors_witness_nobody_is_assigned(table: dict[str, Any]) -> None:
    del table["auditor"][0]["witness_port"]
    read = topology.parse(table)

    assert [witnesses_of(read, node) for node in read.nodes] == [{}] * len(read.nodes)


def test_a_node_of_the_same_domain_fills_the_place_of_one_that_is_not_there(table: dict[str, Any]) -> None:
    table["node"] = [
        node for node in table["node"] if "14" not in node["name"][-6:-3] and node["name"] != "prefecture/14"
    ]
    read = topology.parse(table)

    assert [*witnesses_of(read, read.node("municipal/131041"))][1:] == ["agency/national", "prefecture/13"]


def test_a_stanza_may_name_its_witnesses(table: dict[str, Any]) -> None:
    table["node"][1]["witnesses"] = ["agency/national", "auditor/board"]
    read = topology.parse(table)

    assert [*witnesses_of(read, read.node("prefecture/13"))] == ["agency/national", "auditor/board"]


@pytest.mark.parametrize(
    "witnesses", ["agency/national", ["prefecture/13"], ["auditor/nobody"], ["prefecture/99"], [1],
                  ["agency/national", "agency/national"]],
)  # fmt: skip
def test_witnesses_that_cannot_be_are_refused(table: dict[str, Any], witnesses: object) -> None:
    table["node"][1]["witnesses"] = witnesses

    with pytest.raises(TopologyMalformed):
        topology.parse(table)


@pytest.mark.parametrize("port", [80, "7900", 7013, True])
def test_a_witness_port_that_cannot_be_is_refused(table: dict[str, Any], port: object) -> None:
    table["auditor"][0]["witness_port"] = port

    with pytest.raises(TopologyMalformed):
        topology.parse(table)
