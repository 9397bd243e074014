"""The federation that is measured: one chain of real processes on an embedded PostgreSQL, ended with this process."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import asyncpg
import psutil

from deploy.local import provision, topology
from deploy.local.child import Child, Policy, Spec
from deploy.local.layout import CHECKOUT, Layout
from deploy.local.links import is_healthy, open_channel
from deploy.local.logs import ProcessLog
from deploy.local.postgres import Cluster, Roles
from deploy.local.processes import end, see
from deploy.local.state import held_lock
from services.foundation.identity import NodeId, log_origin
from tools.bench.synthetic import MUNICIPALITY, seed

AGENCY = "agency/national"
PREFECTURE = "prefecture/13"
MUNICIPAL = f"municipal/{MUNICIPALITY}"
NODES = (AGENCY, PREFECTURE, MUNICIPAL)
"""The nodes, in the order in which they start."""
FLOOR = "bench_floor"
"""Database of the floors: a copy of the agency's, and the tables of pgbench."""

_POOL = "code_pool_low = 6000\ncode_pool_batch = 10000\n\n[neighbours]"
"""A pool of codes that lasts while the agency, which would fill it, is down."""
_POLICY = Policy(restart=False, ready_within=120.0)
_ENVIRONMENT = {"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}", "PYTHONUNBUFFERED": "1"}


class Federation:
    """Runs the chain under `root`, which is emptied first and removed at the end.

    Every process is tied to this one, so that none outlives it, however it ends.
    """

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root.resolve())
        self.topology = topology.parse(
            {
                "trust_domain_root": "juki.example",
                "node": [
                    {"name": name, "port": port, "title": name} for name, port in zip(NODES, free_ports(), strict=True)
                ],
                "relying": [{"id": "local-pension", "body": "地方公務員共済組合"}],
                "auditor": [{"id": "board"}],
            }
        )
        self._cluster = Cluster(self.layout.cluster, self.layout.socket_directory)
        self._children: dict[str, Child] = {}
        self._held = ExitStack()

    @property
    def relying(self) -> NodeId:
        """Who asks."""
        return self.topology.relying[0].identity

    @property
    def counter(self) -> NodeId:
        """The terminal at which acts are made."""
        return self.topology.counters[0]

    @property
    def socket_directory(self) -> Path:
        """Where the embedded PostgreSQL is to be reached."""
        return self._cluster.socket_directory

    def app_url(self, name: str, database: str = "") -> str:
        """Returns the address of a node's database for its application role, or of another database for that role."""
        roles = self._roles(name)
        return self._cluster.app_url(roles).replace(f"@/{roles.database}?", f"@/{database or roles.database}?")

    def vkey(self, name: str) -> str:
        """Returns the verifier key of a node's audit log."""
        return (self.layout.keys(self.topology.node(name).identity) / "log.vkey").read_text("utf-8").strip()

    def log_directory(self, name: str) -> Path:
        """Returns where a node publishes its audit log."""
        return self.layout.node(self.topology.node(name).identity) / "log"

    def origin(self, name: str) -> str:
        """Returns the origin of a node's audit log."""
        return log_origin(self.topology.node(name).identity, self.topology.trust_domain_root)

    async def prepare(self, records: int) -> None:
        """Makes keys, databases and settings, and the agency's records with a copy of them for the floors."""
        self._held.enter_context(held_lock(self.layout))
        self._end_leftovers()
        for left in (self.layout.cluster, self.layout.pki, self.layout.root / "nodes", self.layout.logs):
            shutil.rmtree(left, ignore_errors=True)
        provision.ensure_keys(self.topology, self.layout)
        self._cluster.prepare()
        await self._start(self._postgres())
        for node in self.topology.nodes:
            await provision.ensure_database(node, self._cluster, self.layout)
            provision.write_settings(node, self.topology, self._cluster, self.layout)
        settings = self.layout.settings(self.topology.node(MUNICIPAL).identity)
        settings.write_text(settings.read_text("utf-8").replace("[neighbours]", _POOL), "utf-8")
        await seed(self._cluster.owner_url(self._roles(AGENCY)), records)
        superuser = await asyncpg.connect(self._cluster.superuser_url)
        try:
            await superuser.execute(f"CREATE DATABASE {FLOOR} TEMPLATE {self._roles(AGENCY).database}")
        finally:
            await superuser.close()

    async def start_node(self, name: str) -> float:
        """Starts a node's process and returns how many seconds it took until it said that it serves."""
        began = time.perf_counter()
        await self._start(self._node(name))
        return time.perf_counter() - began

    async def stop_node(self, name: str) -> None:
        """Ends a node's process as an operator does, and waits until it is gone."""
        await self._children.pop(name).stop()

    async def stop(self) -> None:
        """Ends every process and removes what the run wrote."""
        for name in (*reversed(NODES), "postgres"):
            if name in self._children:
                await self.stop_node(name)
        shutil.rmtree(self.socket_directory, ignore_errors=True)
        for left in (self.layout.cluster, self.layout.pki, self.layout.root / "nodes"):
            shutil.rmtree(left, ignore_errors=True)
        self._held.close()

    def pid(self, name: str) -> int:
        """Returns the number of a running process, a node's or `postgres`."""
        return self._children[name].state.pid

    def memory(self) -> dict[str, float]:
        """Returns MiB per process: the resident set of a node; of PostgreSQL's processes their shares of it together.

        The shares (PSS) count the buffers that they share once; NaN where the system does not tell them.
        """
        found = {name: psutil.Process(self.pid(name)).memory_info().rss / 2**20 for name in NODES}
        postmaster = psutil.Process(self.pid("postgres"))
        try:
            shares = [one.memory_full_info().pss for one in (postmaster, *postmaster.children(recursive=True))]
            found["postgres"] = sum(shares) / 2**20
        except (psutil.Error, AttributeError):
            found["postgres"] = float("nan")
        return found

    def _end_leftovers(self) -> None:
        orphan = self._cluster.orphan()
        if orphan is not None:
            end([see(orphan, str(self._cluster.data))], gently=signal.SIGINT, patience_s=20.0)

    async def _start(self, spec: Spec) -> None:
        child = Child(spec, ProcessLog(spec.name, self.layout.log(spec.name), None, 0), _POLICY, lambda: None)
        self._children[spec.name] = child
        await child.start()

    def _roles(self, name: str) -> Roles:
        directory = self.layout.node(self.topology.node(name).identity)
        owner, app = ((directory / f"database-{role}.password").read_text("ascii") for role in ("owner", "app"))
        return Roles(name.replace("/", "_").replace("-", "_"), owner, app)

    def _postgres(self) -> Spec:
        return Spec(
            name="postgres",
            command=self._cluster.command,
            marker=str(self._cluster.data),
            is_ready=self._cluster.is_ready,
            account=self._cluster.account,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        )

    def _node(self, name: str) -> Spec:
        node = self.topology.node(name)
        settings = str(self.layout.settings(node.identity))

        async def is_ready() -> bool:
            # A channel that failed once waits before it tries again, which would count as time to start.
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", node.port)
            except OSError:
                return False
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            async with open_channel(self.layout, self.topology.auditors[0], node) as channel:
                return await is_healthy(channel)

        return Spec(
            name=name,
            command=[sys.executable, "-m", f"services.{node.identity.tier.value}", settings],
            marker=settings,
            is_ready=is_ready,
            environment=_ENVIRONMENT,
        )


def free_ports(count: int = len(NODES)) -> list[int]:
    """Returns ports of the loopback address on which nothing listens now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
