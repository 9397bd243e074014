"""A witness that runs alone, as a process, asked over HTTP by a client written from the standard."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.pki.witnesses import ensure_witness_keys
from services.foundation.audit.checkpoint import open_checkpoint
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.witness.endpoints import HttpEndpoint
from services.foundation.witness.rules import Status, format_addition
from tests.witnessing import LOG, OTHER_LOG, Tree

ROOM = Path(__file__).parents[3]
NAME = "witness.auditor-board.juki.example"
TREE, FORK = Tree(60), Tree(60, "another")


@dataclass
class Running:
    """A witness's process and the directories that it runs on."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        keys = self.directory / "keys"
        keys.mkdir(exist_ok=True)
        ensure_witness_keys(keys, NAME)
        (self.directory / "logs.vkeys").write_text(f"# one log\n{LOG.vkey}\n")
        options = {"--name": NAME, "--keys": keys, "--logs": self.directory / "logs.vkeys", "--prefix": "/w/",
                   "--state": self.directory / "state", "--listen": f"127.0.0.1:{self.port}"}  # fmt: skip
        command = [sys.executable, "-m", "services.witness", *(str(word) for pair in options.items() for word in pair)]
        environment = {**os.environ, "PYTHONPATH": f"{ROOM}:{ROOM / 'gen'}"}
        self.process = subprocess.Popen(command, cwd=ROOM, env=environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self._listens():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body)
        response = connection.getresponse()
        answer = response.status, response.getheader("Content-Type", ""), response.read().decode()
        connection.close()
        return answer

    def add(self, old: int, new: int, tree: Tree = TREE) -> tuple[int, str, str]:
        return self.ask("POST", "/w/add-checkpoint", tree.addition(old, new).encode())

    def raw(self, content: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=15) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = Running(tmp_path, port)
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        assert running.stop() == 0


def test_it_answers_as_the_standard_says(running: Running) -> None:
    keys = [parse_vkey(line) for line in (running.directory / "keys" / "witness.vkeys").read_text().split()]

    code, _, lines = running.add(0, 7)
    assert code == 200
    _, opened = open_checkpoint(TREE.note(7) + lines, [LOG.verifier, *keys], LOG.name)
    assert len(opened.verified) == 3

    assert running.add(0, 20) == (409, "text/x.tlog.size", "7\n")
    assert running.add(7, 20)[0] == 200
    assert running.add(20, 20)[0] == 200
    assert running.add(20, 20, FORK)[0] == 422
    assert running.ask("POST", "/w/add-checkpoint", format_addition(20, [], FORK.note(40)).encode())[0] == 422
    assert running.ask("POST", "/w/add-checkpoint", format_addition(21, [], TREE.note(20)).encode())[0] == 400
    assert running.ask("POST", "/w/add-checkpoint", b"nonsense")[0] == 400
    assert running.ask("POST", "/w/add-checkpoint", format_addition(0, [], OTHER_LOG.sign(
        TREE.checkpoint(3).text())).encode())[0] == 403  # fmt: skip
    other = TREE.note(3).replace(LOG.name, OTHER_LOG.name)
    assert running.ask("POST", "/w/add-checkpoint", format_addition(0, [], other).encode())[0] == 404
    path = f"/w/{hashlib.sha256(LOG.name.encode()).hexdigest()}/checkpoint"
    code, _, note = running.ask("GET", path)
    assert (code, open_checkpoint(note, [LOG.verifier, *keys], LOG.name)[0]) == (200, TREE.checkpoint(20))
    assert len(list((running.directory / "state" / "evidence").iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404), (b"GET /w/add-checkpoint HTTP/1.1\r\n\r\n", 405),
        (b"GET /w/" + b"0" * 64 + b"/checkpoint HTTP/1.1\r\n\r\n", 404), (b"nonsense\r\n\r\n", 400),
        (b"GET /w/../x HTTP/1.1\r\n\r\n", 404), (b"POST /w/add-checkpoint HTTP/1.1\r\n\r\n", 411),
        (b"POST /w/add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /w/add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /w/add-checkpoint HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /w/add-checkpoint HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 9000, 431), (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_a_wrong_request_is_answered_and_harms_nobody(running: Running, content: bytes, code: int) -> None:
    assert running.raw(content).startswith(b"HTTP/1.1 %d " % code)

    assert running.add(0, 1)[0] == 200


def test_a_connection_serves_several_requests(running: Running) -> None:
    body = TREE.addition(0, 1).encode()
    request = b"POST /w/add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    assert running.raw(request + b"GET /w/x HTTP/1.0\r\n\r\n").count(b"HTTP/1.1 ") == 2


def test_a_body_that_does_not_come_whole_changes_nothing(running: Running) -> None:
    body = TREE.addition(0, 5).encode()
    request = b"POST /w/add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-10]

    assert running.raw(request) == b""
    assert running.add(0, 3)[0] == 200


def test_killed_at_any_time_it_never_vouches_for_less(running: Running) -> None:
    promised = 0
    for size in range(1, 9):
        assert running.add(promised, size)[0] == 200
        promised = size
        running.stop(signal.SIGKILL)
        running.start()
        assert running.add(0, 60)[2] == f"{promised}\n"
        assert running.add(promised, promised, FORK)[0] == 422


def test_two_processes_do_not_share_a_state(running: Running) -> None:
    assert running.process is not None
    command = [*running.process.args, "--listen", "127.0.0.1:0"]  # type: ignore[misc] # a list of words
    environment = {**os.environ, "PYTHONPATH": f"{ROOM}:{ROOM / 'gen'}"}

    second = subprocess.run(command, cwd=ROOM, env=environment, capture_output=True, text=True, timeout=30, check=False)

    assert second.returncode == 2
    assert "WITNESS_STATE_UNUSABLE" in second.stderr


async def test_our_own_client_reaches_it(running: Running) -> None:
    endpoint = HttpEndpoint(f"http://127.0.0.1:{running.port}/w")

    assert await endpoint.checkpoint(LOG.name, 5) is None
    assert (await endpoint.add_checkpoint(TREE.addition(0, 5), 5)).status is Status.COSIGNED
    assert (await endpoint.add_checkpoint(TREE.addition(4, 9), 5)).body == "5\n"
    assert await endpoint.checkpoint(LOG.name, 5) is not None
    await asyncio.to_thread(running.stop)
    with pytest.raises(OSError, match="refused"):
        await endpoint.checkpoint(LOG.name, 5)
