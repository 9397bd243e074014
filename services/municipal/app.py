"""How a municipality's parts are put together: every concrete class is named here, once."""

from __future__ import annotations

from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_rpc
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_read_service_pb2_grpc as read_rpc
from juki.municipal.v1 import register_service_pb2 as register_pb
from juki.municipal.v1 import register_service_pb2_grpc as register_rpc
from services.foundation.exchange.neighbour import GrpcNeighbour
from services.foundation.exchange.outbox import Outbox
from services.foundation.exchange.outbox_reader import PostgresOutboxReader
from services.foundation.exchange.sender import Sender
from services.foundation.exchange.service import StreamStatusHandlers
from services.foundation.node import Node
from services.foundation.rpc.paging import PageTokens
from services.foundation.telemetry.metrics import Gauge
from services.municipal.access import ACCESS
from services.municipal.clients import GrpcAgency
from services.municipal.config import Config
from services.municipal.handlers.acts import Acts, Settings
from services.municipal.handlers.reads import RegisterReadHandlers
from services.municipal.handlers.register import RegisterHandlers
from services.municipal.store.postgres import PostgresStore
from services.municipal.supply import CodeSupply
from services.vocabulary.local_government_code import LocalGovernmentCode


def build(config: Config) -> Node:
    """Runs a municipality's node."""
    node = Node(config, ACCESS)
    outbox = Outbox(node.envelope_signer())
    store = PostgresStore(node.database, node.journal, outbox)
    tokens = PageTokens()
    _serve_register(node, config, store, tokens)
    _send_changes(node, outbox, tokens)
    agency = GrpcAgency(node.channels.to(config.agency))
    supply = CodeSupply(
        store,
        agency,
        low=config.code_pool_low,
        batch=config.code_pool_batch,
        seconds=config.code_pool_seconds,
    )
    node.telemetry.gauge(
        Gauge("juki.codes.free", "{code}", "Undrawn resident codes, up to code_pool_low.", lambda: [(supply.free, {})])
    )
    return node.background("code_pool.supply", supply.run)


def _serve_register(node: Node, config: Config, store: PostgresStore, tokens: PageTokens) -> None:
    settings = Settings(LocalGovernmentCode(node.identity.code), config.move_out_days_ahead)
    acts = Acts(store, node.journal, node.clock, settings)
    node.serve(
        register_rpc.add_RegisterServiceServicer_to_server,
        RegisterHandlers(acts),
        register_pb.DESCRIPTOR.services_by_name["RegisterService"],
    )
    node.serve(
        read_rpc.add_RegisterReadServiceServicer_to_server,
        RegisterReadHandlers(store, node.journal, tokens, config.code_pool_low),
        read_pb.DESCRIPTOR.services_by_name["RegisterReadService"],
    )


def _send_changes(node: Node, outbox: Outbox, tokens: PageTokens) -> None:
    """Sends the municipality's stream to its prefecture, and shows how the stream stands."""
    prefecture = f"prefecture/{node.identity.code[:2]}"
    neighbour = GrpcNeighbour(node.channels.to(prefecture))
    sender = Sender(
        prefecture,
        neighbour,
        outbox,
        PostgresOutboxReader(node.database),
        node.clock,
        tracer=node.telemetry.tracer,
    )
    node.background("exchange.sender", sender.run)
    node.telemetry.gauge(sender.gauge())
    node.serve(
        exchange_rpc.add_StreamStatusServiceServicer_to_server,
        StreamStatusHandlers(node.database, [sender], None, None, tokens),
        exchange_pb.DESCRIPTOR.services_by_name["StreamStatusService"],
    )
