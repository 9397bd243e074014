"""One purposes table at every node that confirms identities, and how it changes under everybody's eyes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.purposes.publishing import order_for, publish
from juki.confirmation.v1 import confirmation_service_pb2 as pb
from relying.client import RelyingClient
from services.confirmation.adopting import read_kept
from services.foundation.audit.note import NoteSigner, parse_note
from services.foundation.orders import Order, parse_order, sign_order
from tests.e2e.callers import Callers
from tests.e2e.federation import AGENCY, KANAGAWA, TOKYO, Federation, until

_UPPER = (AGENCY, TOKYO, KANAGAWA)
_REFUSED = "REFUSED:PURPOSES_ORDER_REFUSED"


@pytest.fixture
async def clients(federation: Federation, callers: Callers) -> AsyncIterator[dict[str, RelyingClient]]:
    """A body's client to each upper node."""
    found = {}
    for name in _UPPER:
        node = federation.topology.node(name)
        keys = federation.layout.keys(federation.topology.relying[0].identity)
        found[name] = RelyingClient.connect(node.address, node.identity.dns_name, keys, federation.layout.trust)
    yield found
    for client in found.values():
        await client.close()


def standing(federation: Federation) -> tuple[Order, bytes]:
    """The order that lies there, and its table."""
    kept = read_kept(federation.layout.purposes)
    return parse_order(parse_note(kept.note)[0]), kept.body


def laid(federation: Federation, signers: Sequence[NoteSigner]) -> Order:
    """Lays a newer order for a table with another quota."""
    before, body = standing(federation)
    data = body.replace(b'"quota_per_day":20000,', b'"quota_per_day":20001,')
    order = order_for(data, number=before.number + 1, now=datetime.now(UTC), reason="a story")
    publish(federation.layout.purposes, data, sign_order(order, signers))
    return order


async def listed(clients: dict[str, RelyingClient]) -> set[tuple[int, str]]:
    told: list[pb.ListPurposesResponse] = [await client.purposes() for client in clients.values()]
    return {(one.order_number, one.table_version) for one in told}


def adoptions(federation: Federation, name: str, nonce: str) -> list[str]:
    """The results that a node's published log has for the order of a nonce."""
    directory: Path = federation.layout.node(federation.topology.node(name).identity) / "log"
    found = []
    for path in directory.rglob("tile/entries/**/*"):
        if path.is_file():
            for part in path.read_bytes().split(b'{"act":"PURPOSES_ADOPTED"')[1:]:
                entry = json.JSONDecoder().raw_decode('{"act":"PURPOSES_ADOPTED"' + part.decode(errors="replace"))[0]
                found += [entry["res"]] if entry["rid"] == nonce else []
    return sorted(set(found))


async def test_every_node_adopts_a_new_table_and_all_logs_have_the_same_order(
    federation: Federation, clients: dict[str, RelyingClient]
) -> None:
    assert len(await listed(clients)) == 1

    order = laid(federation, federation.pki.administrators()[:2])

    expected = {(order.number, order.target.removeprefix("sha256:"))}
    async with asyncio.timeout(60):
        while await listed(clients) != expected:  # noqa: ASYNC110 - the nodes poll, and so does this
            await asyncio.sleep(0.5)
    until(lambda: all(adoptions(federation, name, order.nonce) == ["ALLOW"] for name in _UPPER))


async def test_an_order_that_one_administrator_signed_is_adopted_nowhere_and_on_record_everywhere(
    federation: Federation, clients: dict[str, RelyingClient]
) -> None:
    before, body = standing(federation)
    note = read_kept(federation.layout.purposes).note

    laid(federation, federation.pki.administrators()[:1])
    try:
        until(lambda: all(_REFUSED in adoptions(federation, name, before.nonce) for name in _UPPER))
        assert await listed(clients) == {(before.number, before.target.removeprefix("sha256:"))}
    finally:
        publish(federation.layout.purposes, body, note)
