"""How a specimen comes to be: a blank card, or one issued to a synthetic resident or operator, ready for use."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from services.card.apdu import Channel
from services.card.terminal.applications import (
    JPKI_AID,
    JUKI_NET_AID,
    JUKI_NET_PIN,
    OPERATOR_AID,
    OPERATOR_PIN,
    CardIdentity,
    JpkiKey,
)
from services.card.terminal.domain import STATIC_KEY, LifeCycle
from services.card.terminal.requests import request_jpki, request_operator
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from services.card.tool.places import on_the_shelf
from services.card.tool.workshop import MUNICIPALITY, Workshop, draw_keys
from services.vocabulary.resident_code import ResidentCode

PINS = {"juki": "4711", "auth": "1234", "sign": "ABC123", "operator": "246810"}
"""The PINs of every specimen; real ones are chosen by their holders."""
KINDS = ("blank", "resident", "operator")
_VERSION = 1
_YEARS = 10


def make(workshop: Workshop, kind: str, photograph: bytes, tell: Callable[[str], None]) -> str:
    """Makes a card of a kind on the workshop's shelf and returns its number; `tell` hears of each step."""
    workshop.prepare()
    keys = draw_keys()
    number = workshop.shelf.make_blank(bytes.fromhex(MUNICIPALITY) + secrets.token_bytes(7), keys)
    workshop.keep_keys(number, keys)
    tell("a blank card, with transport keys of its own")
    if kind != "blank":
        on_the_shelf(workshop, number, lambda channel: _issue(workshop, channel, number, kind, photograph, tell))
    return number


def _issue(
    workshop: Workshop, channel: Channel, number: str, kind: str, photograph: bytes, tell: Callable[[str], None]
) -> None:
    session = CardSession(channel)
    _prepare(workshop, session, number)
    tell("the issuer's keys, the terminals' authority, the card's own key and certificate")
    if kind == "resident":
        _load_resident(workshop, session, number, photograph)
        tell("juki-net and JPKI applications, a synthetic resident's data, PINs")
        _certify_resident(workshop, session, number)
        tell("two key pairs made on the card, certificates for them; active")
    else:
        _load_operator(workshop, session, number)
        tell("operator application, a key pair made on the card, its certificate, a PIN; active")


def _prepare(workshop: Workshop, session: CardSession, number: str) -> None:
    keys = draw_keys()
    domain = session.security_domain(workshop.keys_of(number))
    domain.put_keys(_VERSION, _VERSION + 1, keys)
    # Dying here leaves a card whose keys nobody has: a specimen is then made anew.
    workshop.keep_keys(number, keys)
    domain = session.security_domain(workshop.keys_of(number))
    domain.store_issuer(MUNICIPALITY)
    domain.put_anchor(0, _VERSION, workshop.key.public_key())
    key = domain.generate_static(0, _VERSION)
    domain.store_certificates(STATIC_KEY, _VERSION, [workshop.certify_card(bytes.fromhex(number), key)])


def _load_resident(workshop: Workshop, session: CardSession, number: str, photograph: bytes) -> None:
    access = workshop.keys_of(number)
    domain = session.security_domain(access)
    domain.install(JUKI_NET_AID)
    domain.install(JPKI_AID)
    today = datetime.now(UTC).date()
    expires = today.replace(year=today.year + _YEARS, day=min(today.day, 28))
    identity = CardIdentity(bytes.fromhex(number), MUNICIPALITY, today, expires, bool(photograph))
    juki_net = session.juki_net(access)
    juki_net.personalise(ResidentCode.from_body(f"{secrets.randbelow(10**10):010}").digits, identity, photograph)
    juki_net.reset_pin(JUKI_NET_PIN, Pin(PINS["juki"]))
    session.security_domain(access).set_life_cycle(LifeCycle.PERSONALISED)


def _certify_resident(workshop: Workshop, session: CardSession, number: str) -> None:
    access, authority = workshop.keys_of(number), workshop.authority()
    pins: Mapping[JpkiKey, str] = {JpkiKey.AUTHENTICATION: PINS["auth"], JpkiKey.SIGNATURE: PINS["sign"]}
    for key, pin in pins.items():
        jpki = session.jpki(access)
        jpki.generate(key)
        jpki.reset_pin(key.pin, Pin(pin))
        jpki.verify(key.pin, Pin(pin))
        request = request_jpki(jpki, key, _name("合成住民 (synthetic resident)"))
        jpki.store_certificate(key, workshop.certify_holder(request.subject, jpki.public_key(key)), authority)
    session.security_domain(access).set_life_cycle(LifeCycle.ACTIVE)


def _load_operator(workshop: Workshop, session: CardSession, number: str) -> None:
    access = workshop.keys_of(number)
    session.security_domain(access).install(OPERATOR_AID)
    operator = session.operator(access)
    operator.generate()
    request = request_operator(operator, _name("合成操作者 (synthetic operator)"))
    operator.store_certificate(workshop.certify_holder(request.subject, operator.public_key()))
    operator.reset_pin(OPERATOR_PIN, Pin(PINS["operator"]))
    domain = session.security_domain(access)
    domain.set_life_cycle(LifeCycle.PERSONALISED)
    domain.set_life_cycle(LifeCycle.ACTIVE)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
