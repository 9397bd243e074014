"""Where a local run keeps its files: everything under one directory, `var/dev`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.foundation.identity import NodeId

CHECKOUT = Path(__file__).resolve().parents[2]
"""The root of the checkout, from which processes are started."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one local run, all absolute; two runs with different roots do not touch each other."""

    root: Path

    @property
    def pki(self) -> Path:
        """State of the key ceremony."""
        return self.root / "pki"

    @property
    def trust(self) -> Path:
        """Directory of roots, revocation lists, suspensions and log keys."""
        return self.pki / "trust"

    @property
    def cluster(self) -> Path:
        """Directory of the embedded PostgreSQL."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """Directory of the processes' logs."""
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """File that the supervisor holds a lock on while it lives."""
        return self.root / "supervisor.lock"

    @property
    def state(self) -> Path:
        """File in which the supervisor says what it runs."""
        return self.root / "supervisor.json"

    @property
    def residents(self) -> Path:
        """File that says which synthetic residents were loaded."""
        return self.root / "residents.json"

    @property
    def socket_directory(self) -> Path:
        """A short private directory for the database's socket.

        A socket's path has at most 107 bytes, and a checkout may lie deep, so it is not under `root`.
        """
        place = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"juki-{os.getuid()}-{place}"

    @property
    def tokens(self) -> Path:
        """Directory of the issuers' software tokens (SoftHSM2), with their configuration and PINs."""
        return self.root / "tokens"

    @property
    def purposes(self) -> Path:
        """Directory of the purposes table and its order, which every node that confirms identities reads."""
        return self.root / "purposes"

    @property
    def bodies(self) -> Path:
        """Directory of the public keys that bodies register for hand-overs."""
        return self.pki / "bodies"

    def node(self, node: NodeId) -> Path:
        """Returns the directory of a node's settings, passwords and published log."""
        return self.root / "nodes" / f"{node.tier.value}-{node.code}"

    def settings(self, node: NodeId) -> Path:
        """Returns a node's settings file."""
        return self.node(node) / "node.toml"

    def keys(self, peer: NodeId) -> Path:
        """Returns the key directory of a node or client, as the ceremony makes it."""
        return self.pki / "nodes" / f"{peer.tier.value}-{peer.code}"

    def policy(self, node: NodeId) -> Path:
        """Returns the file that says who must witness a node's audit log."""
        return self.trust / "policies" / f"{node.tier.value}-{node.code}.policy"

    def witness(self, auditor: NodeId) -> Path:
        """Returns the directory of what an auditor's witness holds."""
        return self.root / "witnesses" / auditor.code

    def log(self, process: str) -> Path:
        """Returns the log file of a process, `postgres` or a node's short name."""
        return self.logs / f"{process.replace('/', '-')}.log"


def default() -> Layout:
    """Returns the layout of this checkout's run."""
    return Layout(CHECKOUT / "var" / "dev")
