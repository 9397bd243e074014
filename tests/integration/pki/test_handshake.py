"""gRPC's own TLS accepts issued pairs over a real connection and refuses those an authority may not vouch for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from deploy.pki.authority import Pki
from tests.integration.pki.makers import Pair, forge, issuer_of, pair_of, settings

METHOD = "/tests.Echo/Say"
PREFECTURE = "13.prefecture.13.juki.example"


@asynccontextmanager
async def echo_server(pki: Pki, pair: Pair) -> AsyncIterator[int]:
    """Serves an answer that lists what TLS says of the caller; yields its port on the loopback."""

    async def say(_request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        facts = context.auth_context()
        names = ("ssl_tls_version", "ssl_negotiated_key_exchange_group", "peer_uri")
        return b"\n".join(value for name in names for value in facts.get(name, ()))

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(say)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Echo", {"Say": handler}),))
    roots = (pki.trust.path / "roots.crt").read_bytes()
    credentials = grpc.ssl_server_credentials([(pair.key, pair.chain)], roots, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def call(pki: Pki, port: int, pair: Pair, server_name: str = PREFECTURE) -> list[str]:
    """Calls the echo server, verifying it by name; returns what it saw, line by line."""
    roots = (pki.trust.path / "roots.crt").read_bytes()
    credentials = grpc.ssl_channel_credentials(roots, pair.key, pair.chain)
    options = [("grpc.ssl_target_name_override", server_name)]
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        say: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        said = await say(b"", timeout=5)
        return said.decode().split("\n")


async def refused(pki: Pki, port: int, pair: Pair, server_name: str = PREFECTURE) -> grpc.StatusCode:
    """Calls the echo server and returns the status with which the connection failed."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call(pki, port, pair, server_name)
    return failure.value.code()


async def test_issued_pairs_speak_the_newest_tls(pki: Pki) -> None:
    async with echo_server(pki, pair_of(pki.issue("prefecture/13"))) as port:
        said = await call(pki, port, pair_of(pki.issue("municipal/131016")))

    assert said == ["TLSv1.3", "X25519MLKEM768", "spiffe://13.juki.example/municipal/131016"]


async def test_a_client_of_another_domain_is_known_by_its_own_name(pki: Pki) -> None:
    async with echo_server(pki, pair_of(pki.issue("prefecture/13"))) as port:
        said = await call(pki, port, pair_of(pki.issue("relying/pension")))

    assert said[-1] == "spiffe://national.juki.example/relying/pension"


@pytest.mark.parametrize(
    ("uri", "accepted"),
    [("spiffe://13.juki.example/prefecture/13", True), ("spiffe://14.juki.example/prefecture/14", False)],
)
async def test_a_caller_vouched_for_by_the_wrong_authority_is_refused(pki: Pki, uri: str, accepted: bool) -> None:
    forged = forge(issuer_of(pki, "13"), [uri], [])

    async with echo_server(pki, pair_of(pki.issue("prefecture/13"))) as port:
        if accepted:
            assert (await call(pki, port, forged))[-1] == uri
        else:
            assert await refused(pki, port, forged) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(("name", "accepted"), [(PREFECTURE, True), ("14.prefecture.14.juki.example", False)])
async def test_a_server_vouched_for_by_the_wrong_authority_is_refused(pki: Pki, name: str, accepted: bool) -> None:
    forged = forge(issuer_of(pki, "13"), ["spiffe://13.juki.example/prefecture/13"], [name])
    caller = pair_of(pki.issue("municipal/131016"))

    async with echo_server(pki, forged) as port:
        if accepted:
            assert await call(pki, port, caller, name)
        else:
            assert await refused(pki, port, caller, name) is grpc.StatusCode.UNAVAILABLE


async def test_a_server_cannot_pass_for_another(pki: Pki) -> None:
    caller = pair_of(pki.issue("municipal/131016"))

    async with echo_server(pki, pair_of(pki.issue("prefecture/13"))) as port:
        assert await refused(pki, port, caller, "national.agency.national.juki.example") is grpc.StatusCode.UNAVAILABLE


async def test_two_uris_pass_tls_and_are_seen_by_the_server(pki: Pki) -> None:
    uris = ["spiffe://13.juki.example/prefecture/13", "spiffe://13.juki.example/municipal/131016"]

    async with echo_server(pki, pair_of(pki.issue("prefecture/13"))) as port:
        said = await call(pki, port, forge(issuer_of(pki, "13"), uris, []))

    assert said[-2:] == uris


async def test_a_signing_key_opens_no_connection(pki: Pki) -> None:
    directory = pki.issue("municipal/131016")

    async with echo_server(pki, pair_of(pki.issue("prefecture/13"))) as port:
        assert await refused(pki, port, pair_of(directory, "signing")) is grpc.StatusCode.UNAVAILABLE


async def test_issued_pairs_of_a_deployment_speak_too(tmp_path: Path) -> None:
    pki = Pki(tmp_path, replace(settings(), development=False))
    pki.init()

    async with echo_server(pki, pair_of(pki.issue("prefecture/13"))) as port:
        said = await call(pki, port, pair_of(pki.issue("municipal/131016")))

    assert said[-1] == "spiffe://13.juki.example/municipal/131016"


async def test_a_client_of_another_network_is_refused(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Pki(tmp_path_factory.mktemp("other"), pki.settings)
    other.init()
    stranger = pair_of(other.issue("municipal/131016"))

    async with echo_server(pki, pair_of(pki.issue("prefecture/13"))) as port:
        assert await refused(pki, port, stranger) is grpc.StatusCode.UNAVAILABLE
