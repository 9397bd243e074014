"""A card node as it runs: its own database and keys, an issuer's token, embedded readers, mutual TLS."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import grpc.aio
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.pki.authority import Pki
from deploy.pki.settings import load_settings
from juki.card.v1 import applet_service_pb2_grpc as applet_rpc
from juki.card.v1 import card_pb2
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import card_service_pb2_grpc as card_rpc
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from juki.card.v1 import issuing_service_pb2_grpc as issuing_rpc
from juki.card.v1 import reader_service_pb2_grpc as reader_rpc
from juki.common.v1 import civil_date_pb2
from services.card.app import build
from services.card.config import Config
from services.card.issuer import Issuer, Token, TokenIssuer
from services.card.issuer.setup import ensure_keys
from services.card.readers.embedded import EmbeddedReaders
from services.card.softcard.card import SoftCard
from services.card.softcard.production import Production, produce
from services.foundation.clock import SystemClock
from services.foundation.db.migrate import upgrade
from services.foundation.identity import node_id
from services.foundation.rpc.status import RemoteRefusal
from services.foundation.rpc.status import refusal_of as refusal_in
from tests.cards import PHOTOGRAPH, QuickChip
from tests.databases import DatabaseUrls, MakeDatabase
from tests.doubles.card_storage import MemoryStorage
from tests.tokens import SoftToken, make_token

ROOT = Path(__file__).parents[3]
NODE, COUNTER, CITY = "card/131016-1", "counter/131016-1", "municipal/131016"
READER, SPARE = "Embedded 00", "Embedded 01"
SECONDS = 20.0
CODE = "12345678903"
_numbers = itertools.count(1)


def request_id() -> str:
    return str(uuid4())


def resident(code: str = CODE, **values: Any) -> issuing_pb.ResidentProfile:
    """What a synthetic resident's card holds."""
    expiry = civil_date_pb2.CivilDate(year=2035, month=3, day=31)
    return issuing_pb.ResidentProfile(
        **{"resident_code": code, "expiry_date": expiry, "photograph": PHOTOGRAPH, "jpki": True, **values}
    )


def all_pins() -> issuing_pb.NewPins:
    return issuing_pb.NewPins(juki_net="4711", authentication="1234", signature="ABC123")


@dataclass
class Blank:
    """A blank card that its maker delivered, with the transport keys that the issuer knows."""

    number: str
    card: SoftCard
    storage: MemoryStorage = field(default_factory=MemoryStorage)


def make_blank(issuer: Issuer) -> Blank:
    number = bytes.fromhex(f"131016{next(_numbers):014d}")
    storage = MemoryStorage()
    produce(storage, Production(number, issuer.transport_keys(number)))
    return Blank(number.hex().upper(), SoftCard(storage, QuickChip()), storage)


@dataclass
class Desk:
    """A caller's stubs."""

    channel: grpc.aio.Channel

    def __post_init__(self) -> None:
        self.cards: card_rpc.CardServiceAsyncStub = card_rpc.CardServiceStub(self.channel)
        self.applets: applet_rpc.AppletServiceAsyncStub = applet_rpc.AppletServiceStub(self.channel)
        self.issuing: issuing_rpc.IssuingServiceAsyncStub = issuing_rpc.IssuingServiceStub(self.channel)
        self.readers: reader_rpc.ReaderServiceAsyncStub = reader_rpc.ReaderServiceStub(self.channel)

    async def open(self, reader: str = READER) -> str:
        request = card_pb.OpenSessionRequest(request_id=request_id(), reader=reader)
        return (await self.cards.OpenSession(request, timeout=SECONDS)).session

    async def close(self, session: str) -> None:
        request = card_pb.CloseSessionRequest(request_id=request_id(), session=session)
        await self.cards.CloseSession(request, timeout=SECONDS)

    async def verify(self, session: str, pin: card_pb2.Pin.ValueType, value: str) -> None:
        request = card_pb.VerifyPinRequest(request_id=request_id(), session=session, pin=pin, value=value)
        await self.cards.VerifyPin(request, timeout=SECONDS)

    async def issue(self, **values: Any) -> issuing_pb.IssueCardResponse:
        request = issuing_pb.IssueCardRequest(
            **{
                "request_id": request_id(),
                "reader": READER,
                "holder": f"residents/{uuid4()}",
                "resident": resident(),
                "pins": all_pins(),
                **values,
            }
        )
        return await self.issuing.IssueCard(request, timeout=SECONDS)


