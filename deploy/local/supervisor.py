"""Brings a whole federation up in order, keeps it up, and takes it down in order."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import grpc.aio
from rich.console import Console

from deploy.local import issuers, machine, provision
from deploy.local.child import Child, Policy, Spec
from deploy.local.layout import CHECKOUT, Layout
from deploy.local.links import is_healthy, is_listening, open_channel
from deploy.local.logs import ProcessLog
from deploy.local.postgres import Cluster
from deploy.local.processes import end, see
from deploy.local.state import Phase, RunState, Step
from deploy.local.topology import Alone, Node, Topology
from services.foundation.identity import Tier
from services.foundation.refusals import Refusal
from services.foundation.witness.keys import witness_name

_KEYS_CHECKED_EVERY_S = 3600.0
_ORDER = (Tier.AGENCY, Tier.PREFECTURE, Tier.MUNICIPAL, Tier.CARD)


class Supervisor:
    """Runs one topology; use `run` once, holding the lock.

    `state` may name processes of an earlier run; those that still live are ended before anything is started.
    """

    def __init__(
        self, topology: Topology, layout: Layout, state: RunState, policy: Policy, console: Console | None = None
    ) -> None:
        self._topology = topology
        self._layout = layout
        self._policy = policy
        self._console = console
        self._state = state
        self._children: list[Child] = []
        self._channels: list[grpc.aio.Channel] = []
        self._stop = asyncio.Event()

    async def run(self) -> RunState:
        """Starts everything, stays until SIGINT, SIGTERM or SIGHUP, stops everything; returns the last state."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        stopping = asyncio.create_task(self._stop.wait())
        work = asyncio.create_task(self._work())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await self._give_up(work)
        finally:
            stopping.cancel()
            await self._stop_all()
        return self._state

    async def _give_up(self, work: asyncio.Task[None]) -> None:
        """Notes why the work ended, when it did not end because it was told to."""
        if not work.done():
            work.cancel()
        try:
            await work
        except asyncio.CancelledError:
            return
        except Refusal as refusal:
            self._state.failure = {"reason": refusal.reason, "advice": refusal.advice, **refusal.facts}
        except Exception as error:
            traceback.print_exception(error)
            self._state.failure = {"reason": "INTERNAL", "advice": "report it with the supervisor's log, please"}

    async def _work(self) -> None:
        with machine.disk_errors(self._layout.root):
            await self._start()
            while True:
                await asyncio.sleep(_KEYS_CHECKED_EVERY_S)
                try:
                    await asyncio.to_thread(provision.ensure_keys, self._topology, self._layout)
                except Refusal as refusal:
                    # Certificates are renewed days before they end, so the next hour is early enough.
                    print(f"keys were not renewed: {refusal.reason}: {refusal.advice}", file=sys.stderr)

    async def _start(self) -> None:
        async with self._step("Checking the machine: Python, disk, ports, leftovers"):
            machine.check_python()
            machine.check_disk(self._layout.root)
            cluster = Cluster(self._layout.cluster, self._layout.socket_directory)
            await asyncio.to_thread(self._end_leftovers, cluster)
            machine.check_ports(self._topology)
        async with self._step("Issuing keys and certificates"):
            await asyncio.to_thread(provision.ensure_keys, self._topology, self._layout)
        if self._topology.of_tier(Tier.CARD):
            await self._ensure_issuers()
        async with self._step("Starting PostgreSQL"):
            await asyncio.to_thread(cluster.prepare)
            await self._start_child(self._postgres(cluster))
        async with self._step(f"Preparing {len(self._topology.nodes)} databases"):
            for node in self._topology.nodes:
                await provision.ensure_database(node, cluster, self._layout)
                provision.write_settings(node, self._topology, cluster, self._layout)
        if self._topology.witnesses:
            async with self._step("Starting the auditors' witnesses"):
                await self._start_together(self._witness(each) for each in self._topology.witnesses)
        for tier in _ORDER:
            nodes = self._topology.of_tier(tier)
            named = "・".join(node.title for node in nodes[:3]) + (" …" if len(nodes) > 3 else "")
            async with self._step(f"Starting {named}"):
                await self._start_together(self._node(node) for node in nodes)
        self._become(Phase.READY)

    async def _ensure_issuers(self) -> None:
        lacking = issuers.lacking()
        if lacking:
            async with self._step(f"No keys for issuing cards, for want of {lacking}"):
                return
        async with self._step("Making the issuers' keys for cards"):
            await asyncio.to_thread(issuers.ensure, self._topology, self._layout)

    def _end_leftovers(self, cluster: Cluster) -> None:
        """Ends what an earlier supervisor left behind when it was killed."""
        left = [process.seen for process in self._state.processes.values()]
        end([seen for seen in left if seen.marker != str(cluster.data)], gently=signal.SIGTERM, patience_s=5.0)
        orphan = cluster.orphan()
        if orphan is not None:
            # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients.
            end([see(orphan, str(cluster.data))], gently=signal.SIGINT, patience_s=20.0)
        self._state.processes.clear()

    async def _start_together(self, specs: Iterable[Spec]) -> None:
        await asyncio.gather(*(self._start_child(spec) for spec in specs))

    async def _start_child(self, spec: Spec) -> None:
        log = ProcessLog(spec.name, self._layout.log(spec.name), self._console, len(self._children))
        child = Child(spec, log, self._policy, self._changed)
        self._children.append(child)
        self._state.processes[spec.name] = child.state
        await child.start()

    def _postgres(self, cluster: Cluster) -> Spec:
        return Spec(
            name="postgres",
            command=cluster.command,
            marker=str(cluster.data),
            is_ready=cluster.is_ready,
            account=cluster.account,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        )

    def _node(self, node: Node) -> Spec:
        settings = str(self._layout.settings(node.identity))
        channel = open_channel(self._layout, self._topology.auditors[0], node)
        self._channels.append(channel)
        return Spec(
            name=node.name,
            command=[sys.executable, "-m", f"services.{node.identity.tier.value}", settings],
            marker=settings,
            is_ready=lambda: is_healthy(channel),
            environment={
                "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}",
                "PYTHONUNBUFFERED": "1",
                **issuers.environment(self._layout),
            },
        )

    def _witness(self, witness: Alone) -> Spec:
        state = str(self._layout.witness(witness.identity))
        options = {
            "--name": witness_name(witness.identity, self._topology.trust_domain_root),
            "--keys": str(self._layout.keys(witness.identity)),
            "--logs": str(self._layout.trust / "logs.vkeys"),
            "--state": state,
            "--listen": witness.address,
        }
        return Spec(
            name=witness.name,
            command=[sys.executable, "-m", "services.witness", *(word for pair in options.items() for word in pair)],
            marker=state,
            is_ready=lambda: is_listening(witness.port),
            environment={"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'gen'}", "PYTHONUNBUFFERED": "1"},
        )

    async def _stop_all(self) -> None:
        self._become(Phase.STOPPING)
        for tier in reversed(_ORDER):
            named = [child for child in self._children if child.spec.name.startswith(f"{tier.value}/")]
            await asyncio.gather(*(child.stop() for child in named))
        for prefix in ("witness/", "postgres"):
            await asyncio.gather(*(child.stop() for child in self._children if child.spec.name.startswith(prefix)))
        await asyncio.gather(*(channel.close() for channel in self._channels))
        with suppress(OSError):
            # Not there when the start ended early, and not empty when the server had to be killed.
            self._layout.socket_directory.rmdir()
        self._become(Phase.FAILED if self._state.failure else Phase.STOPPED)

    @asynccontextmanager
    async def _step(self, text: str) -> AsyncIterator[None]:
        step, began = Step(text), time.monotonic()
        self._state.steps.append(step)
        self._changed()
        yield
        step.seconds = time.monotonic() - began
        self._changed()

    def _become(self, phase: Phase) -> None:
        self._state.phase = phase
        self._changed()

    def _changed(self) -> None:
        try:
            self._state.write(self._layout.state)
        except OSError as error:
            # A full disk must not take down what still runs; the file is written again at the next change.
            print(f"the state was not written: {error.strerror}", file=sys.stderr)
