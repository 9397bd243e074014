"""Who may speak, over real handshakes, and for how long."""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.foundation.identity import node_id
from services.foundation.rpc.status import refusal_of
from tests.certificates import ROOT, Network, Pair, make_issuer, make_leaf, make_list, make_root, replace_file
from tests.integration.rpc.echo import CALLER, NAME, NODE, Node, Stub, Words, running
from tests.integration.rpc.raw import ask
from tests.integration.rpc.test_gate import refused

CALLER_ID = node_id(CALLER, ROOT)
DOMAIN = CALLER_ID.trust_domain


async def reason(node: Node, pair: Pair) -> str:
    async with node.channel(pair) as channel:
        return (await refused(Stub(channel).say(Words(text="a"), timeout=5))).reason


async def raw_answer(node: Node, newest: ssl.TLSVersion, caller: str = CALLER) -> tuple[str, bytes]:
    pair, root = node.network.leaf(caller), node.network.root.leaf_pem
    return await asyncio.to_thread(ask, node.port, pair, root, f"/{NAME}/Say", newest=newest)


async def test_a_tls_1_2_client_is_refused(node: Node) -> None:
    version, answer = await raw_answer(node, ssl.TLSVersion.TLSv1_2)

    assert version == "TLSv1.2"
    assert b"TLS_TOO_OLD" in answer
    assert node.echo.seen == []


@pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO >= (3, 5), reason="this OpenSSL offers a post-quantum group")
async def test_a_client_without_a_post_quantum_group_is_refused(node: Node) -> None:
    version, answer = await raw_answer(node, ssl.TLSVersion.TLSv1_3)

    assert version == "TLSv1.3"
    assert b"KEY_EXCHANGE_NOT_POST_QUANTUM" in answer
    assert node.echo.seen == []


async def test_a_certificate_with_two_uris_is_refused(node: Node) -> None:
    pair = node.network.leaf(CALLER, uris=[CALLER_ID.uri, node_id("municipal/131024", ROOT).uri])

    assert await reason(node, pair) == "IDENTITY_NOT_SINGLE"


async def test_a_certificate_without_a_uri_is_refused(node: Node) -> None:
    assert await reason(node, node.network.leaf(CALLER, uris=[])) == "IDENTITY_NOT_SINGLE"


async def test_an_uri_of_another_scheme_is_refused(node: Node) -> None:
    pair = node.network.leaf(CALLER, uris=[f"https://{DOMAIN}/municipal/131016"])

    assert await reason(node, pair) == "IDENTITY_MALFORMED"


async def test_a_municipality_of_another_prefecture_in_this_ones_domain_is_refused(node: Node) -> None:
    pair = node.network.leaf(CALLER, uris=[f"spiffe://{DOMAIN}/municipal/141003"])

    assert await reason(node, pair) == "IDENTITY_MALFORMED"


async def test_an_identity_in_another_authoritys_domain_ends_the_handshake(node: Node) -> None:
    issuer = node.network.issuers[f"14.{ROOT}"]
    pair = make_leaf(issuer, "municipal/141003", uris=[CALLER_ID.uri])

    assert await unreachable(node.channel(pair))


async def test_an_authority_without_name_constraints_is_refused(node: Node) -> None:
    issuer = make_issuer(node.network.root, DOMAIN, constrained=False)

    assert await reason(node, make_leaf(issuer, CALLER)) == "ISSUER_NOT_TRUSTED"


async def test_a_certificate_of_a_root_unknown_ends_the_handshake(node: Node) -> None:
    pair = make_leaf(make_issuer(make_root(), DOMAIN), CALLER)

    assert await unreachable(node.channel(pair))


async def test_a_client_without_a_certificate_ends_the_handshake(node: Node) -> None:
    credentials = grpc.ssl_channel_credentials(node.network.root.leaf_pem)
    name = [("grpc.ssl_target_name_override", node_id(NODE, ROOT).dns_name)]

    assert await unreachable(grpc.aio.secure_channel(f"localhost:{node.port}", credentials, name))


async def test_a_key_that_signs_no_handshakes_is_refused(node: Node) -> None:
    pair = node.network.leaf(CALLER, usages=[ExtendedKeyUsageOID.SERVER_AUTH])

    # gRPC's own check of the purpose comes first; the guard's is tested without a handshake.
    assert await unreachable(node.channel(pair))


async def test_a_certificate_revoked_on_an_open_channel_is_refused(node: Node) -> None:
    pair = node.network.leaf(CALLER)
    async with node.channel(pair) as channel:
        say = Stub(channel).say
        await say(Words(text="a"), timeout=5)

        node.network.revoke(DOMAIN, pair.certificate.serial_number)

        assert await _refused_within(1.0, say) == "CERTIFICATE_REVOKED"


