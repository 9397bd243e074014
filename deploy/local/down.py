"""Stops the federation and makes sure that no process of it is left."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from deploy.local.layout import Layout
from deploy.local.processes import Seen, end, see
from deploy.local.refusals import NotRunning
from deploy.local.state import is_locked, read

_PATIENCE_S = 60.0
"""Every tier in turn may take its whole time to stop, and PostgreSQL writes what it holds."""


def stop(layout: Layout) -> int:
    """Stops everything in order and returns how many processes ran; refuses NOT_RUNNING and STOP_FAILED.

    Processes that a killed supervisor left behind are ended too.
    """
    alive = _alive(layout)
    if not is_locked(layout) and not alive:
        raise NotRunning("nothing runs from this checkout; `make up` starts it")
    stop_supervisor(layout)
    end({*alive, *_alive(layout)}, gently=signal.SIGINT, patience_s=15.0)
    return len(alive)


def stop_supervisor(layout: Layout) -> None:
    """Ends the supervisor that holds the lock, if there is one, and returns when it is gone; refuses STOP_FAILED."""
    holder = read(layout.state)
    if holder is None or not is_locked(layout):
        return
    supervisor = see(holder.pid, "deploy.local")
    with suppress(ProcessLookupError):
        if supervisor.is_alive():
            os.kill(supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_S
    while is_locked(layout) and time.monotonic() < deadline:
        time.sleep(0.05)
    end([supervisor], gently=signal.SIGTERM, patience_s=1.0)


def _alive(layout: Layout) -> set[Seen]:
    state = read(layout.state)
    recorded = state.processes.values() if state else ()
    return {process.seen for process in recorded if process.seen.is_alive()}
