"""Strangers judge a witnessed log: golang.org/x/mod, and, where a Python is new enough, aics-tlog and aics-witness."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.links import is_listening
from services.foundation.audit.log import AuditLog
from services.foundation.audit.note import format_vkey
from services.foundation.audit.policy import format_policy, parse_policy
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.tile_store import TileStore
from services.foundation.clock import SystemClock
from services.foundation.witness.endpoints import HttpEndpoint
from services.foundation.witness.witness import Witness
from services.foundation.witness.witnessing import Witnessing
from services.witness.http import WitnessServer
from services.witness.store import FileWitnessStore
from tests.integration.audit.makers import ORIGIN, SIGNER, make_entry
from tests.integration.audit.test_outside import VERIFIER
from tests.integration.audit.test_witnessed import Scene
from tests.witnessing import make_cosigner

JUDGES = Path(__file__).parent / "python-judges"
WITNESS_KEYS = [format_vkey(make_cosigner(number).verifiers[0]) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def go_verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go command on this machine, so its verifier cannot be built")
    binary = tmp_path_factory.mktemp("go") / "go-verifier"
    command = [go, "build", "-o", str(binary), "."]
    built = subprocess.run(command, cwd=VERIFIER, capture_output=True, text=True, timeout=110, check=False)
    if built.returncode and "dial tcp" in built.stderr:
        pytest.skip(f"golang.org/x/mod cannot be had: {built.stderr}")
    assert built.returncode == 0, built.stderr
    return binary


def _pythons() -> Iterator[str]:
    """Yields the commands of Pythons that are new enough for the judges."""
    named = [os.environ.get("JUKI_JUDGE_PYTHON"), *(f"python3.{minor}" for minor in (12, 13, 14))]
    homes = sorted(Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python"))
    for command in (*(shutil.which(name) for name in named if name), *(str(home) for home in homes)):
        if command and subprocess.run([command, "--version"], capture_output=True, check=False).returncode == 0:
            yield command


@pytest.fixture(scope="module")
def judge_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in which other people's verifier and witness are installed."""
    python = next(_pythons(), None)
    if python is None:
        pytest.skip("no Python 3.12 or newer, which aics-tlog needs; JUKI_JUDGE_PYTHON may name one")
    place = tmp_path_factory.mktemp("judges")
    subprocess.run([python, "-m", "venv", place], check=True, timeout=60)
    requirements = JUDGES / "requirements.txt"
    install = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
    done = subprocess.run([*install, str(requirements)], capture_output=True, text=True, timeout=100, check=False)
    if done.returncode:
        pytest.skip(f"aics-tlog and aics-witness cannot be installed: {done.stderr[-300:]}")
    return place / "bin" / "python"


@pytest.fixture
def scene(pool: asyncpg.Pool[asyncpg.Record], store: TileStore, log: AuditLog, tmp_path: Path) -> Scene:
    return Scene(pool, store, log, tmp_path / "witnesses")


async def _go(binary: Path, directory: Path, quorum: int, witnesses: list[str]) -> int:
    options = [option for key in witnesses for option in ("-witness", key)]
    command = [str(binary), "-quorum", str(quorum), *options, str(directory), SIGNER.vkey]
    return (await asyncio.to_thread(subprocess.run, command, timeout=60, check=False)).returncode


async def test_go_verifies_the_cosignatures(scene: Scene, store: TileStore, go_verifier: Path) -> None:
    scene.of(3).away = True
    await scene.grow(300)

    assert await _go(go_verifier, store.directory, 2, WITNESS_KEYS) == 0
    assert await _go(go_verifier, store.directory, 3, WITNESS_KEYS) == 1
    note = store.checkpoint()
    assert note is not None
    spoilt = note.splitlines(keepends=True)
    at = next(number for number, line in enumerate(spoilt) if " witness.2." in line)
    spoilt[at] = spoilt[at][:60] + ("A" if spoilt[at][60] != "A" else "B") + spoilt[at][61:]
    store.write_checkpoint("".join(spoilt))
    assert await _go(go_verifier, store.directory, 1, WITNESS_KEYS) == 1


async def _judge(python: Path, script: str, *words: str) -> dict[str, object]:
    command = [str(python), str(JUDGES / script), *words]
    said = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    answer: dict[str, object] = json.loads(said.stdout)
    return answer


@pytest.mark.timeout(240)
async def test_others_verifier_accepts_our_log_and_its_cosignatures(
    scene: Scene, store: TileStore, judge_python: Path
) -> None:
    for count in (100, 300):
        await scene.grow(count)

    said = await _judge(judge_python, "verify.py", str(store.directory), SIGNER.vkey, *WITNESS_KEYS)

    assert said == {"size": 400, "cosigned": 3, "entries": 400}


@pytest.mark.timeout(240)
async def test_others_client_is_answered_by_our_witness(
    scene: Scene, store: TileStore, judge_python: Path, tmp_path: Path
) -> None:
    await scene.grow(100)
    shutil.copy(store.directory / "checkpoint", tmp_path / "older")
    await scene.grow(200)
    (tmp_path / "alone" / "evidence").mkdir(parents=True)
    cosigner = make_cosigner(7)
    witness = Witness(cosigner, lambda _: [SIGNER.verifier], FileWitnessStore(tmp_path / "alone"), SystemClock())
    server = await WitnessServer(witness, lambda: [ORIGIN]).serve("127.0.0.1", 0)
    try:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        said = await _judge(
            judge_python,
            "submit.py",
            url,
            format_vkey(cosigner.verifiers[0]),
            str(store.directory),
            str(tmp_path / "older"),
        )
    finally:
        server.close()

    assert said == {"cosigned": [100, 300], "refused": 422}


async def _run(*command: str) -> str:
    said = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
    return said.stdout.strip()


async def _listening(port: int) -> None:
    for _ in range(600):
        if await is_listening(port):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the other witness does not listen")


@pytest.mark.timeout(240)
async def test_others_witness_cosigns_our_log(
    pool: asyncpg.Pool[asyncpg.Record], store: TileStore, log: AuditLog, judge_python: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(judge_python), "-m", "aics_witness"]
    settings = ["--config", str(tmp_path / "theirs.json")]
    name, listen = ["--name", "witness.theirs.example"], ["--listen", f"127.0.0.1:{port}"]
    vkey = await _run(*command, "init", *settings, *name, *listen)
    await _run(*command, "add-log", *settings, "--origin", ORIGIN, "--vkey", SIGNER.vkey)
    process = await asyncio.create_subprocess_exec(*command, "serve", *settings, stderr=subprocess.DEVNULL)
    try:
        await _listening(port)
        policy = parse_policy(format_policy(SIGNER.vkey, [("theirs", [vkey], f"http://127.0.0.1:{port}")], 1))
        publisher = Publisher(
            pool, store, SIGNER, witnessing=Witnessing(policy, ORIGIN, pool, HttpEndpoint, SystemClock())
        )
        for count in (5, 300, 1):
            async with pool.acquire() as connection:
                await log.append(connection, [make_entry(number) for number in range(count)])
            await publisher.publish()
    finally:
        process.terminate()
        await process.wait()

    note = store.checkpoint()
    assert note is not None
    assert policy.open(note, ORIGIN)[0].size == 306
