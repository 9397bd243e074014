"""Which nodes, relying bodies and auditors there are: `topology.toml`, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy.local.refusals import CodeMalformed, TopologyMalformed
from services.foundation.identity import NodeId, Tier, node_id
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_COUNTER = re.compile(r"([0-9]{6})-[1-9][0-9]{0,2}")
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_SERVING = (Tier.AGENCY, Tier.PREFECTURE, Tier.MUNICIPAL, Tier.CARD)
"""Tiers that serve, in the order in which they start."""
_READERS = ("embedded", "pcsc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One process of the federation."""

    identity: NodeId
    port: int
    title: str
    """What people call it, Japanese."""
    neighbours: tuple[NodeId, ...] = ()
    """The nodes that it calls."""
    database_url: str = ""
    """URL for its application role on a PostgreSQL of the operator's; empty for the embedded one."""
    database_owner_url: str = ""
    """URL for the owner of that database, who migrates it."""
    witnesses: tuple[str, ...] = ()
    """Short names of those who must witness its audit log; empty for the assignment that follows from the topology."""
    readers: str = "embedded"
    """What the readers of a card node are, as its setting says."""

    @property
    def name(self) -> str:
        """The short name, `municipal/131016`."""
        return self.identity.name

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relying:
    """A body that asks."""

    identity: NodeId
    body: str
    """Its name in the purposes table, Japanese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """An auditor's witness, a process that runs alone."""

    identity: NodeId
    port: int

    @property
    def name(self) -> str:
        """The short name of its process, `witness/board`."""
        return f"witness/{self.identity.code}"

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A whole federation; nodes stand in the order in which they start."""

    trust_domain_root: str
    classical_callers: bool
    """Whether nodes refuse peers that do not negotiate X25519MLKEM768."""
    nodes: tuple[Node, ...]
    relying: tuple[Relying, ...]
    auditors: tuple[NodeId, ...]
    witnesses: tuple[Alone, ...] = ()
    """The auditors' witnesses."""
    otlp_endpoint: str = ""
    """Where the nodes send traces and metrics, `http://host:port`; nowhere when empty."""

    @property
    def agency(self) -> Node:
        """The designated agency."""
        return self.of_tier(Tier.AGENCY)[0]

    @property
    def counters(self) -> tuple[NodeId, ...]:
        """One counter terminal a municipality."""
        return tuple(self.counter_of(node) for node in self.of_tier(Tier.MUNICIPAL))

    @property
    def authorities(self) -> tuple[str, ...]:
        """Labels of the authorities that vouch for everybody here, `13` and `national`."""
        return (*sorted(node.identity.code for node in self.of_tier(Tier.PREFECTURE)), "national")

    def of_tier(self, tier: Tier) -> list[Node]:
        """Returns the nodes of one tier, in order."""
        return [node for node in self.nodes if node.identity.tier is tier]

    def node(self, name: str) -> Node:
        """Returns the node of a short name; raises KeyError."""
        return {node.name: node for node in self.nodes}[name]

    def prefecture_of(self, municipality: Node) -> Node:
        """Returns the prefecture in which a municipality lies."""
        return self.node(f"{Tier.PREFECTURE.value}/{municipality.identity.code[:2]}")

    def counter_of(self, municipality: Node) -> NodeId:
        """Returns the first counter terminal of a municipality."""
        return node_id(f"{Tier.COUNTER.value}/{municipality.identity.code}-1", self.trust_domain_root)


