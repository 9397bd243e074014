"""Runs an act of the ceremony again and again, killed with SIGKILL one disk operation later each time.

A program of its own, so that it can fork: `python -m tests.integration.pki.killing <directory> <act>`. Prints how many
kills it made and each broken promise, as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy.pki.authority import Pki
from deploy.pki.crl import load_list
from deploy.pki.register import hexadecimal
from tests.integration.pki.makers import pair_of, settings, verify

NODES = ("prefecture/13", "relying/pension")
_OPERATIONS = ("open", "os.link", "os.rename", "os.remove", "os.symlink", "os.mkdir", "os.chmod")
_MOST = 400


def prepare_founding(_pki: Pki) -> None:
    """Starts from nothing."""


def found(pki: Pki) -> None:
    """Holds the ceremony and gives two nodes their keys."""
    pki.init()
    for name in NODES:
        pki.issue(name)


def rotate(pki: Pki) -> None:
    """Rotates both nodes."""
    for name in NODES:
        pki.rotate(name)


def revoke(pki: Pki) -> None:
    """Revokes one node and suspends it."""
    pki.revoke(NODES[0], "keyCompromise")
    pki.suspend(NODES[0])


ACTS: dict[str, tuple[Callable[[Pki], None], Callable[[Pki], None]]] = {
    "found": (prepare_founding, found),
    "rotate": (found, rotate),
    "revoke": (found, revoke),
}


def sweep(directory: Path, act: str) -> tuple[int, list[str]]:
    """Kills the act at its first disk operation, its second, and so on until it survives; returns kills and faults."""
    prepare, run = ACTS[act]
    model = directory / "model"
    model.mkdir()
    prepare(Pki(model, settings()))
    faults: list[str] = []
    for operation in range(1, _MOST):
        state = directory / f"killed-{operation}"
        shutil.copytree(model, state, symlinks=True)
        if not _killed(state, operation, run):
            return operation - 1, faults
        faults += [f"operation {operation}: {fault}" for fault in _faults(state, run, act)]
        shutil.rmtree(state)
    return _MOST, [*faults, "the act never ended"]


def _killed(state: Path, operation: int, run: Callable[[Pki], None]) -> bool:
    child = os.fork()
    if child == 0:
        _die_at(state, operation)
        run(Pki(state, settings()))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _die_at(state: Path, operation: int) -> None:
    left = operation

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _OPERATIONS and any(str(state) in str(argument) for argument in arguments):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def _faults(state: Path, run: Callable[[Pki], None], act: str) -> list[str]:
    pki = Pki(state, settings())
    keys = {path: path.read_bytes() for path in _keys(state)}
    faults = _torn(pki) if act != "found" else []
    run(pki)
    pki.init()
    faults += [
        f"{path.name} was overwritten" for path, held in keys.items() if path.exists() and path.read_bytes() != held
    ]
    faults += [f"{path.name} was left staged" for path in state.rglob(".*.new")]
    faults += [f"{path.name} has a wide mode" for path in _keys(state) if path.stat().st_mode & 0o077]
    faults += [f"{path.name} has two names" for path in _keys(state) if path.stat().st_nlink != 1]
    return faults + _torn(pki) + _refused(pki, state, revoked=act == "revoke")


def _keys(state: Path) -> list[Path]:
    return [path for path in state.rglob("*.key") if not path.is_symlink() and not path.name.startswith(".")]


def _torn(pki: Pki) -> list[str]:
    """Names the nodes whose TLS key and certificate do not belong together, as a reader would find them."""
    torn = []
    for name in pki.nodes():
        pair = pair_of(pki.state / "nodes" / name.replace("/", "-"))
        key = load_pem_private_key(pair.key, None)
        held = x509.load_pem_x509_certificate(pair.chain)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != held.public_key():
            torn.append(f"{name} is torn")
    return torn


def _refused(pki: Pki, state: Path, *, revoked: bool) -> list[str]:
    """Says where openssl and the published list do not answer as the finished act would have them answer."""
    faults = []
    for name in NODES:
        chain = pair_of(state / "nodes" / name.replace("/", "-")).chain
        expected = revoked and name == NODES[0]
        status, said = verify(pki, chain, state)
        if (status != 0) is not expected:
            faults.append(f"{name}: {said}")
        published = load_list(pki.trust.revocation_list_path("13" if name == NODES[0] else "national"))
        serial = hexadecimal(x509.load_pem_x509_certificate(chain).serial_number)
        if published is None or (serial in {hexadecimal(entry.serial_number) for entry in published}) is not expected:
            faults.append(f"{name} is not published as it should be")
    return faults


if __name__ == "__main__":
    made, broken = sweep(Path(sys.argv[1]), sys.argv[2])
    print(json.dumps({"kills": made, "faults": broken}))