@dataclass
class Running:
    """A node that serves, with what is around it."""

    pki: Pki
    urls: DatabaseUrls
    config: Config
    readers: EmbeddedReaders
    issuer: Issuer
    port: int

    def channel(self, caller: str = COUNTER) -> grpc.aio.Channel:
        keys = self.pki.issue(caller)
        credentials = grpc.ssl_channel_credentials(
            (self.pki.state / "trust" / "roots.crt").read_bytes(),
            (keys / "tls.key").read_bytes(),
            (keys / "tls.crt").read_bytes(),
        )
        options = [("grpc.ssl_target_name_override", node_id(NODE, "juki.example").dns_name)]
        return grpc.aio.secure_channel(f"localhost:{self.port}", credentials, options)

    @asynccontextmanager
    async def desk(self, caller: str = COUNTER) -> AsyncIterator[Desk]:
        async with self.channel(caller) as channel:
            yield Desk(channel)

    async def acts(self) -> list[str]:
        """Returns the actions in the node's log, in order."""
        owner = await asyncpg.connect(self.urls.owner)
        try:
            rows = await owner.fetch("SELECT body FROM audit_entry ORDER BY seq")
        finally:
            await owner.close()
        return [json.loads(row["body"])["act"] for row in rows]

    async def blank(self, reader: str = READER) -> Blank:
        """Puts a blank card into a reader."""
        blank = make_blank(self.issuer)
        await self.readers.insert(reader, blank.card)
        return blank


@pytest.fixture(scope="session")
def token() -> SoftToken:
    return make_token()


@pytest.fixture(scope="session")
def issuer(token: SoftToken) -> TokenIssuer:
    opened = Token(token.settings)
    ensure_keys(opened, "131016", SystemClock())
    return TokenIssuer(opened, SystemClock())


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory, issuer: TokenIssuer) -> Pki:
    pki = Pki(tmp_path_factory.mktemp("pki"), load_settings(ROOT / "deploy/pki/ceremony.toml"))
    pki.init()
    pki.issue(NODE)
    (pki.state / "trust" / "cards.crt").write_bytes(issuer.certificate().public_bytes(Encoding.PEM))
    return pki


@pytest.fixture(scope="session")
def urls(make_database: MakeDatabase) -> DatabaseUrls:
    urls = make_database("card")
    asyncio.run(upgrade(urls.owner, ROOT / "services/card/migrations", urls.app_role))
    return urls


@asynccontextmanager
async def running(
    pki: Pki,
    urls: DatabaseUrls,
    token: SoftToken,
    issuer: Issuer,
    directory: Path,
    readers: EmbeddedReaders | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """Runs a card node."""
    readers = readers or EmbeddedReaders((READER, SPARE))
    config = Config(
        **{
            "node": NODE,
            "listen": "127.0.0.1:0",
            "database_url": urls.app,
            "durable_database": False,
            "keys": pki.issue(NODE),
            "trust": pki.state / "trust",
            "log_directory": directory / "log",
            "state": directory / "cards",
            "pkcs11_module": token.settings.module,
            "pkcs11_token": token.settings.label,
            "pkcs11_pin": token.settings.pin_file,
            **settings,
        }
    )
    node = build(config, readers)
    serving = asyncio.create_task(node.run())
    while not node.server.port:
        await asyncio.sleep(0.01)
        if serving.done():
            await serving
    try:
        yield Running(pki, urls, config, readers, issuer, node.server.port)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture
async def node(
    pki: Pki, urls: DatabaseUrls, token: SoftToken, issuer: TokenIssuer, tmp_path: Path
) -> AsyncIterator[Running]:
    async with running(pki, urls, token, issuer, tmp_path) as running_node:
        yield running_node


@pytest.fixture
async def desk(node: Running) -> AsyncIterator[Desk]:
    async with node.desk() as desk:
        yield desk


async def reason_of(answer: Awaitable[Any]) -> str:
    """Returns the reason for which a call is refused."""
    return (await refusal_of(answer)).reason


async def refusal_of(answer: Awaitable[Any]) -> RemoteRefusal:
    """Returns the refusal with which a call is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await answer
    refusal = refusal_in(failed.value)
    assert refusal is not None, failed.value
    return refusal
