"""How each step of issuing is done on the card: blocking work with the issuer's keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from services.card.apdu import Channel
from services.card.issuer import Issuer
from services.card.refusals import KeyUnknown
from services.card.rules.issuing import OUR_KEYS, Facts, Life, Step
from services.card.rules.profile import OperatorCard, PinName, Profile, ResidentCard
from services.card.rules.use import check_not_ended
from services.card.securechannel import StaticKeys
from services.card.terminal.applications import (
    AUTHENTICATION_PIN,
    JPKI_AID,
    JUKI_NET_AID,
    JUKI_NET_PIN,
    OPERATOR_AID,
    OPERATOR_PIN,
    SIGNATURE_PIN,
    CardIdentity,
)
from services.card.terminal.domain import ANCHOR_KEY, STATIC_KEY, LifeCycle, SecurityDomain
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession

_SCP03_KEY = 0x01
_ANCHOR_VERSION = _STATIC_VERSION = 0x01


@dataclass(frozen=True, slots=True)
class Office:
    """Who issues: the municipality, its keys, and the authority that certifies terminals."""

    municipality: str
    """Six digits."""
    keys: Issuer
    terminal_anchor: ec.EllipticCurvePublicKey


class Personaliser:
    """One card on its way from blank to somebody's; every method refuses as the card and the issuer's token do.

    Making one refuses CARD_TERMINATED.
    """

    def __init__(self, channel: Channel, office: Office) -> None:
        self._session = CardSession(channel)
        self._office = office
        self._derived: StaticKeys | None = None
        domain = self._session.security_domain()
        check_not_ended(Life(domain.life_cycle()))
        self.number = domain.number()

    def look(self) -> Facts:
        """Reads how far the card is."""
        domain = self._session.security_domain()
        keys, life = domain.keys(), Life(domain.life_cycle())
        versions = frozenset(key.kvn for key in keys if key.kid == _SCP03_KEY)
        kinds = {key.kid for key in keys}
        try:
            issuer = domain.issuer()
        except KeyUnknown:
            issuer = ""
        certified = STATIC_KEY in kinds and _is_certified(domain)
        installed = self._installed() if OUR_KEYS in versions and life is Life.ISSUED else frozenset[bytes]()
        return Facts(life, versions, issuer, ANCHOR_KEY in kinds, certified, installed)

    def do(self, step: Step, profile: Profile, today: date, pins: Mapping[PinName, Pin]) -> None:
        """Does one step; done twice it leaves the card as done once."""
        match step:
            case Step.REPLACE_KEYS:
                self._replace_keys()
            case Step.NAME_ISSUER:
                self._domain().store_issuer(self._office.municipality)
            case Step.TRUST_TERMINALS:
                self._domain().put_anchor(0, _ANCHOR_VERSION, self._office.terminal_anchor)
            case Step.MAKE_KEY:
                self._make_key()
            case Step.INSTALL:
                self._install(profile)
            case Step.WRITE:
                self._write(profile, today)
            case Step.HAND_OVER:
                self.hand_over(pins)

    def hand_over(self, pins: Mapping[PinName, Pin]) -> None:
        """Sets the holder's PINs, and makes the card active."""
        if (pin := pins.get(PinName.JUKI_NET)) is not None:
            self._session.juki_net(self._access()).reset_pin(JUKI_NET_PIN, pin)
        if (pin := pins.get(PinName.OPERATOR)) is not None:
            self._session.operator(self._access()).reset_pin(OPERATOR_PIN, pin)
        signature, authentication = pins.get(PinName.SIGNATURE), pins.get(PinName.AUTHENTICATION)
        if signature is not None and authentication is not None:
            jpki = self._session.jpki(self._access())
            jpki.reset_pin(AUTHENTICATION_PIN, authentication)
            jpki.reset_pin(SIGNATURE_PIN, signature)
        self._domain().set_life_cycle(LifeCycle.ACTIVE)

    def terminate(self) -> None:
        """Ends the card, with our keys or, where it has them still, the maker's."""
        self._domain().set_life_cycle(LifeCycle.TERMINATED)

    def _replace_keys(self) -> None:
        transport = KeyAccess(self._office.keys.transport_keys(self.number))
        domain = self._session.security_domain(transport)
        listed = domain.keys()
        (version,) = {key.kvn for key in listed if key.kid == _SCP03_KEY}
        domain.put_keys(version, OUR_KEYS, self._card_keys())

    def _make_key(self) -> None:
        domain = self._domain()
        listed = domain.keys()
        present = any(key.kid == STATIC_KEY for key in listed)
        # A key without a certificate was made before a break, and nobody holds its public half any more.
        key = domain.generate_static(_STATIC_VERSION if present else 0, _STATIC_VERSION)
        certificate = x509.load_der_x509_certificate(self._office.keys.certify(self.number, key))
        domain.store_certificates(STATIC_KEY, _STATIC_VERSION, [certificate])

    def _install(self, profile: Profile) -> None:
        domain = self._domain()
        there = {each.aid for each in domain.applications()}
        for aid in sorted(applications_of(profile) - there):
            domain.install(aid)

    def _write(self, profile: Profile, today: date) -> None:
        if isinstance(profile, OperatorCard):
            self._session.operator(self._access()).generate()
        else:
            area = self._session.juki_net(self._access())
            area.personalise(profile.code.digits, self._identity(profile, today), profile.photograph)
        self._domain().set_life_cycle(LifeCycle.PERSONALISED)

    def _identity(self, profile: ResidentCard, today: date) -> CardIdentity:
        return CardIdentity(self.number, self._office.municipality, today, profile.expires_on, bool(profile.photograph))

    def _domain(self) -> SecurityDomain:
        return self._session.security_domain(self._access())

    def _access(self) -> KeyAccess:
        return KeyAccess(self._keys_for)

    def _keys_for(self, _number: bytes, version: int) -> StaticKeys:
        return self._card_keys() if version == OUR_KEYS else self._office.keys.transport_keys(self.number)

    def _card_keys(self) -> StaticKeys:
        """Derives the card's keys once, for the dozen sessions of its issue."""
        if self._derived is None:
            self._derived = self._office.keys.card_keys(self.number)
        return self._derived

    def _installed(self) -> frozenset[bytes]:
        return frozenset(each.aid for each in self._domain().applications())


def applications_of(profile: Profile) -> frozenset[bytes]:
    """Returns the applications that a kind of card has, by name."""
    if isinstance(profile, OperatorCard):
        return frozenset({OPERATOR_AID})
    return frozenset({JUKI_NET_AID, JPKI_AID} if profile.jpki else {JUKI_NET_AID})


def _is_certified(domain: SecurityDomain) -> bool:
    try:
        return bool(domain.certificates(STATIC_KEY, _STATIC_VERSION))
    except KeyUnknown:
        return False
