"""Is a topology read as it is meant, and does a wrong one say what is wrong?"""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from deploy.local import topology
from deploy.local.refusals import TopologyMalformed
from services.foundation.identity import Tier

_FILE = Path("deploy/topology.toml")


@pytest.fixture
def table() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def test_the_repository_s_topology_has_two_prefectures_four_municipalities_and_three_relying_bodies() -> None:
    read = topology.load(_FILE)

    assert [node.name for node in read.of_tier(Tier.PREFECTURE)] == ["prefecture/13", "prefecture/14"]
    assert len(read.of_tier(Tier.MUNICIPAL)) == 4
    assert len(read.relying) == 3
    assert read.authorities == ("13", "14", "national")


def test_neighbours_follow_from_the_codes(table: dict[str, Any]) -> None:
    read = topology.parse(table)

    assert [str(peer) for peer in read.node("municipal/141003").neighbours] == ["prefecture/14", "agency/national"]
    assert [str(peer) for peer in read.node("prefecture/13").neighbours] == ["agency/national"]
    assert read.agency.neighbours == ()


def test_a_municipality_calls_the_card_nodes_at_its_counters_and_they_call_nobody(table: dict[str, Any]) -> None:
    read = topology.parse(table)

    called = [str(peer) for peer in read.node("municipal/131016").neighbours]
    assert called == ["prefecture/13", "agency/national", "card/131016-1"]
    assert read.node("card/131016-1").neighbours == ()


def test_a_card_node_without_its_municipality_is_refused(table: dict[str, Any]) -> None:
    table["node"].append({"name": "card/131024-1", "port": 7299, "title": "中央区窓口1"})

    with pytest.raises(TopologyMalformed) as refused:
        topology.parse(table)

    assert refused.value.reason == "TOPOLOGY_MALFORMED"
    assert refused.value.facts["where"] == "node card/131024-1"


def test_a_card_node_reads_software_cards_unless_its_stanza_names_the_machine_s_readers(table: dict[str, Any]) -> None:
    assert topology.parse(table).node("card/131016-1").readers == "embedded"

    next(stanza for stanza in table["node"] if stanza["name"] == "card/131016-1")["readers"] = "pcsc"

    assert topology.parse(table).node("card/131016-1").readers == "pcsc"


@pytest.mark.parametrize(("name", "readers"), [("card/131016-1", "usb"), ("municipal/131016", "pcsc")])
def test_readers_that_there_are_not_are_refused(table: dict[str, Any], name: str, readers: str) -> None:
    next(stanza for stanza in table["node"] if stanza["name"] == name)["readers"] = readers

    with pytest.raises(TopologyMalformed) as refused:
        topology.parse(table)

    assert refused.value.facts["where"] == f"node {name}"


def test_a_node_is_one_stanza(table: dict[str, Any]) -> None:
    table["node"].append({"name": "municipal/131032", "port": 7105, "title": "東京都港区"})

    read = topology.parse(table)

    added = read.node("municipal/131032")
    assert read.prefecture_of(added).name == "prefecture/13"
    assert read.counter_of(added).uri == "spiffe://13.juki.example/counter/131032-1"


def test_nodes_start_from_the_top_whatever_the_order_of_the_file(table: dict[str, Any]) -> None:
    table["node"].reverse()

    tiers = [node.identity.tier for node in topology.parse(table).nodes]

    assert tiers == sorted(tiers, key=[Tier.AGENCY, Tier.PREFECTURE, Tier.MUNICIPAL, Tier.CARD].index)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("card/131016", "TOPOLOGY_CODE_MALFORMED"),
        ("card/131016-0", "TOPOLOGY_CODE_MALFORMED"),
        ("card/131017-1", "TOPOLOGY_CODE_MALFORMED"),
        ("municipal/131017", "TOPOLOGY_CODE_MALFORMED"),
        ("municipal/13101", "TOPOLOGY_CODE_MALFORMED"),
        ("municipal/130001", "TOPOLOGY_CODE_MALFORMED"),
        ("prefecture/48", "TOPOLOGY_CODE_MALFORMED"),
        ("prefecture/1", "TOPOLOGY_CODE_MALFORMED"),
        ("agency/regional", "TOPOLOGY_CODE_MALFORMED"),
        ("relying/bank", "TOPOLOGY_MALFORMED"),
        ("131016", "TOPOLOGY_MALFORMED"),
        ("municipal/131016", "TOPOLOGY_MALFORMED"),
        ("municipal/011002", "TOPOLOGY_MALFORMED"),
    ],
)
def test_a_node_of_a_wrong_name_is_refused(table: dict[str, Any], name: str, reason: str) -> None:
    table["node"].append({"name": name, "port": 7999, "title": "何か"})

    with pytest.raises(TopologyMalformed) as refused:
        topology.parse(table)

    assert refused.value.reason == reason


def test_two_nodes_on_one_port_are_both_named(table: dict[str, Any]) -> None:
    table["node"][1]["port"] = table["node"][2]["port"]

    with pytest.raises(TopologyMalformed) as refused:
        topology.parse(table)

    assert refused.value.facts["where"] == "port 7014"
    assert "prefecture/13, prefecture/14" in refused.value.advice


def test_a_federation_has_an_agency(table: dict[str, Any]) -> None:
    del table["node"][0]

    with pytest.raises(TopologyMalformed) as refused:
        topology.parse(table)

    assert "agency/national" in refused.value.advice


@pytest.mark.parametrize("key", ["name", "port", "title"])
def test_a_missing_or_misspelt_key_is_named(table: dict[str, Any], key: str) -> None:
    missing, misspelt = copy.deepcopy(table), copy.deepcopy(table)
    del missing["node"][3][key]
    misspelt["node"][3][key + "s"] = 1

    for wrong in (missing, misspelt):
        with pytest.raises(TopologyMalformed) as refused:
            topology.parse(wrong)
        assert key in refused.value.advice


@pytest.mark.parametrize("port", ["7001", 0, 80, 65536, True, 7.5])
def test_a_port_is_a_number_that_an_ordinary_process_may_have(table: dict[str, Any], port: object) -> None:
    table["node"][0]["port"] = port

    with pytest.raises(TopologyMalformed):
        topology.parse(table)


def test_a_database_of_one_s_own_needs_both_roles(table: dict[str, Any]) -> None:
    table["node"][0]["database_url"] = "postgresql://app@db/agency"

    with pytest.raises(TopologyMalformed) as refused:
        topology.parse(table)

    assert "database_owner_url" in refused.value.advice


def test_post_quantum_key_exchange_is_required_unless_the_file_says_otherwise(table: dict[str, Any]) -> None:
    del table["classical_callers"]
    assert not topology.parse(table).classical_callers

    table["classical_callers"] = "no"
    with pytest.raises(TopologyMalformed):
        topology.parse(table)


def test_nodes_send_telemetry_where_the_file_says(table: dict[str, Any]) -> None:
    assert topology.parse(table).otlp_endpoint == ""

    table["otlp_endpoint"] = "http://127.0.0.1:4317"
    assert topology.parse(table).otlp_endpoint == "http://127.0.0.1:4317"

    table["otlp_endpoint"] = 4317
    with pytest.raises(TopologyMalformed):
        topology.parse(table)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "topology.toml"
    for content in (b"[[node", b"\xff\xfe"):
        broken.write_bytes(content)
        with pytest.raises(TopologyMalformed):
            topology.load(broken)
    with pytest.raises(TopologyMalformed):
        topology.load(tmp_path / "absent.toml")
