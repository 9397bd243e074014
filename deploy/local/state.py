"""What the supervisor says of itself, in a file that others read: how far the start is, which processes run."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from deploy.local.layout import Layout
from deploy.local.processes import Seen
from deploy.local.refusals import AlreadyRunning


class Phase(StrEnum):
    """How far a run is."""

    STARTING = "starting"
    """Steps of the start are under way."""
    READY = "ready"
    """Every process was ready once; those that die are restarted."""
    STOPPING = "stopping"
    """Processes are being ended, in order."""
    STOPPED = "stopped"
    """No process is left."""
    FAILED = "failed"
    """The start was given up; `failure` says why, and no process is left."""


@dataclass(slots=True)
class Step:
    """One step of the start."""

    text: str
    seconds: float | None = None
    """How long it took; None while it is under way."""


@dataclass(slots=True)
class ProcessState:
    """One process, as the supervisor sees it."""

    name: str
    state: str = "waiting"
    """waiting, starting, ready, backing off, stopped or ended."""
    pid: int = 0
    started_at: float = 0.0
    marker: str = ""
    restarts: int = 0

    @property
    def seen(self) -> Seen:
        """The process, as it can be recognised."""
        return Seen(self.pid, self.started_at, self.marker)


@dataclass(slots=True)
class RunState:
    """The whole file."""

    pid: int
    topology: str
    """SHA-256 of the topology file that it was started with, hexadecimal."""
    phase: Phase = Phase.STARTING
    steps: list[Step] = field(default_factory=list)
    processes: dict[str, ProcessState] = field(default_factory=dict)
    failure: dict[str, str] = field(default_factory=dict)
    """`reason`, `advice` and facts of the refusal that ended the start."""

    def write(self, path: Path) -> None:
        """Replaces the file; readers see the old state or the new one."""
        staged = path.with_name(f".{path.name}.new")
        staged.write_text(json.dumps(dataclasses.asdict(self), ensure_ascii=False), encoding="utf-8")
        staged.replace(path)


def read(path: Path) -> RunState | None:
    """Reads the file; None when there is none, or none that can be read."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return RunState(
            pid=values["pid"],
            topology=values["topology"],
            phase=Phase(values["phase"]),
            steps=[Step(**step) for step in values["steps"]],
            processes={name: ProcessState(**process) for name, process in values["processes"].items()},
            failure=values["failure"],
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def held_lock(layout: Layout) -> Iterator[None]:
    """Holds the lock of the run; the kernel lets go of it whatever ends this process. Refuses ALREADY_RUNNING."""
    layout.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = read(layout.state)
            pid = holder.pid if holder else 0
            raise AlreadyRunning("see `make status`, or end it with `make down`", pid=pid) from None
        yield
    finally:
        os.close(descriptor)


def is_locked(layout: Layout) -> bool:
    """Tells whether a supervisor of this run lives."""
    try:
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
