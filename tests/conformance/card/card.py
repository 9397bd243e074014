"""The card on the suite's table: its link, its specimen, and what is prepared on it through the terminal room."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from services.card import tlv
from services.card.apdu import SHORT_LE
from services.card.securechannel import StaticKeys
from services.card.terminal.card_certificate import CardAnchors
from services.card.terminal.domain import ANCHOR_KEY, DOMAIN_AID, STATIC_KEY, SecurityDomain
from services.card.terminal.own_service import OwnService, ServiceParameters, ServicePin, service_aid
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.session import CardSession
from tests.conformance.card.links import Link
from tests.conformance.card.specimen import Specimen
from tests.conformance.card.terminal import Terminal
from tests.terminals import TERMINAL, Holder, mint

SERVICE_PIN, OTHER_SERVICE_PIN = b"k-9", b"k-10"
SERVICE_TRIES = 3
QUOTA = 2048
MARK = b"told to nobody"


def draw_keys() -> StaticKeys:
    """Draws a key set."""
    return StaticKeys(os.urandom(16), os.urandom(16), os.urandom(16))


@dataclass(frozen=True)
class Service:
    """An own service that the suite installed, with a PIN that has been set."""

    aid: bytes
    keys: StaticKeys
    ef: int
    """A file with `MARK` in it, free to read, whose number no other application has."""


class Card:
    """A card that is not blank, or one that is."""

    def __init__(self, specimen: Specimen, link: Link) -> None:
        self.specimen = specimen
        self.link = link

    def fresh(self) -> Terminal:
        """Resets the card and gives the basic channel."""
        self.link.reset()
        return Terminal(self.link)

    @property
    def keys(self) -> StaticKeys:
        """The issuer's keys."""
        return self.specimen.static_keys

    def domain(self) -> SecurityDomain:
        """Opens the security domain with the issuer's keys, on the basic channel."""
        return CardSession(Terminal(self.link)).security_domain(self.specimen.keys)

    def own_service(self, service: Service) -> OwnService:
        """Opens an own service with its keys."""
        return CardSession(Terminal(self.link)).own_service(service.aid, KeyAccess(service.keys))

    def install(self, number: int) -> Service:
        """Installs an own service, removing what an earlier run left, sets its PIN and makes its file."""
        service = Service(service_aid("131016", number), draw_keys(), 0x7A00 | number & 0xFF)
        self.remove(service.aid)
        pin = ServicePin(3, 8, SERVICE_TRIES)
        self.domain().install(service.aid, ServiceParameters(QUOTA, service.keys, pin=pin))
        opened = self.own_service(service)
        opened.create_file(service.ef, len(MARK), read=0x00, write=0x02)
        opened.update_file(service.ef, MARK)
        opened.select_file(0x0018)
        terminal = Terminal(self.link).select(service.aid).scp03(service.keys)
        assert terminal.select_file(0x0018) == 0x9000
        terminal.ok(0x00, 0x2C, 0x02, 0x80, SERVICE_PIN)
        return service

    def remove(self, aid: bytes) -> None:
        """Deletes an application if it is there."""
        self.link.reset()
        domain = self.domain()
        if aid in {installed.aid for installed in domain.applications()}:
            domain.delete(aid)

    def holder(self, **changes: object) -> Holder:
        """Certifies a terminal directly below the card's anchor, right except for `changes` to its shape."""
        shape = replace(TERMINAL, not_before=yesterday())
        return mint(replace(shape, **changes), self.specimen.authority)  # type: ignore[arg-type]

    def certify(self, subject: x509.Name, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> x509.Certificate:
        """Makes a certificate in the authority's name; of what kind does not matter to the card."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "conformance authority")])
        builder = x509.CertificateBuilder(name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(yesterday()).not_valid_after(yesterday() + timedelta(days=365))
        return builder.sign(self.specimen.authority, hashes.SHA256())

    def versions(self) -> tuple[int, int]:
        """Reads the versions of the trust anchor and of the static key."""
        return self.versions_of(Terminal(self.link).select(DOMAIN_AID))

    def versions_of(self, terminal: Terminal) -> tuple[int, int]:
        """Reads the same over a terminal that has the security domain selected, protected if a session is open."""
        entries = [item.value for item in tlv.parse(terminal.ok(0x80, 0xCA, 0x00, 0xE0, le=SHORT_LE))]
        highest = {kid: max(entry[1] for entry in entries if entry[0] == kid) for kid in (ANCHOR_KEY, STATIC_KEY)}
        return highest[ANCHOR_KEY], highest[STATIC_KEY]

    def static_key(self) -> ec.EllipticCurvePublicKey:
        """Reads and believes the card's certificate."""
        domain = CardSession(Terminal(self.link)).security_domain()
        chain = domain.certificates(STATIC_KEY, domain.version_of(STATIC_KEY))
        return CardAnchors(self.specimen.issuers).verify(chain, domain.number())

    def authenticate(self, terminal: Terminal, aid: bytes, holder: Holder | None = None) -> Terminal:
        """Authenticates a terminal to an application with its certificate (SCP11a)."""
        shown = holder or self.holder()
        # A session of this channel would close the security domain to unprotected reading.
        Terminal(self.link).select(DOMAIN_AID)
        (anchor, version), static = self.versions(), self.static_key()
        terminal.select(aid)
        sw = terminal.present([shown], anchor)
        assert sw == 0x9000, f"the terminal's certificate was answered {sw:04X}"
        terminal.agree(shown.key, static, version)
        return terminal


def yesterday() -> datetime:
    """When the suite's certificates begin; the same within a day, so that the card's date does not run away."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
