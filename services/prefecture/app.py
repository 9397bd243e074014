"""Composes a prefecture: every concrete class is named here, once."""

from __future__ import annotations

from services.confirmation.standing import (
    MESSAGE_BYTES,
    ReceivedChanges,
    applier_of,
    serve_confirmation,
    serve_exchange,
)
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.neighbour import GrpcNeighbour
from services.foundation.exchange.outbox import Outbox
from services.foundation.exchange.outbox_reader import PostgresOutboxReader
from services.foundation.exchange.sender import Sender
from services.foundation.node import Node
from services.prefecture.access import ACCESS
from services.prefecture.config import Config
from services.prefecture.relay import Relay, RelayHandlers

AGENCY = "agency/national"


def build(config: Config) -> Node:
    """Runs a prefecture (都道府県)."""
    node = Node(config, ACCESS, message_bytes=MESSAGE_BYTES)
    outbox = Outbox(node.envelope_signer())
    applier = applier_of(node, node.identity.code)
    tracer = node.telemetry.tracer
    inbox = Inbox(node.database, node.signers(), applier.line_of, Relay(applier, outbox).apply, tracer=tracer)
    sender = Sender(
        AGENCY,
        GrpcNeighbour(node.channels.to(AGENCY)),
        outbox,
        PostgresOutboxReader(node.database),
        node.clock,
        tracer=tracer,
    )
    node.telemetry.gauge(sender.gauge())
    handlers = RelayHandlers(node.database, inbox, ReceivedChanges(node.journal), outbox)
    serve_exchange(node, inbox, handlers, [sender])
    serve_confirmation(node, config, above=AGENCY)
    return node.background("exchange.sender", sender.run)
