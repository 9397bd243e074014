"""Composes the agency: every concrete class is named here, once."""

from __future__ import annotations

import random

from juki.agency.v1 import code_pool_service_pb2 as pool_pb
from juki.agency.v1 import code_pool_service_pb2_grpc as pool_grpc
from services.agency.access import ACCESS
from services.agency.config import Config
from services.agency.handlers import CodePoolHandlers
from services.confirmation.standing import (
    MESSAGE_BYTES,
    ReceivedChanges,
    applier_of,
    serve_confirmation,
    serve_exchange,
)
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.service import ExchangeHandlers
from services.foundation.node import Node


def build(config: Config) -> Node:
    """Runs the designated agency (指定情報処理機関)."""
    node = Node(config, ACCESS, message_bytes=MESSAGE_BYTES)
    applier = applier_of(node, None)
    inbox = Inbox(node.database, node.signers(), applier.line_of, applier.apply, tracer=node.telemetry.tracer)
    serve_exchange(node, inbox, ExchangeHandlers(node.database, inbox, ReceivedChanges(node.journal)), ())
    serve_confirmation(node, config)
    pool = CodePoolHandlers(node.database, node.journal, random.SystemRandom())
    return node.serve(
        pool_grpc.add_CodePoolServiceServicer_to_server, pool, pool_pb.DESCRIPTOR.services_by_name["CodePoolService"]
    )
