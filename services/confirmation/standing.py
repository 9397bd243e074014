"""What a prefecture and the agency add to a node alike: they receive changes, apply them, and confirm identities."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from juki.common.v1.receipt_pb2 import AuditReceipt
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.confirmation.v1 import confirmation_service_pb2_grpc as confirmation_grpc
from juki.confirmation.v1 import hand_over_service_pb2 as hand_over_pb
from juki.confirmation.v1 import hand_over_service_pb2_grpc as hand_over_grpc
from juki.confirmation.v1 import purpose_service_pb2 as purpose_pb
from juki.confirmation.v1 import purpose_service_pb2_grpc as purpose_grpc
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_grpc
from services.confirmation.adopting import AdoptedPurposes
from services.confirmation.applying import Applier
from services.confirmation.bulk import MESSAGE_BYTES as BULK_BYTES
from services.confirmation.comparing import Comparing
from services.confirmation.hand_over_handlers import HandOverHandlers
from services.confirmation.handlers import ConfirmationHandlers
from services.confirmation.pairwise import FileKey, Pairwise, PairwiseKey, TokenKey, TokenSettings
from services.confirmation.purpose_handlers import PurposeHandlers
from services.confirmation.questions import Recorder
from services.confirmation.settings import ConfirmingConfig
from services.foundation.audit.entry import AuditEntry
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.messages import Accepted
from services.foundation.exchange.sender import Sender
from services.foundation.exchange.service import DELIVER_BYTES, ExchangeHandlers, StreamStatusHandlers
from services.foundation.journal import Journal, receipt_message
from services.foundation.keys import derived_secret
from services.foundation.node import Node
from services.foundation.rpc.paging import PageTokens

_log = logging.getLogger(__name__)

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


def serve_confirmation(node: Node, config: ConfirmingConfig, *, above: str | None = None) -> None:
    """Adds what answers relying bodies, by the purposes that `config` names and the node adopts.

    `above` is the node whose purposes table must be the same. Refuses KEY_UNREADABLE; what is wrong with the table is
    refused when the node runs.
    """
    pairwise = Pairwise(_pairwise_key(config))
    purposes = AdoptedPurposes(
        config.purposes,
        config.trust / "administrators",
        node.database,
        node.log,
        node.clock,
        pairwise,
        reload=timedelta(seconds=config.purposes_reload_seconds),
        grace=timedelta(seconds=config.purposes_grace_seconds),
    )
    node.background("purposes", purposes.run)
    if above is not None:
        comparing = Comparing(purposes, node.channels.to(above), timedelta(seconds=config.purposes_compare_seconds))
        node.background("purposes.compare", comparing.run)
    recorder = Recorder(node.log, node.clock, pairwise)
    handlers = ConfirmationHandlers(node.database, node.log, purposes, node.clock, pairwise)
    explaining = PurposeHandlers(node.database, purposes, recorder, node.clock)
    handing_over = HandOverHandlers(node.database, purposes, recorder, node.clock, pairwise)
    for register, servicer, module, name in (
        (confirmation_grpc.add_ConfirmationServiceServicer_to_server, handlers, confirmation_pb, "ConfirmationService"),
        (purpose_grpc.add_PurposeServiceServicer_to_server, explaining, purpose_pb, "PurposeService"),
        (hand_over_grpc.add_HandOverServiceServicer_to_server, handing_over, hand_over_pb, "HandOverService"),
    ):
        node.serve(register, servicer, module.DESCRIPTOR.services_by_name[name])
    node.on_close(handlers.close)


def _pairwise_key(config: ConfirmingConfig) -> PairwiseKey:
    if not config.pairwise_module:
        _log.warning("pairwise.key_of_file", extra={"version": config.pairwise_key_version})
        return FileKey(config.keys, config.pairwise_key_version)
    token = TokenSettings(config.pairwise_module, config.pairwise_token, Path(config.pairwise_pin))
    return TokenKey(token, config.pairwise_key_version)


def serve_exchange(node: Node, inbox: Inbox, handlers: ExchangeHandlers, senders: Sequence[Sender]) -> None:
    """Adds ExchangeService, as `handlers` serve it, and StreamStatusService."""
    services = exchange_pb.DESCRIPTOR.services_by_name
    tokens = PageTokens(derived_secret(node.config.keys / "salt.key", "juki-page/v1"))
    status = StreamStatusHandlers(node.database, senders, inbox, ReceivedChanges(node.journal), tokens)
    node.serve(exchange_grpc.add_ExchangeServiceServicer_to_server, handlers, services["ExchangeService"])
    node.serve(exchange_grpc.add_StreamStatusServiceServicer_to_server, status, services["StreamStatusService"])
