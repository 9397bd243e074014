"""A process that is killed at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.foundation.exchange.envelope import EnvelopeSigner
from tests.integration.exchange.conftest import Store
from tests.integration.exchange.nodes import Line, ReceivingNode, SendingNode, drain
from tests.streams import CITY, Pki, signers_of

_REPOSITORY = Path(__file__).parents[3]


def write_keys(directory: Path, pki: Pki, signer: EnvelopeSigner) -> None:
    certificates = [x509.load_der_x509_certificate(der) for der in signer.certificates]
    pem = signer._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "signing.key").write_bytes(pem)
    (directory / "signing.crt").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    (directory / "roots.crt").write_bytes(pki.root.public_bytes(Encoding.PEM))


async def run_and_kill(arguments: list[str], seconds: float) -> None:
    """Starts the worker and kills it without warning once it has worked for a while."""
    path = os.pathsep.join(str(each) for each in (_REPOSITORY, _REPOSITORY / "gen"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.exchange.worker",
        *arguments,
        env={**os.environ, "PYTHONPATH": path},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"working\n"
    await asyncio.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.timeout(120)
async def test_a_process_killed_again_and_again_loses_and_doubles_nothing(
    city_store: Store, prefecture_store: Store, pki: Pki, tmp_path: Path
) -> None:
    signer = pki.signer(CITY)
    chance = random.Random(3)
    for life in range(4):
        keys = tmp_path / f"life{life}"
        keys.mkdir()
        write_keys(keys, pki, signer)
        arguments = [city_store.urls.app, prefecture_store.urls.app, str(keys), str(keys)]
        await run_and_kill(arguments, chance.uniform(0.05, 0.4))

    prefecture = ReceivingNode(prefecture_store.database, signers_of(pki))
    await drain(SendingNode(city_store.database, signer).sender(Line(prefecture, CITY)))

    made = await city_store.column("SELECT note FROM register")
    arrived = await prefecture_store.column("SELECT note FROM register")
    envelopes = await city_store.column("SELECT sequence FROM outbox ORDER BY sequence")
    assert len(made) > 20
    assert sorted(map(str, arrived)) == sorted(map(str, made))
    assert envelopes == list(range(1, len(made) + 1))
    assert await prefecture_store.column("SELECT state FROM inbox WHERE state <> 'APPLIED'") == []
