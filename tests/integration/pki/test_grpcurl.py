"""Go's certificate verification, by way of grpcurl, judges the same chains as gRPC's and openssl's do."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.pki.authority import Pki
from tests.integration.pki.makers import Pair, forge, issuer_of, pair_of, settings
from tests.integration.pki.test_handshake import echo_server

GRPCURL = Path(sys.executable).with_name("grpcurl")
CONNECTED = "server does not support the reflection API"


async def list_services(pki: Pki, server: Pair, name: str) -> str:
    """Asks a server, verified by name, for its services; returns what grpcurl says."""
    keys = pki.issue("relying/pension")
    identity = ["-cacert", pki.trust.path / "roots.crt", "-cert", keys / "tls.crt", "-key", keys / "tls.key"]
    async with echo_server(pki, server) as port:
        arguments = [*map(str, identity), "-max-time", "5", "-servername", name, f"127.0.0.1:{port}", "list"]
        process = await asyncio.create_subprocess_exec(GRPCURL, *arguments, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
        return said.decode()


@pytest.mark.parametrize("development", [True, False])
async def test_an_issued_server_is_accepted(tmp_path: Path, development: bool) -> None:
    pki = Pki(tmp_path, replace(settings(), development=development))
    pki.init()

    said = await list_services(pki, pair_of(pki.issue("prefecture/13")), "13.prefecture.13.juki.example")

    assert CONNECTED in said


async def test_a_server_for_development_is_reached_as_localhost(pki: Pki) -> None:
    assert CONNECTED in await list_services(pki, pair_of(pki.issue("prefecture/13")), "localhost")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("spiffe://14.juki.example/prefecture/14", "13.prefecture.13.juki.example"),
        ("spiffe://13.juki.example/prefecture/13", "14.prefecture.14.juki.example"),
    ],
)
async def test_a_server_vouched_for_by_the_wrong_authority_is_refused(pki: Pki, uri: str, name: str) -> None:
    said = await list_services(pki, forge(issuer_of(pki, "13"), [uri], [name]), name)

    assert "is not authorized to sign for this name" in said
