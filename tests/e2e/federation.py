"""A federation of real processes under the supervisor, on free ports, in a directory of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.local import topology
from deploy.local.layout import CHECKOUT, Layout
from deploy.local.processes import see
from deploy.local.state import Phase, ProcessState, RunState, is_locked, read
from deploy.pki.authority import Pki, load_settings

AGENCY = "agency/national"
TOKYO = "prefecture/13"
KANAGAWA = "prefecture/14"
CHIYODA, SHINJUKU, YOKOHAMA, YOKOSUKA = "131016", "131041", "141003", "142018"
_PATIENCE_S = 90.0


class Federation:
    """What is run from `deploy/topology.toml` with other ports; `otlp_endpoint` gets the nodes' telemetry."""

    def __init__(self, directory: Path, otlp_endpoint: str) -> None:
        self.layout = Layout(directory / "run")
        self._file = directory / "topology.toml"
        text = (CHECKOUT / "deploy" / "topology.toml").read_text("utf-8")
        self._file.write_text(f'otlp_endpoint = "{otlp_endpoint}"\n{_with_free_ports(text)}', "utf-8")
        self.topology = topology.load(self._file)

    def up(self) -> None:
        """Starts everything and returns when every node is ready."""
        said = self._do("up")
        assert said.returncode == 0, said.stdout + said.stderr

    def down(self) -> None:
        """Stops everything."""
        said = self._do("down")
        assert said.returncode == 0, said.stdout + said.stderr
        assert not is_locked(self.layout)

    @property
    def pki(self) -> Pki:
        """The ceremony of this federation."""
        return Pki(self.layout.pki, load_settings(CHECKOUT / "deploy" / "pki" / "ceremony.toml"))

    @property
    def processes(self) -> dict[str, ProcessState]:
        """The processes as the supervisor sees them, by name."""
        return self._state.processes

    def port(self, node: str) -> int:
        """Returns the port that a node serves on."""
        return self.topology.node(node).port

    def kill(self, name: str) -> None:
        """Kills a process with SIGKILL; the supervisor starts it again."""
        before = self.processes[name]
        os.kill(before.pid, signal.SIGKILL)
        until(lambda: not see(before.pid, before.marker).is_alive())

    def settle(self) -> None:
        """Returns when the supervisor has seen every process ready since it was last started."""
        until(lambda: all(_is_ready(process) for process in self.processes.values()))

    @contextmanager
    def away(self, node: str) -> Iterator[None]:
        """Keeps a node from running while the block runs, and returns when it is ready again."""
        settings = self.layout.settings(self.topology.node(node).identity)
        hidden = settings.with_name("node.toml.away")
        settings.rename(hidden)
        try:
            self.kill(node)
            yield
        finally:
            hidden.rename(settings)
        self.settle()

    @property
    def _state(self) -> RunState:
        state = read(self.layout.state)
        assert state is not None
        assert state.phase is Phase.READY
        return state

    def _do(self, command: str) -> subprocess.CompletedProcess[str]:
        options = ["--topology", str(self._file), "--state", str(self.layout.root)]
        return subprocess.run(
            [sys.executable, "-m", "deploy.local", *options, command],
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}", "COLUMNS": "200"},
            timeout=_PATIENCE_S * 2,
            check=False,
        )


def until(condition: Callable[[], bool]) -> None:
    """Waits until something is the case; for at most a minute and a half."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_ready(process: ProcessState) -> bool:
    return process.state == "ready" and process.seen.is_alive()


def _with_free_ports(text: str) -> str:
    with ExitStack() as stack:
        count = len(re.findall(r"^(?:witness_)?port = ", text, re.MULTILINE))
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        ports = iter([one.getsockname()[1] for one in sockets])
        return re.sub(
            r"^((?:witness_)?port) = \d+", lambda found: f"{found[1]} = {next(ports)}", text, flags=re.MULTILINE
        )
