"""Does a machine that cannot carry the run hear what is the matter?"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from deploy.local import machine, topology
from deploy.local.refusals import DiskFull, PortTaken, PythonTooOld

_TABLE = {
    "trust_domain_root": "juki.example",
    "node": [{"name": "agency/national", "port": 0, "title": "指定情報処理機関"}],
    "auditor": [{"id": "board"}],
}


def test_an_old_python_is_refused() -> None:
    machine.check_python((3, 11))
    with pytest.raises(PythonTooOld) as refused:
        machine.check_python((3, 10))

    assert refused.value.facts["found"] == "3.10"


def test_a_disk_that_is_nearly_full_is_refused(tmp_path: Path) -> None:
    machine.check_disk(tmp_path, 500_000_000)
    with pytest.raises(DiskFull) as refused:
        machine.check_disk(tmp_path, 499_999_999)

    assert refused.value.facts["free_mb"] == "499"


def test_a_disk_that_fills_up_on_the_way_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(DiskFull), machine.disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), machine.disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_port_in_use_is_refused_with_the_node_and_the_holder() -> None:
    with socket.socket() as holder:
        # As the servers do; a second listener with this option would be let in beside it.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        table = {**_TABLE, "node": [{**_TABLE["node"][0], "port": port}]}  # type: ignore[dict-item]
        with pytest.raises(PortTaken) as refused:
            machine.check_ports(topology.parse(table))

    assert refused.value.facts["node"] == "agency/national"
    assert refused.value.facts["port"] == str(port)
    assert refused.value.facts["pid"] == str(os.getpid())
