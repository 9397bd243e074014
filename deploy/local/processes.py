"""Which processes belong to a run, told apart from strangers who were given the same number later."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.refusals import StopFailed

_TETHER = Path(__file__).with_name("tether.py")
_SAME_START_S = 2.0
"""The kernel counts starts in ticks since boot, and the boot's time is known to about a second."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as it was when it was recorded."""

    pid: int
    started_at: float
    """Seconds since the epoch."""
    marker: str
    """A word that stands in its command line, such as the path of its settings."""

    def is_alive(self) -> bool:
        """Tells whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.started_at) < _SAME_START_S
                and process.status() != psutil.STATUS_ZOMBIE
                and any(self.marker in word for word in process.cmdline())
            )
        except psutil.Error:
            return False


def see(pid: int, marker: str) -> Seen:
    """Records a process that runs now; one that has just ended is recorded as never alive."""
    try:
        return Seen(pid, psutil.Process(pid).create_time(), marker)
    except psutil.Error:
        return Seen(pid, 0.0, marker)


def tethered(command: Sequence[str], *, on_parent_death: signal.Signals, user: str | None = None) -> list[str]:
    """Wraps a command so that it gets a signal when this process dies, and runs as another user if one is named."""
    parent, number = str(os.getpid()), str(int(on_parent_death))
    return [sys.executable, "-I", "-S", str(_TETHER), parent, number, user or "-", *command]


def end(processes: Iterable[Seen], *, gently: signal.Signals, patience_s: float) -> list[int]:
    """Ends processes, first gently, then for certain; returns the pids that it ended; refuses STOP_FAILED."""
    alive = [seen for seen in processes if seen.is_alive()]
    for number, patience in ((gently, patience_s), (signal.SIGKILL, 5.0)):
        _signal_all(alive, number)
        deadline = time.monotonic() + patience
        while any(seen.is_alive() for seen in alive) and time.monotonic() < deadline:
            time.sleep(0.05)
    stubborn = [str(seen.pid) for seen in alive if seen.is_alive()]
    if stubborn:
        raise StopFailed("end these processes yourself: they survive even SIGKILL", pids=" ".join(stubborn))
    return [seen.pid for seen in alive]


def _signal_all(processes: Iterable[Seen], number: signal.Signals) -> None:
    for seen in processes:
        if seen.is_alive():
            try:
                os.kill(seen.pid, number)
            except ProcessLookupError:
                continue
