"""Who witnesses whose audit log."""

from __future__ import annotations

from deploy.local.topology import Node, Topology
from services.foundation.identity import Tier

NODES_EACH = 2
"""How many other nodes witness a log, beside an auditor's witness."""


def witnesses_of(topology: Topology, node: Node) -> dict[str, str]:
    """Returns the witnesses of a node's log, by short name, with the addresses at which it asks them.

    Where the topology names none for the node, and an auditor runs a witness: that, and the next two nodes, in the
    order of the topology and round its end, of other trust domains, so that no authority vouches for a log and for
    most of its witnesses; of the own domain where there are not enough. Every node but those at counters comes to
    witness others.
    """
    alone = {each.identity.name: f"http://{each.address}" for each in topology.witnesses}
    nodes = {each.name: each.identity.uri for each in topology.nodes}
    names = node.witnesses or ((*list(alone)[:1], *_next_nodes(topology, node)) if alone else ())
    return {name: (alone | nodes)[name] for name in names}


def _next_nodes(topology: Topology, node: Node) -> list[str]:
    place = topology.nodes.index(node)
    # A counter is switched off at night, so its card node is no witness that others can rely on.
    round_the_end = [
        each for each in (*topology.nodes[place + 1 :], *topology.nodes[:place]) if each.identity.tier is not Tier.CARD
    ]
    domain = node.identity.trust_domain
    others = sorted(round_the_end, key=lambda each: each.identity.trust_domain == domain)
    return [each.name for each in others[:NODES_EACH]]
