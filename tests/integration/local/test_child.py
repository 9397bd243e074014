"""Is a process started, waited for, restarted and stopped, and does it die with its supervisor?"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deploy.local.child import Child, Policy, Spec
from deploy.local.layout import CHECKOUT
from deploy.local.logs import ProcessLog, tail
from deploy.local.processes import see
from deploy.local.refusals import StartFailed

_STAND_IN = """
import pathlib, signal, sys, time
print("hello 千代田区", flush=True)
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "broken" in sys.argv: sys.exit("cannot open the register")
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


class Bench:
    """Makes children of a stand-in that is ready when it has made a file."""

    def __init__(self, directory: Path) -> None:
        self.ready = directory / "ready"
        self.log = directory / "child.log"
        self.script = directory / "stand_in.py"
        self.script.write_text(_STAND_IN, encoding="utf-8")

    def child(self, *arguments: str, policy: Policy) -> Child:
        async def is_ready() -> bool:
            return self.ready.exists()

        command = [sys.executable, str(self.script), str(self.ready), *arguments]
        spec = Spec(name="node", command=command, marker=str(self.script), is_ready=is_ready)
        return Child(spec, ProcessLog("node", self.log, None, 0), policy, lambda: None)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


async def test_a_process_is_ready_when_it_says_so_and_gone_when_it_is_stopped(bench: Bench) -> None:
    child = bench.child(policy=Policy())

    await child.start()
    seen = child.state.seen
    assert (child.state.state, seen.is_alive()) == ("ready", True)
    await child.stop()

    assert (child.state.state, seen.is_alive()) == ("stopped", False)
    assert "hello 千代田区" in tail(bench.log, 5)


async def test_a_process_that_dies_is_started_again(bench: Bench) -> None:
    child = bench.child(policy=Policy(first_delay=0.05))
    await child.start()
    first = child.state.pid

    os.kill(first, signal.SIGKILL)
    await _until(lambda: child.state.restarts == 1 and child.state.state == "ready")

    assert child.state.pid != first
    await child.stop()


async def test_a_process_may_be_left_dead(bench: Bench) -> None:
    child = bench.child(policy=Policy(restart=False))
    await child.start()

    os.kill(child.state.pid, signal.SIGKILL)
    await _until(lambda: child.state.state == "ended")

    await child.stop()
    assert child.state.restarts == 0


async def test_a_start_that_fails_tells_the_end_of_the_log(bench: Bench) -> None:
    child = bench.child("broken", policy=Policy())

    with pytest.raises(StartFailed) as refused:
        await child.start()

    assert "cannot open the register" in refused.value.advice
    await child.stop()


async def test_a_start_that_takes_too_long_is_given_up(bench: Bench) -> None:
    bench.ready = bench.ready.with_name("never")
    child = bench.child(policy=Policy(ready_within=0.3))
    child.spec.command[2] = str(bench.script.with_name("elsewhere"))  # type: ignore[index]

    with pytest.raises(StartFailed):
        await child.start()

    await child.stop()
    assert not child.state.seen.is_alive()


async def test_a_stubborn_process_is_killed(bench: Bench) -> None:
    child = bench.child("stubborn", policy=Policy(stop_within=0.2))
    await child.start()

    await child.stop()

    assert not child.state.seen.is_alive()


async def test_stopping_interrupts_the_wait_before_a_restart(bench: Bench) -> None:
    child = bench.child(policy=Policy(first_delay=30))
    await child.start()
    os.kill(child.state.pid, signal.SIGKILL)
    await _until(lambda: child.state.state == "backing off")

    began = time.monotonic()
    await child.stop()

    assert time.monotonic() - began < 5


def test_a_process_dies_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    script = (
        "import subprocess, signal, time; from deploy.local.processes import tethered\n"
        "command = tethered(['/bin/sleep', '61.25'], on_parent_death=signal.SIGKILL)\n"
        "print(subprocess.Popen(command).pid, flush=True); time.sleep(60)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=CHECKOUT)
    with supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        deadline = time.monotonic() + 10
        while not see(pid, "61.25").is_alive() or "sleep" not in psutil.Process(pid).name():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child = see(pid, "61.25")
        supervisor.kill()

    while child.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.02)
