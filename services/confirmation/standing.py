"""What a prefecture and the agency add to a node alike: they receive changes, apply them, and confirm identities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from juki.common.v1.receipt_pb2 import AuditReceipt
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.confirmation.v1 import confirmation_service_pb2_grpc as confirmation_grpc
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_grpc
from services.confirmation.applying import Applier
from services.confirmation.bulk import MESSAGE_BYTES as BULK_BYTES
from services.confirmation.handlers import ConfirmationHandlers
from services.confirmation.purposes import load_purposes
from services.foundation.audit.entry import AuditEntry
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.messages import Accepted
from services.foundation.exchange.sender import Sender
from services.foundation.exchange.service import DELIVER_BYTES, ExchangeHandlers, StreamStatusHandlers
from services.foundation.journal import Journal, receipt_message
from services.foundation.keys import derived_secret
from services.foundation.node import Node
from services.foundation.rpc.paging import PageTokens

MESSAGE_BYTES = {
    "/juki.exchange.v1.ExchangeService/Deliver": DELIVER_BYTES,
    "/juki.confirmation.v1.ConfirmationService/ConfirmBulk": BULK_BYTES,
}
"""Methods whose messages may be larger than the gate's usual limit, in bytes."""


class ReceivedChanges:
    """Writes the audit entries of received changes: the call's own first, then one for each change applied."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def __call__(
        self, connection: AsyncConnection, action: str, applied: Sequence[Accepted], count: int
    ) -> AuditReceipt:
        """Appends the entries in the transaction of `connection` and returns the receipt of the call's own."""
        receipts = await self._journal.record(
            connection,
            [self._journal.entry(action, count=count), *(self._entry(one) for one in applied)],
        )
        return receipt_message(receipts[0])

    def _entry(self, one: Accepted) -> AuditEntry:
        change = one.origin.change
        subject = change.resident_code if change is not None else None
        return self._journal.entry("APPLY_CHANGE", subject=subject, request=one.origin.envelope)


def applier_of(node: Node, prefecture: str | None) -> Applier:
    """Returns what applies changes at `node`; `prefecture` is its two digits, or None at the agency."""
    return Applier(node.clock, derived_secret(node.config.keys / "salt.key", "juki-line/v1"), prefecture)


def serve_confirmation(node: Node, purposes: Path) -> None:
    """Adds ConfirmationService, gated by the table in `purposes`; refuses PURPOSES_TABLE_REFUSED."""
    table = load_purposes(purposes, node.identity.name)
    handlers = ConfirmationHandlers(node.database, node.log, table, node.clock)
    node.serve(
        confirmation_grpc.add_ConfirmationServiceServicer_to_server,
        handlers,
        confirmation_pb.DESCRIPTOR.services_by_name["ConfirmationService"],
    ).on_close(handlers.close)


def serve_exchange(node: Node, inbox: Inbox, handlers: ExchangeHandlers, senders: Sequence[Sender]) -> None:
    """Adds ExchangeService, as `handlers` serve it, and StreamStatusService."""
    services = exchange_pb.DESCRIPTOR.services_by_name
    tokens = PageTokens(derived_secret(node.config.keys / "salt.key", "juki-page/v1"))
    status = StreamStatusHandlers(node.database, senders, inbox, ReceivedChanges(node.journal), tokens)
    node.serve(exchange_grpc.add_ExchangeServiceServicer_to_server, handlers, services["ExchangeService"])
    node.serve(exchange_grpc.add_StreamStatusServiceServicer_to_server, status, services["StreamStatusService"])
