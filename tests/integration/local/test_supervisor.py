"""Does a small real federation come up, heal, and go down without leaving anything behind?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.layout import CHECKOUT, Layout
from deploy.local.state import Phase, RunState, is_locked, read

pytestmark = pytest.mark.timeout(180)

_TOPOLOGY = """
trust_domain_root = "juki.example"
[[node]]
name = "agency/national"
port = {0}
title = "指定情報処理機関"
[[node]]
name = "prefecture/13"
port = {1}
title = "東京都"
[[node]]
name = "municipal/131032"
port = {2}
title = "東京都港区"
[[auditor]]
id = "board"
"""
_ONE_MORE = """
[[node]]
name = "municipal/131041"
port = {0}
title = "東京都新宿区"
"""


class Run:
    """A local run in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory / "run")
        self.file = directory / "topology.toml"
        self.ports = _free_ports(4)
        self.file.write_text(_TOPOLOGY.format(*self.ports), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        options = ["--topology", str(self.file), "--state", str(self.layout.root)]
        return [sys.executable, "-m", "deploy.local", *options, *arguments]

    def do(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}", "COLUMNS": "200"}
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, cwd=CHECKOUT, env=environment, check=False
        )

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}"}
        return subprocess.Popen(
            self.command(*arguments),
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def state(self) -> RunState:
        state = read(self.layout.state)
        assert state is not None
        return state

    def processes(self) -> list[psutil.Process]:
        """Everything on this machine that names this run in its command."""
        return [process for process in psutil.process_iter() if _names(process, str(self.layout.root))]

    def is_gone(self) -> bool:
        return not self.processes() and not is_locked(self.layout)


@pytest.fixture
def run(place: Path) -> Iterator[Run]:
    run = Run(place)
    yield run
    run.do("down")
    assert run.is_gone()
    if run.layout.socket_directory.exists():
        run.layout.socket_directory.rmdir()


def test_a_federation_comes_up_heals_and_goes_down(run: Run) -> None:
    started = run.do("up")
    assert started.returncode == 0, started.stderr
    assert run.do("up").returncode == 0
    assert run.do("status").returncode == 0

    victim = run.state.processes["municipal/131032"].pid
    os.kill(victim, signal.SIGKILL)
    _until(lambda: _restarted(run, "municipal/131032"))
    assert run.do("status").returncode == 0

    supervisor = run.state.pid
    os.kill(supervisor, signal.SIGKILL)
    assert run.do("up").returncode == 0, "after a supervisor that was killed"
    assert run.state.pid != supervisor

    stopped = run.do("down")
    assert stopped.returncode == 0
    assert "Stopped 4 processes" in stopped.stdout
    assert run.is_gone()
    assert run.do("down").returncode == 0


def test_a_municipality_more_is_a_stanza_more(run: Run) -> None:
    run.file.write_text(run.file.read_text(encoding="utf-8") + _ONE_MORE.format(run.ports[3]), encoding="utf-8")

    started = run.do("up")

    assert started.returncode == 0, started.stderr
    assert run.state.processes["municipal/131041"].state == "ready"


def test_a_port_that_is_taken_is_named_and_nothing_is_left(run: Run) -> None:
    with socket.create_server(("127.0.0.1", run.ports[1]), reuse_port=True):
        started = run.do("up")

    assert started.returncode == 1
    assert "PORT_TAKEN" in started.stderr
    assert "prefecture/13" in started.stderr
    assert run.is_gone()


def test_a_broken_topology_is_refused_before_anything_is_started(run: Run) -> None:
    run.file.write_text(run.file.read_text(encoding="utf-8").replace("131032", "131033"), encoding="utf-8")

    started = run.do("up")

    assert started.returncode == 1
    assert "TOPOLOGY_CODE_MALFORMED" in started.stderr
    assert not run.layout.root.exists()


@pytest.mark.parametrize(
    ("how", "after"), [("up", "Issuing"), ("up --foreground", "Starting PostgreSQL"), ("up", "Starting 東京都")]
)
def test_ctrl_c_during_the_start_leaves_nothing(run: Run, how: str, after: str) -> None:
    start = run.begin(*how.split())
    _until(lambda: _at_step(run, after))

    start.send_signal(signal.SIGINT)

    start.wait(60)
    assert run.is_gone()


def test_ctrl_c_ends_a_federation_in_the_foreground(run: Run) -> None:
    start = run.begin("up", "--foreground")
    _until(lambda: _is_ready(run))

    start.send_signal(signal.SIGINT)

    assert start.wait(60) == 0
    assert run.state.phase is Phase.STOPPED
    assert run.is_gone()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _names(process: psutil.Process, word: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and any(word in each for each in process.cmdline())
    except psutil.Error:
        return False


def _is_ready(run: Run) -> bool:
    state = read(run.layout.state)
    return state is not None and state.phase is Phase.READY


def _at_step(run: Run, text: str) -> bool:
    state = read(run.layout.state)
    return state is not None and any(step.text.startswith(text) for step in state.steps)


def _restarted(run: Run, name: str) -> bool:
    process = run.state.processes[name]
    return process.restarts == 1 and process.state == "ready"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