@pytest.mark.parametrize("end", ["revoked", "suspended"])
async def test_the_log_says_whose_certificate_no_longer_counts(
    node: Node, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    pair = node.network.leaf(CALLER)
    if end == "revoked":
        node.network.revoke(DOMAIN, pair.certificate.serial_number)
    else:
        node.network.suspend(CALLER_ID)

    async with node.channel(pair) as channel:
        reason = await _refused_within(2.0, Stub(channel).say)

    (told,) = {(one.reason, one.peer) for one in caplog.records if hasattr(one, "peer") and hasattr(one, "reason")}
    assert told == (reason, CALLER)


async def test_a_forged_or_older_revocation_list_changes_nothing(node: Node) -> None:
    pair, other = node.network.leaf(CALLER), node.network.leaf("municipal/131024")
    node.network.revoke(DOMAIN, pair.certificate.serial_number)
    path = node.network.trust / "crl" / f"{DOMAIN}.crl"
    async with node.channel(pair) as channel, node.channel(other) as open_channel:
        assert await _refused_within(1.0, Stub(channel).say) == "CERTIFICATE_REVOKED"
        issuer = node.network.issuers[DOMAIN]
        long_ago = datetime.now(UTC) - timedelta(days=1)
        for worthless in (
            b"noise",
            make_list(issuer, other.certificate.serial_number, key=make_root().key),
            make_list(issuer, begins=long_ago),
        ):
            replace_file(path, worthless)
            await asyncio.sleep(0.4)

            assert (await refused(Stub(channel).say(Words(text="a"), timeout=5))).reason == "CERTIFICATE_REVOKED"
            assert (await Stub(open_channel).say(Words(text="a"), timeout=5)).text == "a"


async def test_a_node_suspended_on_an_open_channel_is_refused_until_it_is_not(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        say = Stub(channel).say
        await say(Words(text="a"), timeout=5)

        node.network.suspend(CALLER_ID)
        suspended = await _refused_within(1.0, say)
        node.network.suspend()
        await asyncio.sleep(0.6)
        answer = await say(Words(text="b"), timeout=5)

    assert (suspended, answer.text) == ("NODE_SUSPENDED", "b")


@pytest.mark.parametrize("kind", ["repeat", "talk", "gather"])
async def test_an_open_stream_is_cut_within_a_second_of_the_suspension(node: Node, kind: str) -> None:
    async def silent() -> Any:
        yield Words(text="a")
        await asyncio.sleep(30)

    async with node.channel(node.network.leaf(CALLER)) as channel:
        request = Words(text="a") if kind == "repeat" else silent()
        call = getattr(Stub(channel), kind)(request, timeout=30)
        if kind != "gather":
            await call.read()

        node.network.suspend(CALLER_ID)
        began = time.monotonic()
        refusal = await refused(call if kind == "gather" else _drained(call))

    assert refusal.reason == "NODE_SUSPENDED"
    assert time.monotonic() - began < 1.0
    assert [each.reason for _, each in node.recorded] == ["NODE_SUSPENDED"]


async def test_a_root_that_is_taken_away_ends_trust_on_open_channels(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        await Stub(channel).say(Words(text="a"), timeout=5)

        replace_file(node.network.trust / "roots.crt", make_root("another root").leaf_pem)

        assert await _refused_within(1.0, Stub(channel).say) == "ISSUER_NOT_TRUSTED"


async def test_a_certificate_that_expires_on_an_open_channel_is_refused(node: Node) -> None:
    now = datetime.now(UTC)
    pair = node.network.leaf(CALLER, begins=now - timedelta(minutes=1), lifetime=timedelta(minutes=1, seconds=2))
    async with node.channel(pair) as channel:
        await Stub(channel).say(Words(text="a"), timeout=5)

        assert await _refused_within(4.0, Stub(channel).say) == "CERTIFICATE_EXPIRED"


async def test_a_server_with_another_identity_is_not_spoken_to(node: Node) -> None:
    other = node_id("prefecture/14", ROOT).dns_name

    assert await unreachable(node.channel(node.network.leaf(CALLER), server_name=other))
    assert node.echo.seen == []


async def test_a_classical_group_of_a_peer_that_only_calls_passes_where_the_settings_say_so(network: Network) -> None:
    async with running(network, classical_callers=True) as node:
        _, answer = await raw_answer(node, ssl.TLSVersion.TLSv1_3, "counter/131016-1")
        _, of_a_node = await raw_answer(node, ssl.TLSVersion.TLSv1_3)

    # The counter came past the guard, to the access table.
    assert b"METHOD_NOT_PERMITTED" in answer
    assert b"KEY_EXCHANGE_NOT_POST_QUANTUM" in of_a_node


async def test_a_strict_node_refuses_peers_whose_revocation_list_is_missing(network: Network) -> None:
    (network.trust / "crl" / f"{DOMAIN}.crl").unlink()
    async with running(network, require_fresh_lists=True) as node:
        assert await reason(node, network.leaf(CALLER)) == "REVOCATION_UNKNOWN"


async def unreachable(channel: grpc.aio.Channel) -> bool:
    """Tells whether a call fails without having reached the gate."""
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await Stub(channel).say(Words(text="a"), timeout=5)
    return failed.value.code() is grpc.StatusCode.UNAVAILABLE and refusal_of(failed.value) is None


async def _drained(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def _refused_within(seconds: float, say: Any) -> str:
    """Returns the reason of the first refusal; fails when calls are answered for longer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            await say(Words(text="a"), timeout=5)
        except grpc.aio.AioRpcError as error:
            return (error.details() or "").partition(":")[0]
        await asyncio.sleep(0.05)
    raise AssertionError("the caller is still answered")
