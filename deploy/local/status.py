"""How the federation stands: processes, health, lag of each edge, what is held, logs; asked over the wire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local.layout import Layout
from deploy.local.links import is_healthy, open_channel
from deploy.local.state import Phase, ProcessState, RunState
from deploy.local.topology import Node, Topology
from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.audit.v1 import audit_service_pb2_grpc as audit_grpc
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_grpc

_ATTEMPT_S = 3.0
_NAME_WIDTH = 16
_SENDING = exchange_pb.Stream.DIRECTION_SENDING


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node says of itself."""

    healthy: bool = False
    streams: Sequence[exchange_pb.Stream] = ()
    durable: int = 0
    """Entries in its audit log."""
    published: int = 0
    """Entries that its newest checkpoint covers."""

    @property
    def held(self) -> int:
        """Envelopes that it received and has not applied."""
        return sum(stream.quarantined_count + stream.waiting_count for stream in self.streams)


async def ask(layout: Layout, topology: Topology) -> dict[str, NodeStatus]:
    """Asks every node, as the first auditor; one that does not answer is not healthy."""
    answers = await asyncio.gather(*(_ask_node(layout, topology, node) for node in topology.nodes))
    return {node.name: answer for node, answer in zip(topology.nodes, answers, strict=True)}


def show(layout: Layout, topology: Topology, state: RunState, console: Console) -> bool:
    """Prints the tables; tells whether every node is healthy."""
    answers = asyncio.run(ask(layout, topology))
    if state.phase is Phase.READY and not any(each.seen.is_alive() for each in state.processes.values()):
        console.print("[bold red]gone[/bold red], also the supervisor; `make up` starts it again")
    else:
        console.print(f"[bold]{state.phase.value}[/bold], supervisor {state.pid}")
    processes = _table("node", "", ">pid", "state", ">restarts", ">port", "health")
    postgres = state.processes.get("postgres")
    if postgres is not None:
        processes.add_row("postgres", "", str(postgres.pid), _state(postgres), str(postgres.restarts))
    edges = _table("node", "sends to", "lag", ">held", ">entries", ">size", ">published", ">age")
    for node in topology.nodes:
        answer = answers[node.name]
        processes.add_row(*_process_row(node, state.processes.get(node.name), answer))
        edges.add_row(*_edge_row(layout.node(node.identity) / "log", node, answer))
    console.print()
    console.print(processes)
    console.print()
    console.print(edges)
    return all(answer.healthy for answer in answers.values())


def _table(*headings: str) -> Table:
    """Makes a table that fits 80 columns; a heading after `>` is that of a column of numbers."""
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    for heading in headings:
        # Two names cut off after `municipal/1` would be the same to a reader.
        table.add_column(
            heading.lstrip(">"),
            justify="right" if heading.startswith(">") else "left",
            overflow="fold",
            no_wrap=heading in ("node", "sends to"),
            min_width=_NAME_WIDTH if heading == "node" else None,
        )
    return table


async def _ask_node(layout: Layout, topology: Topology, node: Node) -> NodeStatus:
    try:
        channel = open_channel(layout, topology.auditors[0], node)
    except FileNotFoundError:
        return NodeStatus()
    async with channel:
        if not await is_healthy(channel):
            return NodeStatus()
        streams, (durable, published) = await asyncio.gather(_streams(channel), _log_sizes(channel))
    return NodeStatus(True, streams, durable, published)


async def _streams(channel: grpc.aio.Channel) -> Sequence[exchange_pb.Stream]:
    stub = exchange_grpc.StreamStatusServiceStub(channel)
    try:
        answer: exchange_pb.ListStreamsResponse = await stub.ListStreams(
            exchange_pb.ListStreamsRequest(), timeout=_ATTEMPT_S
        )
    except grpc.aio.AioRpcError:
        return ()
    return answer.streams


async def _log_sizes(channel: grpc.aio.Channel) -> tuple[int, int]:
    stub = audit_grpc.AuditServiceStub(channel)
    try:
        answer: audit_pb.GetCheckpointResponse = await stub.GetCheckpoint(
            audit_pb.GetCheckpointRequest(), timeout=_ATTEMPT_S
        )
    except grpc.aio.AioRpcError:
        return 0, 0
    return answer.durable_size, answer.size


def _process_row(node: Node, process: ProcessState | None, answer: NodeStatus) -> list[str | Text]:
    seen = process or ProcessState(node.name)
    health = Text("serving", style="green") if answer.healthy else Text("no answer", style="red")
    return [node.name, node.title, str(seen.pid or ""), _state(seen), str(seen.restarts), str(node.port), health]


def _edge_row(log: Path, node: Node, answer: NodeStatus) -> list[str]:
    sending = [stream for stream in answer.streams if stream.direction == _SENDING]
    return [
        node.name,
        "\n".join(stream.peer for stream in sending),
        "\n".join(_lag(stream) for stream in sending),
        str(answer.held),
        str(answer.durable),
        _size(log),
        str(answer.published),
        _age(log / "checkpoint"),
    ]


def _state(process: ProcessState) -> Text:
    alive = process.seen.is_alive()
    text = process.state if alive or process.state in ("backing off", "stopped", "ended") else "gone"
    return Text(text, style="green" if text == "ready" else "yellow" if alive else "red")


def _lag(stream: exchange_pb.Stream) -> str:
    behind = stream.last_sequence - stream.acknowledged_sequence
    if not behind:
        return f"0, at {stream.last_sequence}"
    return f"{behind}, {stream.lag_seconds:.1f} s{', ' + stream.last_failure if stream.last_failure else ''}"


def _size(directory: Path) -> str:
    total = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return f"{total / 1_000_000:.1f} MB" if total >= 100_000 else f"{total / 1000:.1f} kB"


def _age(checkpoint: Path) -> str:
    try:
        return f"{max(0.0, time.time() - checkpoint.stat().st_mtime):.0f} s"
    except FileNotFoundError:
        return "none"
