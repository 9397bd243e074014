"""What each node needs before it can start: keys, a database with the newest tables, a settings file."""

from __future__ import annotations

import dataclasses
from urllib.parse import urlsplit

from deploy.local import issuers
from deploy.local.layout import CHECKOUT, Layout
from deploy.local.postgres import Cluster, Roles
from deploy.local.refusals import TopologyMalformed
from deploy.local.secret import secret
from deploy.local.topology import Node, Topology
from deploy.local.witnesses import witnesses_of
from deploy.pki.authority import Pki, load_settings
from deploy.pki.files import PRIVATE, write_atomic
from deploy.purposes.publishing import ensure_body_key, ensure_published
from deploy.purposes.sources import SOURCES, build_table
from services.foundation.clock import SystemClock
from services.foundation.db import migrate
from services.foundation.identity import Tier
from services.foundation.orders import ROLES_NEEDED
from services.foundation.refusals import StoreUnreachable

_CEREMONY = CHECKOUT / "deploy" / "pki" / "ceremony.toml"
_CONFIRMING = (Tier.AGENCY, Tier.PREFECTURE)
"""Tiers that confirm identities, and read the table of those who may ask."""


def ensure_keys(topology: Topology, layout: Layout) -> None:
    """Gives the network, and every peer of the topology, the keys and certificates that it lacks or that end soon."""
    settings = dataclasses.replace(
        load_settings(_CEREMONY), trust_domain=topology.trust_domain_root, authorities=topology.authorities
    )
    pki = Pki(layout.pki, settings)
    pki.init()
    peers = [*(node.identity for node in topology.nodes), *topology.counters]
    for peer in (*peers, *(relying.identity for relying in topology.relying), *topology.auditors):
        pki.issue(peer.name)
    for node in topology.nodes:
        if witnesses := witnesses_of(topology, node):
            pki.assign(node.name, witnesses)
    _ensure_purposes(topology, layout, pki)


def _ensure_purposes(topology: Topology, layout: Layout, pki: Pki) -> None:
    """Builds the purposes table with the bodies' own keys and has it ordered by two administrators."""
    for body in topology.relying:
        ensure_body_key(layout.keys(body.identity), layout.bodies / f"{body.identity.code}.pub")
    table = build_table(SOURCES, body_keys=layout.bodies)
    signers = pki.administrators()[:ROLES_NEEDED]
    ensure_published(layout.purposes, table, signers, SystemClock().now(), "local run")


async def ensure_database(node: Node, cluster: Cluster, layout: Layout) -> None:
    """Makes a node's database, if it is on the embedded server, and brings its tables to the newest form."""
    migrations = CHECKOUT / "services" / node.identity.tier.value / "migrations"
    if node.database_owner_url:
        app_role = urlsplit(node.database_url).username
        if not app_role:
            raise TopologyMalformed("name the application role in database_url", where=f"node {node.name}")
        try:
            await migrate.upgrade(node.database_owner_url, migrations, app_role)
        except StoreUnreachable as refusal:
            raise StoreUnreachable(refusal.advice, **refusal.facts, node=node.name) from refusal
        return
    roles = _roles(node, layout)
    await cluster.ensure_database(roles)
    await migrate.upgrade(cluster.owner_url(roles), migrations, roles.app)


def write_settings(node: Node, topology: Topology, cluster: Cluster, layout: Layout) -> None:
    """Writes a node's settings file, readable by its owner alone, since the database's password stands in it."""
    addresses = {each.name: each.address for each in topology.nodes}
    witnesses = witnesses_of(topology, node)
    called = dict.fromkeys(
        (*(peer.name for peer in node.neighbours), *(name for name in witnesses if name in addresses))
    )
    lines = [
        f"# Settings of {node.title}; written by the local run at every start.",
        *(
            f"{key} = {_quoted(value)}"
            for key, value in {
                "node": node.name,
                "trust_domain_root": topology.trust_domain_root,
                "listen": node.address,
                "database_url": node.database_url or cluster.app_url(_roles(node, layout)),
                "keys": str(layout.keys(node.identity)),
                "trust": str(layout.trust),
                "log_directory": str(layout.node(node.identity) / "log"),
                "witness_policy": str(layout.policy(node.identity)) if witnesses else "",
                "otlp_endpoint": topology.otlp_endpoint,
                **_card_settings(node, layout),
            }.items()
        ),
        "reflection = true",
        f"classical_callers = {str(topology.classical_callers).lower()}",
        *([f"purposes = {_quoted(str(layout.purposes))}"] if node.identity.tier in _CONFIRMING else []),
        "",
        "[neighbours]",
        *(f"{_quoted(name)} = {_quoted(addresses[name])}" for name in called),
        "",
    ]
    (layout.node(node.identity) / "log").mkdir(parents=True, exist_ok=True)
    write_atomic(layout.settings(node.identity), "\n".join(lines).encode(), PRIVATE)


def _card_settings(node: Node, layout: Layout) -> dict[str, str]:
    """Returns what only card nodes have: readers, and the municipality's token where the machine has one."""
    if node.identity.tier is not Tier.CARD:
        return {}
    return {
        "readers": node.readers,
        "state": str(layout.node(node.identity) / "cards"),
        **issuers.settings(node, layout),
    }


def _roles(node: Node, layout: Layout) -> Roles:
    directory = layout.node(node.identity)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    passwords = [secret(directory / f"database-{role}.password") for role in ("owner", "app")]
    return Roles(f"{node.identity.tier.value}_{node.identity.code}".replace("-", "_"), *passwords)


def _quoted(text: str) -> str:
    """Writes a TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
