"""One supervised process: started, waited for, restarted when it dies, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.layout import CHECKOUT
from deploy.local.logs import ProcessLog, tail
from deploy.local.processes import see, tethered
from deploy.local.refusals import StartFailed
from deploy.local.state import ProcessState

_POLL_S = 0.1
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to run, and how to tell that it is ready."""

    name: str
    command: Sequence[str]
    marker: str
    """A word of the command line that no other process of this machine has."""
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What the process gets when the supervisor is killed."""
    directory: Path = CHECKOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient a supervisor is, in seconds."""

    restart: bool = True
    ready_within: float = 60.0
    stop_within: float = 15.0
    first_delay: float = 0.5
    longest_delay: float = 30.0
    steady_after: float = 60.0
    """A process that ran this long starts over with the first delay."""


class Child:
    """Keeps one process running until it is told to stop."""

    def __init__(self, spec: Spec, log: ProcessLog, policy: Policy, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.state = ProcessState(spec.name, marker=spec.marker)
        self._log = log
        self._policy = policy
        self._changed = changed
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._was_ready = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the process and returns when it is ready; refuses START_FAILED with the end of its log."""
        self._life = asyncio.create_task(self._live())
        ready = asyncio.create_task(self._was_ready.wait())
        try:
            await asyncio.wait(
                {self._life, ready}, timeout=self._policy.ready_within, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ready.cancel()
        if not self._was_ready.is_set():
            if self._life.done():
                # What went wrong inside the supervisor itself, such as a full disk, is told as what it is.
                self._life.result()
            self._refuse_start("it ended" if self._life.done() else "it did not become ready in time")

    async def stop(self) -> None:
        """Ends the process, gently if it lets itself be ended; returns when it is gone."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._signal(self.spec.stop_signal)
        if self._life is not None:
            done, _ = await asyncio.wait({self._life}, timeout=self._policy.stop_within)
            if not done:
                self._signal(signal.SIGKILL)
            with suppress(Exception):
                await self._life
        self._log.close()

    async def _live(self) -> None:
        delay = self._policy.first_delay
        while True:
            began = time.monotonic()
            await self._run_once()
            if self._stopping.is_set():
                self._become("stopped")
                return
            if not self._policy.restart or not self._was_ready.is_set():
                self._become("ended")
                return
            if time.monotonic() - began > self._policy.steady_after:
                delay = self._policy.first_delay
            self._become("backing off")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
                self._become("stopped")
                return
            delay = min(delay * 2, self._policy.longest_delay)
            self.state.restarts += 1

    async def _run_once(self) -> None:
        command = tethered(self.spec.command, on_parent_death=self.spec.death_signal, user=self.spec.account)
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=self.spec.directory,
            env={**os.environ, **self.spec.environment},
            # Ctrl-C in a terminal reaches the supervisor alone, which stops the others in order.
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
        seen = see(self._process.pid, self.spec.marker)
        self.state.pid, self.state.started_at = seen.pid, seen.started_at
        self._become("starting")
        waiting = asyncio.create_task(self._wait_until_ready())
        try:
            await self._copy_output(self._process)
            code = await self._process.wait()
        finally:
            waiting.cancel()
        if not self._stopping.is_set():
            self._log.write(f"[supervisor] {self.spec.name} ended with code {code}")

    async def _wait_until_ready(self) -> None:
        while not await self.spec.is_ready():  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(_POLL_S)
        self._was_ready.set()
        self._become("ready")

    async def _copy_output(self, process: Process) -> None:
        if process.stdout is None:
            raise RuntimeError("the process was started without a pipe")
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                self._log.write("[supervisor] a line of more than 1 MiB was left out")
                continue
            if not line:
                return
            self._log.write(line.decode("utf-8", "backslashreplace").rstrip("\n"))

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _become(self, state: str) -> None:
        self.state.state = state
        self._changed()

    def _refuse_start(self, how: str) -> None:
        last = " | ".join(line.strip() for line in tail(self._log.path, 3)) or "nothing"
        raise StartFailed(f"{how}; the end of its log: {last}", process=self.spec.name, log=str(self._log.path))
