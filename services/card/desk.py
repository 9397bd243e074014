"""What can be done with the card of one session: blocking work, in the words of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from services.card.apdu import Channel
from services.card.issuer import Issuer
from services.card.refusals import (
    ApplicationUnknown,
    CertificateMalformed,
    CertificateNotForKey,
    KeyUnknown,
    PinBlocked,
    PinUnset,
)
from services.card.rules.issuing import OUR_KEYS, Life
from services.card.rules.profile import CertificateName, KeyName, PinName, check_pins
from services.card.rules.use import check_issued, check_not_ended, check_ours
from services.card.terminal.application import Application, PinForm
from services.card.terminal.applications import (
    AUTHENTICATION_PIN,
    JPKI_AID,
    JUKI_NET_AID,
    JUKI_NET_PIN,
    OPERATOR_AID,
    OPERATOR_PIN,
    SIGNATURE_PIN,
    CardIdentity,
    Jpki,
    JpkiKey,
    JukiNet,
    Operator,
)
from services.card.terminal.domain import DOMAIN_AID, LifeCycle, SecurityDomain
from services.card.terminal.requests import digest_info, request_jpki, request_operator
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.scp11 import TerminalAccess
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession

A = TypeVar("A", bound=Application)

_KINDS: dict[bytes, type[Application]] = {
    DOMAIN_AID: SecurityDomain,
    JUKI_NET_AID: JukiNet,
    JPKI_AID: Jpki,
    OPERATOR_AID: Operator,
}
_PINS: dict[PinName, tuple[bytes, PinForm]] = {
    PinName.JUKI_NET: (JUKI_NET_AID, JUKI_NET_PIN),
    PinName.AUTHENTICATION: (JPKI_AID, AUTHENTICATION_PIN),
    PinName.SIGNATURE: (JPKI_AID, SIGNATURE_PIN),
    PinName.OPERATOR: (OPERATOR_AID, OPERATOR_PIN),
}
_JPKI_KEYS = {KeyName.AUTHENTICATION: JpkiKey.AUTHENTICATION, KeyName.SIGNATURE: JpkiKey.SIGNATURE}
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


@dataclass(frozen=True, slots=True)
class PinStanding:
    """How a PIN stands."""

    pin: PinName
    tries_left: int
    is_set: bool


@dataclass(frozen=True, slots=True, repr=False)
class ResidentData:
    """What the juki-net area says; its `repr` tells nothing of it."""

    code: str
    identity: CardIdentity
    photograph: bytes


class CardDesk:
    """The card of one session, as a terminal and, where it is ours, as its issuer; refuses CARD_TERMINATED.

    It remembers which application it has opened and how, since opening another, or the same in another way, forgets
    the PINs that were proved. Everything refuses as the card does.
    """

    def __init__(self, channel: Channel, terminal: TerminalAccess, issuer: Issuer, own: str) -> None:
        self._session = CardSession(channel)
        self._terminal = terminal
        self._issuer = issuer
        self._own = own
        self._open: tuple[bytes, str, Application] | None = None
        domain = self._session.security_domain()
        self.life = Life(domain.life_cycle())
        check_not_ended(self.life)
        self.number = domain.number()
        self.issuer_code = _issuer_of(domain)

    def authenticate(self) -> None:
        """Lets card and terminal prove themselves to each other; refuses CARD_BLANK."""
        check_issued(self.life)
        self._as_terminal(SecurityDomain, DOMAIN_AID)

    def pins(self) -> list[PinStanding]:
        """Tells how the PINs of the card stand; none of a card that is locked, which shows no application."""
        return [standing for pin in PinName if (standing := self._standing(pin)) is not None]

    def read_resident(self, *, photograph: bool) -> ResidentData:
        """Reads the juki-net area, after its PIN."""
        area = self._as_terminal(JukiNet, JUKI_NET_AID)
        code, identity = area.resident_code(), area.identity()
        return ResidentData(code, identity, area.photograph() if photograph and identity.has_photograph else b"")

    def verify(self, name: PinName, pin: Pin) -> None:
        """Proves a PIN, which lasts until another application is opened."""
        aid, form = _PINS[name]
        self._as_terminal(_KINDS[aid], aid).verify(form, pin)

    def change_pin(self, name: PinName, old: Pin, new: Pin) -> None:
        """Replaces a PIN that its holder knows."""
        aid, form = _PINS[name]
        self._as_terminal(_KINDS[aid], aid).change_pin(form, old, new)

    def reset_pin(self, name: PinName, new: Pin) -> None:
        """Sets a PIN with the issuer's keys, and gives back all tries."""
        aid, form = _PINS[name]
        self._as_issuer(_KINDS[aid], aid).reset_pin(form, new)

    def generate(self, name: KeyName, pin: Pin) -> bytes:
        """Makes a key pair, and returns the PKCS #10 request that it signed, DER."""
        subject = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, self.number.hex().upper())])
        if name is KeyName.OPERATOR:
            operator = self._as_issuer(Operator, OPERATOR_AID)
            operator.generate()
            return request_operator(operator, subject).public_bytes(Encoding.DER)
        key, jpki = _JPKI_KEYS[name], self._as_issuer(Jpki, JPKI_AID)
        # The PIN first: a wrong one must not cost the pair that is there.
        jpki.verify(key.pin, pin)
        jpki.generate(key)
        return request_jpki(jpki, key, subject).public_bytes(Encoding.DER)

    def store_certificate(self, name: CertificateName, der: bytes) -> None:
        """Stores a certificate; one of the card's own keys must be for the key that is on the card."""
        certificate = _load(der)
        key, is_authority = name.value
        if key is KeyName.OPERATOR:
            operator = self._as_issuer(Operator, OPERATOR_AID)
            _require_key(certificate, operator.public_key())
            operator.store_certificate(certificate)
            return
        jpki, pair = self._as_issuer(Jpki, JPKI_AID), _JPKI_KEYS[key]
        if not is_authority:
            _require_key(certificate, jpki.public_key(pair))
        jpki.store({pair.authority_file if is_authority else pair.certificate_file: der})

    def read_certificate(self, name: CertificateName) -> bytes:
        """Reads a certificate, DER."""
        key, is_authority = name.value
        if key is KeyName.OPERATOR:
            return self._as_terminal(Operator, OPERATOR_AID).read_file(Operator.CERTIFICATE_FILE)
        pair = _JPKI_KEYS[key]
        area = self._as_terminal(Jpki, JPKI_AID)
        return area.read_file(pair.authority_file if is_authority else pair.certificate_file)

    def sign(self, name: KeyName, algorithm: str, digest: bytes) -> bytes:
        """Signs a digest, after the key's PIN."""
        if name is KeyName.OPERATOR:
            return self._as_terminal(Operator, OPERATOR_AID).sign_request(digest)
        info = digest_info(_HASHES[algorithm], digest)
        return self._as_terminal(Jpki, JPKI_AID).sign(_JPKI_KEYS[name], info)

    def answer(self, challenge: bytes) -> bytes:
        """Signs an operator's challenge, after the PIN."""
        return self._as_terminal(Operator, OPERATOR_AID).sign_challenge(challenge)

    def move(self, life: Life, *, begun: bool = False) -> Life:
        """Brings the card into another state of its life; a change that had begun before may be done already."""
        domain = self.domain()
        if not (begun and Life(domain.life_cycle()) is life):
            domain.set_life_cycle(LifeCycle(life.value))
        self.life = life
        return life

    def activate(self, pins: Mapping[PinName, Pin], *, begun: bool = False) -> Life:
        """Sets the holder's PINs, each that the card has, and makes the card active; refuses PIN_MISSING."""
        domain = self.domain()
        if begun and Life(domain.life_cycle()) is Life.ACTIVE:
            self.life = Life.ACTIVE
            return self.life
        there = {each.aid for each in domain.applications()}
        check_pins({pin for pin, (aid, _) in _PINS.items() if aid in there}, pins.keys())
        check_forms(pins)
        for name, pin in pins.items():
            self.reset_pin(name, pin)
        return self.move(Life.ACTIVE)

    def domain(self) -> SecurityDomain:
        """Opens the security domain as the issuer."""
        return self._as_issuer(SecurityDomain, DOMAIN_AID)

    def open_with(self, kind: type[A], aid: bytes, how: str, access: KeyAccess | TerminalAccess) -> A:
        """Opens an application unless it is open that way already; `how` names the way."""
        if self._open is not None and self._open[:2] == (aid, how):
            found = self._open[2]
            if isinstance(found, kind):
                return found
        self._open = None
        opened = self._session.open(kind, aid, access)
        self._open = (aid, how, opened)
        return opened

    @property
    def issuer_keys(self) -> Issuer:
        """The issuer's keys, for a card of this municipality; refuses CARD_NOT_OURS."""
        check_ours(self.issuer_code, self._own)
        return self._issuer

    def _as_terminal(self, kind: type[A], aid: bytes) -> A:
        return self.open_with(kind, aid, "terminal", self._terminal)

    def _as_issuer(self, kind: type[A], aid: bytes) -> A:
        keys = self.issuer_keys.card_keys(self.number)
        return self.open_with(kind, aid, "issuer", KeyAccess(keys, OUR_KEYS))

    def _standing(self, pin: PinName) -> PinStanding | None:
        aid, form = _PINS[pin]
        try:
            return PinStanding(pin, self._as_terminal(_KINDS[aid], aid).tries_left(form), is_set=True)
        except PinBlocked:
            return PinStanding(pin, 0, is_set=True)
        except PinUnset:
            return PinStanding(pin, 0, is_set=False)
        except ApplicationUnknown:
            return None


def check_forms(pins: Mapping[PinName, Pin]) -> None:
    """Refuses PIN_MALFORMED for a PIN that does not look like one of its kind."""
    for name, pin in pins.items():
        _PINS[name][1].require(pin)


def _issuer_of(domain: SecurityDomain) -> str:
    try:
        return domain.issuer()
    except KeyUnknown:
        return ""


def _load(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        raise CertificateMalformed("give one X.509 certificate, DER", field="der") from None
    if certificate.public_bytes(Encoding.DER) != der:
        raise CertificateMalformed("give one X.509 certificate, DER, and nothing after it", field="der")
    return certificate


def _require_key(certificate: x509.Certificate, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> None:
    if certificate.public_key() != key:
        raise CertificateNotForKey("have a certificate made of the card's newest PKCS #10 request")
