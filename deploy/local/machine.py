"""Whether this machine can carry the run: interpreter, disk, ports; each problem with what to do about it."""

from __future__ import annotations

import errno
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.local.refusals import DiskFull, PortTaken, PythonTooOld
from deploy.local.topology import Alone, Node, Topology

_OLDEST_PYTHON = (3, 11)
_LEAST_FREE_MB = 500
"""What a first run writes, with room for a day of logs."""


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Refuses PYTHON_TOO_OLD."""
    if version < _OLDEST_PYTHON:
        wanted, found = (".".join(map(str, each)) for each in (_OLDEST_PYTHON, version))
        raise PythonTooOld(f"run with Python {wanted} or newer: make setup PYTHON=python{wanted}", found=found)


def check_disk(directory: Path, free_bytes: int | None = None) -> None:
    """Refuses DISK_FULL when fewer than 500 MB are free where `directory` lies."""
    free = shutil.disk_usage(directory).free if free_bytes is None else free_bytes
    if free < _LEAST_FREE_MB * 1_000_000:
        raise _disk_full(directory, free)


@contextmanager
def disk_errors(directory: Path) -> Iterator[None]:
    """Turns "no space left on device" from anything done inside into DISK_FULL."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(directory, shutil.disk_usage(directory).free) from error
        raise


def check_ports(topology: Topology) -> None:
    """Refuses PORT_TAKEN for the first node whose port something listens on."""
    processes: list[Node | Alone] = [*topology.nodes, *topology.witnesses]
    for node in processes:
        # Without SO_REUSEPORT, which the servers set: with it a second listener would be let in beside the first.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", node.port))
            except OSError as error:
                raise _port_taken(node, error) from error


def _port_taken(node: Node | Alone, error: OSError) -> PortTaken:
    if error.errno != errno.EADDRINUSE:
        return PortTaken(f"choose another port: {error.strerror}", node=node.name, port=node.port)
    holder = _listener(node.port)
    advice = "stop the program that listens there, or give the node another port in deploy/topology.toml"
    if holder is None:
        return PortTaken(advice, node=node.name, port=node.port)
    return PortTaken(advice, node=node.name, port=node.port, pid=holder.pid, program=holder.name())


def _listener(port: int) -> psutil.Process | None:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return psutil.Process(connection.pid)
    except psutil.Error:
        # Without privileges the system may not tell whose socket it is; the port is taken all the same.
        return None
    return None


def _disk_full(directory: Path, free: int) -> DiskFull:
    return DiskFull(
        f"free at least {_LEAST_FREE_MB} MB on the disk that holds {directory}, then start again; nothing is lost",
        free_mb=free // 1_000_000,
    )
