"""How a card node's parts are put together: every concrete class is named here, once."""

from __future__ import annotations

from juki.card.v1 import applet_service_pb2 as applet_pb
from juki.card.v1 import applet_service_pb2_grpc as applet_rpc
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import card_service_pb2_grpc as card_rpc
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from juki.card.v1 import issuing_service_pb2_grpc as issuing_rpc
from juki.card.v1 import reader_service_pb2 as reader_pb
from juki.card.v1 import reader_service_pb2_grpc as reader_rpc
from services.card.access import ACCESS
from services.card.config import Config
from services.card.following import Following
from services.card.handlers.acts import Acts
from services.card.handlers.applets import AppletHandlers
from services.card.handlers.cards import CardHandlers
from services.card.handlers.issues import Issues
from services.card.handlers.issuing import IssuingHandlers
from services.card.handlers.opening import Opening
from services.card.handlers.readers import ReaderHandlers
from services.card.issuer import Issuer, Token, TokenIssuer, TokenSettings
from services.card.readers.embedded import EmbeddedReaders
from services.card.readers.pcsc import PcscReaders
from services.card.readers.protocol import Readers
from services.card.sessions import Sessions
from services.card.shelf import Hand, Shelf, reader_name
from services.card.store.postgres import PostgresStore
from services.card.trust import CardTrust
from services.foundation.node import Node
from services.foundation.rpc.paging import PageTokens
from services.foundation.settings import SettingRefused
from services.foundation.telemetry.metrics import Gauge

_BATCH_BYTES = 2 * 1024 * 1024
"""Most bytes of an IssueBatch request: a hundred cards with photographs."""
_MUNICIPALITY_DIGITS = 6


def build(config: Config, readers: Readers | None = None) -> Node:
    """Runs a card node; other `readers` than those of its settings may be given to it."""
    node = Node(config, ACCESS, message_bytes={"/juki.card.v1.IssuingService/IssueBatch": _BATCH_BYTES})
    own = node.identity.code[:_MUNICIPALITY_DIGITS]
    if readers is None:
        readers = _readers(node, config)
    token = Token(TokenSettings(config.pkcs11_module, config.pkcs11_token, config.keys / config.pkcs11_pin))
    issuer = TokenIssuer(token, node.clock)
    sessions = Sessions(readers, config.idle_seconds, config.card_seconds)
    _serve(node, sessions, issuer, CardTrust(config.keys, config.trust, node.clock), own)
    node.background("card.sessions", sessions.watch)
    node.on_close(sessions.close)
    node.telemetry.gauge(
        Gauge("juki.card.sessions", "{session}", "Open sessions with cards.", lambda: [(sessions.count(), {})])
    )
    return node


def _serve(node: Node, sessions: Sessions, issuer: Issuer, trust: CardTrust, own: str) -> None:
    store = PostgresStore(node.database, node.journal)
    acts = Acts(store, node.journal, sessions)
    opening = Opening(sessions, store, issuer, own, trust.terminal)
    issues = Issues(sessions, store, node.journal, lambda: trust.office(own, issuer))
    following = Following(sessions.readers)
    node.background("card.readers", following.run)
    node.serve(
        reader_rpc.add_ReaderServiceServicer_to_server,
        ReaderHandlers(sessions.readers, following),
        reader_pb.DESCRIPTOR.services_by_name["ReaderService"],
    )
    node.serve(
        card_rpc.add_CardServiceServicer_to_server,
        CardHandlers(acts, opening),
        card_pb.DESCRIPTOR.services_by_name["CardService"],
    )
    node.serve(
        applet_rpc.add_AppletServiceServicer_to_server,
        AppletHandlers(acts, own),
        applet_pb.DESCRIPTOR.services_by_name["AppletService"],
    )
    node.serve(
        issuing_rpc.add_IssuingServiceServicer_to_server,
        IssuingHandlers(acts, issues, opening, node.clock, PageTokens(), own),
        issuing_pb.DESCRIPTOR.services_by_name["IssuingService"],
    )


def _readers(node: Node, config: Config) -> Readers:
    if config.readers == "pcsc":
        return PcscReaders()
    if config.readers != "embedded":
        raise SettingRefused("set readers to embedded or pcsc", key="readers")
    names = [reader_name(slot) for slot in range(config.embedded_readers)]
    embedded = EmbeddedReaders(names)
    hand = Hand(Shelf(config.state), embedded, config.embedded_readers)
    node.background("card.shelf", hand.run)
    return embedded