def load(path: Path) -> Topology:
    """Reads a topology file; refuses TOPOLOGY_MALFORMED and TOPOLOGY_CODE_MALFORMED."""
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise TopologyMalformed("name a topology file that exists", where=str(path)) from None
    except UnicodeDecodeError:
        raise TopologyMalformed("write the topology in UTF-8", where=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise TopologyMalformed(f"correct the TOML: {error}", where=str(path)) from None


def parse(table: Mapping[str, Any]) -> Topology:
    """Makes a topology of parsed TOML; refuses TOPOLOGY_MALFORMED and TOPOLOGY_CODE_MALFORMED."""
    optional = {"classical_callers", "otlp_endpoint", "node", "relying", "auditor"}
    _only(table, "the file", required={"trust_domain_root"}, optional=optional)
    classical = table.get("classical_callers", False)
    if not isinstance(classical, bool):
        raise TopologyMalformed("say true or false", where="classical_callers")
    _strings(table, "the file", ("otlp_endpoint",))
    root = table["trust_domain_root"]
    if not isinstance(root, str) or not _DOMAIN.fullmatch(root):
        raise TopologyMalformed("give a lower-case DNS name, such as juki.example", where="trust_domain_root")
    nodes = sorted((_node(stanza, root) for stanza in _stanzas(table, "node")), key=_start_order)
    _refuse_repeats(nodes)
    relying = [_relying(stanza, root) for stanza in _stanzas(table, "relying")]
    auditors = [_auditor(stanza, root) for stanza in _stanzas(table, "auditor")]
    alone = [
        Alone(identity=identity, port=_port(stanza["witness_port"], f"auditor {identity.code}"))
        for identity, stanza in zip(auditors, _stanzas(table, "auditor"), strict=True)
        if "witness_port" in stanza
    ]
    _refuse_shared_ports([*nodes, *alone])
    _refuse_strange_witnesses(nodes, auditors=[each.identity.name for each in alone])
    _unique("relying", [each.identity.code for each in relying])
    _unique("auditor", [each.code for each in auditors])
    if not auditors:
        raise TopologyMalformed("add an [[auditor]] stanza: status is read as `auditor/<id>`", where="auditor")
    return Topology(
        trust_domain_root=root,
        classical_callers=classical,
        nodes=tuple(_with_neighbours(node, nodes) for node in nodes),
        relying=tuple(relying),
        auditors=tuple(auditors),
        witnesses=tuple(alone),
        otlp_endpoint=table.get("otlp_endpoint", ""),
    )


def _node(stanza: Mapping[str, Any], root: str) -> Node:
    name = stanza.get("name")
    where = f"node {name}"
    optional = {"database_url", "database_owner_url", "witnesses", "readers"}
    _only(stanza, where, required={"name", "port", "title"}, optional=optional)
    _strings(stanza, where, ("name", "title", "database_url", "database_owner_url"))
    tier, _, code = str(name).partition("/")
    if tier not in _SERVING:
        raise TopologyMalformed(
            "name the node agency/national, prefecture/<13>, municipal/<131016> or card/<131016>-<1>", where=where
        )
    _check_code(Tier(tier), code, str(name))
    if ("database_url" in stanza) != ("database_owner_url" in stanza):
        raise TopologyMalformed("give both database_url and database_owner_url: one serves, one migrates", where=where)
    return Node(
        identity=node_id(str(name), root),
        port=_port(stanza["port"], where),
        title=stanza["title"],
        database_url=stanza.get("database_url", ""),
        database_owner_url=stanza.get("database_owner_url", ""),
        witnesses=_witnesses(stanza.get("witnesses", []), where),
        readers=_readers(stanza, Tier(tier), where),
    )


def _port(value: object, where: str) -> int:
    if type(value) is not int or not 1024 <= value <= 65535:
        raise TopologyMalformed("give a port from 1024 to 65535", where=where)
    return value


def _witnesses(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value) or len(set(value)) < len(value):
        raise TopologyMalformed("list each witness once, as text in quotes", where=where)
    return tuple(value)


def _readers(stanza: Mapping[str, Any], tier: Tier, where: str) -> str:
    if "readers" in stanza and (tier is not Tier.CARD or stanza["readers"] not in _READERS):
        raise TopologyMalformed('give readers of a card node alone, "embedded" or "pcsc"', where=where)
    return str(stanza.get("readers", _READERS[0]))


def _check_code(tier: Tier, code: str, name: str) -> None:
    if tier is Tier.AGENCY and code != "national":
        raise CodeMalformed("there is one agency; name it agency/national", node=name)
    if tier is Tier.PREFECTURE and not (re.fullmatch("[0-9]{2}", code) and 1 <= int(code) <= 47):
        raise CodeMalformed("give the prefecture's two digits, 01 to 47 (JIS X 0401)", node=name)
    if tier is Tier.CARD:
        counter = _COUNTER.fullmatch(code)
        if counter is None:
            raise CodeMalformed("give the municipality's code and the counter's number: card/131016-1", node=name)
        code = counter[1]
    if tier in (Tier.MUNICIPAL, Tier.CARD):
        try:
            parsed = LocalGovernmentCode(code)
        except Malformed as malformed:
            raise CodeMalformed(str(malformed), node=name, form=malformed.reason) from None
        if parsed.is_prefecture:
            raise CodeMalformed("this is the code of a prefecture: name the node prefecture/<two digits>", node=name)


def _refuse_repeats(nodes: list[Node]) -> None:
    _unique("node", [node.name for node in nodes])
    if not any(node.identity.tier is Tier.AGENCY for node in nodes):
        raise TopologyMalformed('add a stanza for the agency: name = "agency/national"', where="node")


def _refuse_shared_ports(processes: Sequence[Node | Alone]) -> None:
    for port, count in Counter(process.port for process in processes).items():
        if count > 1:
            holders = ", ".join(process.name for process in processes if process.port == port)
            raise TopologyMalformed(f"give each node a port of its own: {holders} share {port}", where=f"port {port}")


def _refuse_strange_witnesses(nodes: list[Node], *, auditors: list[str]) -> None:
    """Refuses a witness that is not there, and a node that would witness itself."""
    able = {*(node.name for node in nodes), *auditors}
    for node in nodes:
        for name in node.witnesses:
            if name not in able - {node.name}:
                raise TopologyMalformed(
                    "name as witnesses other nodes, or an auditor with a witness_port", where=f"node {node.name}"
                )


def _with_neighbours(node: Node, nodes: list[Node]) -> Node:
    """Adds those whom the node calls: a municipality its prefecture, the agency, and the card nodes at its counters."""
    by_name = {each.name: each.identity for each in nodes}
    agency = by_name["agency/national"]
    if node.identity.tier is Tier.PREFECTURE:
        return replace(node, neighbours=(agency,))
    if node.identity.tier is Tier.CARD and f"{Tier.MUNICIPAL.value}/{municipality_of(node)}" not in by_name:
        raise TopologyMalformed("add a stanza for the municipality of its counter", where=f"node {node.name}")
    if node.identity.tier is not Tier.MUNICIPAL:
        return node
    prefecture = f"{Tier.PREFECTURE.value}/{node.identity.code[:2]}"
    if prefecture not in by_name:
        raise TopologyMalformed(f"add a stanza for {prefecture}, in which {node.name} lies", where=f"node {node.name}")
    cards = [
        each.identity
        for each in nodes
        if each.identity.tier is Tier.CARD and municipality_of(each) == node.identity.code
    ]
    return replace(node, neighbours=(by_name[prefecture], agency, *cards))


def municipality_of(card_node: Node) -> str:
    """Returns the code of the municipality at whose counter a card node stands."""
    return card_node.identity.code.partition("-")[0]


def _relying(stanza: Mapping[str, Any], root: str) -> Relying:
    where = f"relying {stanza.get('id')}"
    _only(stanza, where, required={"id", "body"}, optional=set())
    _strings(stanza, where, ("id", "body"))
    return Relying(identity=_client(Tier.RELYING, stanza["id"], root, where), body=stanza["body"])


def _auditor(stanza: Mapping[str, Any], root: str) -> NodeId:
    where = f"auditor {stanza.get('id')}"
    _only(stanza, where, required={"id"}, optional={"witness_port"})
    _strings(stanza, where, ("id",))
    return _client(Tier.AUDITOR, stanza["id"], root, where)


def _client(tier: Tier, code: str, root: str, where: str) -> NodeId:
    if not _ID.fullmatch(code):
        raise TopologyMalformed("give an id of lower-case letters, digits and hyphens, at most 41", where=where)
    return node_id(f"{tier.value}/{code}", root)


def _stanzas(table: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    stanzas = table.get(key, [])
    if not isinstance(stanzas, list) or not all(isinstance(stanza, dict) for stanza in stanzas):
        raise TopologyMalformed(f"write each as a [[{key}]] stanza", where=key)
    yield from stanzas


def _only(stanza: Mapping[str, Any], where: str, *, required: set[str], optional: set[str]) -> None:
    for missing in sorted(required - stanza.keys()):
        raise TopologyMalformed(f"add the missing key {missing}", where=where)
    for strange in sorted(stanza.keys() - required - optional):
        raise TopologyMalformed(f"remove the unknown key {strange} or mend its spelling", where=where)


def _strings(stanza: Mapping[str, Any], where: str, keys: tuple[str, ...]) -> None:
    for key in keys:
        if key in stanza and (not isinstance(stanza[key], str) or not stanza[key]):
            raise TopologyMalformed(f"give {key} as text in quotes", where=where)


def _unique(kind: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise TopologyMalformed("keep one of the stanzas with this name", where=f"{kind} {name}")


def _start_order(node: Node) -> tuple[int, str]:
    return _SERVING.index(node.identity.tier), node.identity.code
