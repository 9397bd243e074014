"""Cards that were issued in a test through the terminal's own operations, from blank to active."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.card.apdu import Channel, Command, Response
from services.card.securechannel import StaticKeys
from services.card.softcard.card import SoftCard
from services.card.softcard.chip import Chip
from services.card.softcard.memory import Storage
from services.card.softcard.production import Production, produce
from services.card.terminal.application import Application, PinForm
from services.card.terminal.applications import (
    JPKI_AID,
    JUKI_NET_AID,
    JUKI_NET_PIN,
    OPERATOR_AID,
    OPERATOR_PIN,
    CardIdentity,
    JpkiKey,
)
from services.card.terminal.card_certificate import CardAnchors
from services.card.terminal.domain import STATIC_KEY, LifeCycle
from services.card.terminal.key import TerminalKey
from services.card.terminal.requests import request_jpki, request_operator
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.scp11 import TerminalAccess
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from tests.doubles.card_storage import MemoryStorage
from tests.terminals import NOW, Federation, Holder

NUMBER = bytes.fromhex("13101600000000000042")
RESIDENT_CODE = "12345678903"
JUKI_PIN, AUTHENTICATION_PIN, SIGNATURE_PIN, OPERATOR_PIN_VALUE = "4711", "1234", "ABC123", "246810"
PHOTOGRAPH = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 10 + b"\xff\xd9"
IDENTITY = CardIdentity(NUMBER, "131016", date(2026, 6, 1), date(2036, 5, 31), has_photograph=True)
VERSION = 3


@dataclass
class CardChannel:
    """The channel to a software card on the table, without a reader; it counts and may listen."""

    card: SoftCard
    heard: list[bytes] = field(default_factory=list)

    def transmit(self, command: Command) -> Response:
        raw = command.encode()
        answer = self.card.transmit(raw)
        self.heard += [raw, answer]
        return Response.parse(answer)


def draw_keys() -> StaticKeys:
    return StaticKeys(os.urandom(16), os.urandom(16), os.urandom(16))


@dataclass
class CardIssuer:
    """A municipality that issues cards, and the network whose terminals those cards accept."""

    federation: Federation = field(default_factory=Federation)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.certificate = self.certify(_common("131016 card issuer"), self.key.public_key(), authority=True)

    @property
    def anchors(self) -> CardAnchors:
        return CardAnchors((self.certificate,))

    def certify(
        self,
        subject: x509.Name,
        key: object,
        *,
        authority: bool = False,
        agreement: bool = False,
        begins: datetime | None = None,
    ) -> x509.Certificate:
        """Certifies a key under the issuer's name, valid for a year."""
        begins = begins or datetime.now(UTC) - timedelta(days=1)
        usage = x509.KeyUsage(
            not authority and not agreement, False, False, False, agreement, authority, authority, False, False
        )
        return (
            x509.CertificateBuilder(_common("131016 card issuer"), subject, key, x509.random_serial_number())  # type: ignore[arg-type]
            .not_valid_before(begins)
            .not_valid_after(begins + timedelta(days=365))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def terminal(self, **changes: object) -> TerminalAccess:
        """Gives a terminal its key and certificate; `changes` make the certificate wrong."""
        return TerminalAccess(terminal_key(self.federation.terminal(**changes), self.federation), self.anchors)


def terminal_key(holder: Holder, federation: Federation) -> TerminalKey:
    return TerminalKey(holder.key, holder.certificate, federation.issuing.certificate)


@dataclass
class IssuedCard:
    """A card, and what its issuer and its holder know of it."""

    issuer: CardIssuer
    storage: Storage
    card: SoftCard
    keys: StaticKeys

    @property
    def access(self) -> KeyAccess:
        return KeyAccess(self.keys)

    def session(self) -> CardSession:
        """Puts the card on the table and returns what speaks to it; not while it is in a reader."""
        self.card.power_on()
        return CardSession(CardChannel(self.card))


def blank_card(storage: Storage | None = None, chip: Chip | None = None) -> IssuedCard:
    """Produces a blank card with transport keys."""
    storage, keys = storage or MemoryStorage(), draw_keys()
    produce(storage, Production(NUMBER, keys, made_at=NOW))
    card = SoftCard(storage, chip)
    card.power_on()
    return IssuedCard(CardIssuer(), storage, card, keys)


def prepare(issued: IssuedCard, channel: Channel | None = None) -> CardSession:
    """Replaces the transport keys, and gives the card what it needs for terminals."""
    session = CardSession(channel or CardChannel(issued.card))
    keys = draw_keys()
    session.security_domain(issued.access).put_keys(1, 2, keys)
    issued.keys = keys
    domain = session.security_domain(issued.access)
    domain.store_issuer("131016")
    domain.put_anchor(0, VERSION, issued.issuer.federation.root.public_key())
    public = domain.generate_static(0, VERSION)
    subject = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, NUMBER.hex().upper())])
    domain.store_certificates(STATIC_KEY, VERSION, [issued.issuer.certify(subject, public, agreement=True)])
    return session


def issue_resident(chip: Chip | None = None, *, storage: Storage | None = None) -> IssuedCard:
    """Issues a resident card with photograph, both key pairs and certificates, and all PINs."""
    issued = blank_card(storage, chip)
    session = prepare(issued)
    domain = session.security_domain(issued.access)
    domain.install(JUKI_NET_AID)
    domain.install(JPKI_AID)
    juki_net = session.juki_net(issued.access)
    juki_net.personalise(RESIDENT_CODE, IDENTITY, PHOTOGRAPH)
    set_pin(juki_net, JUKI_NET_PIN, JUKI_PIN)
    jpki = session.jpki(issued.access)
    set_pin(jpki, JpkiKey.AUTHENTICATION.pin, AUTHENTICATION_PIN)
    set_pin(jpki, JpkiKey.SIGNATURE.pin, SIGNATURE_PIN)
    session.security_domain(issued.access).set_life_cycle(LifeCycle.PERSONALISED)
    for key, pin in ((JpkiKey.AUTHENTICATION, AUTHENTICATION_PIN), (JpkiKey.SIGNATURE, SIGNATURE_PIN)):
        jpki = session.jpki(issued.access)
        jpki.generate(key)
        jpki.verify(key.pin, Pin(pin))
        request = request_jpki(jpki, key, _common(f"synthetic resident {key.name.lower()}"))
        assert request.is_signature_valid
        certificate = issued.issuer.certify(request.subject, request.public_key())
        jpki.store_certificate(key, certificate, issued.issuer.certificate)
    session.security_domain(issued.access).set_life_cycle(LifeCycle.ACTIVE)
    issued.card.power_off()
    return issued


def issue_operator() -> IssuedCard:
    """Issues an operator card."""
    issued = blank_card()
    session = prepare(issued)
    session.security_domain(issued.access).install(OPERATOR_AID)
    operator = session.operator(issued.access)
    operator.generate()
    request = request_operator(operator, _common("synthetic operator"))
    assert request.is_signature_valid
    operator.store_certificate(issued.issuer.certify(request.subject, request.public_key()))
    set_pin(operator, OPERATOR_PIN, OPERATOR_PIN_VALUE)
    domain = session.security_domain(issued.access)
    domain.set_life_cycle(LifeCycle.PERSONALISED)
    domain.set_life_cycle(LifeCycle.ACTIVE)
    issued.card.power_off()
    return issued


def set_pin(application: Application, form: PinForm, value: str) -> None:
    application.reset_pin(form, Pin(value))


def _common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
