"""What a tour acts with: one channel a role and node, and a transcript that says what happened where."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

import grpc.aio
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from deploy.local.layout import Layout
from deploy.local.links import open_channel
from deploy.local.loading import told
from deploy.local.refusals import DemoDisappointed
from deploy.local.topology import Node, Topology
from juki.audit.v1 import audit_service_pb2_grpc as audit_grpc
from juki.common.v1 import receipt_pb2
from juki.confirmation.v1 import confirmation_service_pb2_grpc as confirmation_grpc
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_grpc
from juki.municipal.v1 import register_read_service_pb2_grpc as read_grpc
from juki.municipal.v1 import register_service_pb2_grpc as register_grpc
from services.foundation.identity import NodeId
from services.foundation.refusals import Refusal

if TYPE_CHECKING:
    from juki.audit.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from juki.confirmation.v1.confirmation_service_pb2_grpc import ConfirmationServiceAsyncStub
    from juki.exchange.v1.exchange_service_pb2_grpc import StreamStatusServiceAsyncStub
    from juki.municipal.v1.register_read_service_pb2_grpc import RegisterReadServiceAsyncStub
    from juki.municipal.v1.register_service_pb2_grpc import RegisterServiceAsyncStub

T = TypeVar("T")
CALL_S = 15.0
_NAME_WIDTH = 17


class Stage:
    """The federation as the tour's people reach it, each with their own certificate, and the transcript."""

    def __init__(self, layout: Layout, topology: Topology, console: Console) -> None:
        self.layout = layout
        self.topology = topology
        self.console = console
        self._channels: dict[tuple[NodeId, str], grpc.aio.Channel] = {}

    def register(self, node: Node) -> RegisterServiceAsyncStub:
        """A counter's terminal, acting."""
        return register_grpc.RegisterServiceStub(self._channel(self.topology.counter_of(node), node))

    def reader(self, node: Node) -> RegisterReadServiceAsyncStub:
        """A counter's terminal, looking up."""
        return read_grpc.RegisterReadServiceStub(self._channel(self.topology.counter_of(node), node))

    def asker(self, body: NodeId, node: Node) -> ConfirmationServiceAsyncStub:
        """A relying body, asking the agency or a prefecture."""
        return confirmation_grpc.ConfirmationServiceStub(self._channel(body, node))

    def streams(self, node: Node) -> StreamStatusServiceAsyncStub:
        """An auditor, looking at the streams of a node."""
        return exchange_grpc.StreamStatusServiceStub(self._channel(self.topology.auditors[0], node))

    def log(self, node: Node) -> AuditServiceAsyncStub:
        """An auditor, reading a node's log."""
        return audit_grpc.AuditServiceStub(self._channel(self.topology.auditors[0], node))

    async def close(self) -> None:
        """Closes every channel."""
        for channel in self._channels.values():
            await channel.close()

    def chapter(self, title: str) -> None:
        """Begins a part of the transcript."""
        self.console.print()
        self.console.rule(f"[bold]{escape(title)}", align="left")

    def tell(self, node: Node, text: str, receipt: receipt_pb2.AuditReceipt | None = None) -> None:
        """Says what happened, at which node, and where its log has it."""
        self._line(Text(node.name, style="cyan"), text)
        if receipt is not None:
            self.receipt(receipt)

    def receipt(self, receipt: receipt_pb2.AuditReceipt) -> None:
        """Says where a log has what was just told."""
        where = f"receipt: entry {receipt.index} of {receipt.origin}, leaf {receipt.leaf_hash.hex()[:16]}…"
        self._line("", where, style="dim")

    def note(self, text: str) -> None:
        """Says what belongs to no node."""
        self._line("", text)

    def _line(self, left: str | Text, right: str, style: str = "") -> None:
        line = Table.grid(padding=(0, 1), expand=False)
        line.add_column(width=_NAME_WIDTH)
        line.add_column(overflow="fold")
        line.add_row(left, Text(right, style=style))
        self.console.print(line)

    def _channel(self, caller: NodeId, node: Node) -> grpc.aio.Channel:
        key = (caller, node.name)
        if key not in self._channels:
            self._channels[key] = open_channel(self.layout, caller, node)
        return self._channels[key]


async def answered(call: Awaitable[T]) -> T:
    """Waits for an answer; a refusal is raised as what the node meant."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise told(error) from error


async def refused(call: Awaitable[object]) -> Refusal:
    """Waits for a refusal and returns it; refuses DEMO_DISAPPOINTED when there is an answer instead."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return told(error)
    raise DemoDisappointed("a call that must be refused was answered", step="refusal")


def expect(holds: bool, step: str) -> None:
    """Refuses DEMO_DISAPPOINTED unless what the tour promises holds."""
    if not holds:
        raise DemoDisappointed("the federation did not do what the tour promises: see `make status`", step=step)
