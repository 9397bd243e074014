"""On what a run was made: the facts without which its figures say nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import asyncpg
import psutil

from tools.bench.federation import AGENCY, Federation

_PACKAGES = ("grpcio", "protobuf", "uvloop", "asyncpg", "sqlalchemy", "cryptography")
_SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers")


async def environment(federation: Federation, load_average: float) -> Mapping[str, object]:
    """Returns the machine's size and its load before the run, versions, PostgreSQL's settings; no machine's name."""
    connection = await asyncpg.connect(federation.app_url(AGENCY))
    try:
        settings = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in _SETTINGS}
    finally:
        await connection.close()
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "file_system": _file_system(federation.layout.root),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "postgresql": settings,
        "load_average_at_start": round(load_average, 2),
    }


def _file_system(path: Path) -> str:
    """Returns the kind of file system that holds `path`, since fsync is worth what its disk is."""
    holding = [one for one in psutil.disk_partitions(all=True) if path.is_relative_to(one.mountpoint)]
    return max(holding, key=lambda one: len(one.mountpoint)).fstype if holding else "unknown"
