"""Starts the federation: in this terminal, or in the background with its progress shown here."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.local import machine, topology
from deploy.local.child import Policy
from deploy.local.down import stop_supervisor
from deploy.local.layout import CHECKOUT, Layout
from deploy.local.refusals import StartFailed
from deploy.local.state import Phase, RunState, Step, held_lock, is_locked, read
from deploy.local.supervisor import Supervisor
from services.foundation.refusals import Refusal

_POLL_S = 0.1


def supervise(file: Path, layout: Layout, policy: Policy, console: Console | None) -> int:
    """Runs the supervisor in this process until it is told to stop; returns the exit code."""
    wanted = topology.load(file)
    with held_lock(layout), machine.disk_errors(layout.root):
        earlier = read(layout.state)
        left = {f"earlier {name}": process for name, process in earlier.processes.items()} if earlier else {}
        state = RunState(os.getpid(), fingerprint(file), processes=left)
        state.write(layout.state)
        final = asyncio.run(Supervisor(wanted, layout, state, policy, console).run())
    if final.failure:
        report = console or Console(stderr=True)
        report.print(explain(final.failure), style="bold red", markup=False)
    return 1 if final.failure else 0


def start(file: Path, layout: Layout, policy: Policy, console: Console) -> RunState:
    """Starts the supervisor in the background, shows its steps, and returns when everything is ready.

    Ctrl-C, or anything else that ends this wait, ends the supervisor too. When one runs already, its state is
    returned as it is, or its start is followed. Refuses as the supervisor does.
    """
    topology.load(file)
    if is_locked(layout):
        return _follow_running(file, layout, console)
    machine.check_python()
    layout.logs.mkdir(parents=True, exist_ok=True)
    machine.check_disk(layout.root)
    with (layout.logs / "supervisor.log").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", *_options(file, layout, policy), "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}"},
            start_new_session=True,
        )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return _follow(layout, console, supervisor.pid, supervisor)
    except KeyboardInterrupt:
        console.print("Stopping ...")
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait()
        raise


def fingerprint(file: Path) -> str:
    """Identifies the content of a topology file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def explain(failure: dict[str, str]) -> str:
    """Writes a refusal for a person: the reason, what to do, and the facts."""
    facts = ", ".join(f"{key} {value}" for key, value in failure.items() if key not in ("reason", "advice"))
    return f"{failure['reason']}: {failure['advice']}" + (f" ({facts})" if facts else "")


def _follow_running(file: Path, layout: Layout, console: Console) -> RunState:
    running = read(layout.state)
    if running is None or running.phase is Phase.STOPPING:
        stop_supervisor(layout)
        raise StartFailed("an earlier run was still stopping; start again", process="supervisor", log=str(layout.logs))
    if running.topology != fingerprint(file):
        console.print("The topology has changed since the start: `make down up` applies it.", style="yellow")
    if running.phase is Phase.READY:
        return running
    return _follow(layout, console, running.pid, None)


def _follow(layout: Layout, console: Console, pid: int, supervisor: subprocess.Popen[bytes] | None) -> RunState:
    """Shows the steps of a start until it is ready; refuses START_FAILED, or with what the supervisor says."""
    shown = 0
    while True:
        ended = supervisor.poll() is not None if supervisor else not is_locked(layout)
        state = read(layout.state)
        if state is not None and state.pid == pid:
            shown = _show(state.steps, shown, console)
            if state.phase is Phase.READY:
                return state
        if ended:
            raise _failure(state if state is not None and state.pid == pid else None, layout)
        time.sleep(_POLL_S)


def _show(steps: list[Step], shown: int, console: Console) -> int:
    for step in steps[shown:]:
        if step.seconds is None:
            break
        console.print(f"  [green]✓[/green] {escape(step.text)} [dim]{step.seconds:.1f} s[/dim]")
        shown += 1
    return shown


def _failure(state: RunState | None, layout: Layout) -> Refusal:
    log = str(layout.logs / "supervisor.log")
    if state is None or not state.failure:
        return StartFailed("the supervisor ended; read its log", process="supervisor", log=log)
    return StartFailed(explain(state.failure), process="supervisor", log=log)


def _options(file: Path, layout: Layout, policy: Policy) -> list[str]:
    options = ["--topology", str(file.resolve()), "--state", str(layout.root)]
    return options if policy.restart else [*options, "--no-restart"]
