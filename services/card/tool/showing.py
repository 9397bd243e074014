"""What is on a card, as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from cryptography import x509
from rich.table import Table

from services.card.apdu import Channel
from services.card.refusals import FileUnknown
from services.card.terminal.application import Application, PinForm
from services.card.terminal.applications import JUKI_NET_PIN, OPERATOR_PIN, JpkiKey
from services.card.terminal.domain import LifeCycle, SecurityDomain
from services.card.terminal.scp11 import TerminalAccess
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from services.foundation.refusals import Refusal
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed
from services.vocabulary.municipalities import municipality_at

_STATES = {
    LifeCycle.ISSUED: "発行前 issued",
    LifeCycle.PERSONALISED: "個人化済 personalised",
    LifeCycle.ACTIVE: "[green]有効 active[/]",
    LifeCycle.LOCKED: "[yellow]一時停止 locked[/]",
    LifeCycle.TERMINATED: "[red]廃止 terminated[/]",
}
_KEYS = {1: "SCP03 ENC", 2: "SCP03 MAC", 3: "SCP03 DEK", 0x10: "terminals' authority", 0x11: "the card's own"}
_KINDS = {0x88: "AES", 0xB0: "public", 0xB1: "private"}


def describe(channel: Channel, access: TerminalAccess, pins: Mapping[str, Pin]) -> Iterator[Table]:
    """Shows the card's state and keys, and of each application what may be read with these PINs."""
    session = CardSession(channel)
    domain = session.security_domain()
    yield _card(domain)
    if domain.life_cycle() in (LifeCycle.TERMINATED, LifeCycle.LOCKED):
        return
    for show in (_juki_net, _jpki, _operator):
        table = Table(title=_TITLES[show], title_justify="left", show_header=False, box=None, padding=(0, 2))
        try:
            for name, value in show(session, access, pins):
                table.add_row(name, value)
        except Refusal as refusal:
            if refusal.reason == "APPLICATION_UNKNOWN":
                continue
            table.add_row("", f"[yellow]{refusal.reason}[/]: {refusal.advice}")
        yield table


def _card(domain: SecurityDomain) -> Table:
    table = Table(title="カード card", title_justify="left", show_header=False, box=None, padding=(0, 2))
    state = domain.life_cycle()
    table.add_row("状態 state", _STATES[state])
    if state is LifeCycle.TERMINATED:
        return table
    table.add_row("番号 number", domain.number().hex().upper())
    table.add_row("発行者 issuer", _or_none(lambda: _municipality(domain.issuer()), "CARD_KEY_UNKNOWN"))
    listed = domain.keys()
    for key in listed:
        name, kind = _KEYS.get(key.kid, f"{key.kid:02X}"), _KINDS.get(key.kind, f"{key.kind:02X}")
        table.add_row("鍵 key", f"{name}, version {key.kvn:02X}, {kind}")
    return table


Rows = Iterator[tuple[str, str]]


def _juki_net(session: CardSession, access: TerminalAccess, pins: Mapping[str, Pin]) -> Rows:
    juki_net = session.juki_net(access)
    yield "", "相互認証 mutual authentication: [green]done[/]"
    yield from _tries("暗証番号 PIN", juki_net, JUKI_NET_PIN)
    if "juki" not in pins:
        yield "", "read with the PIN: --pin juki"
        return
    juki_net.verify_pin(pins["juki"])
    yield "住民票コード resident code", juki_net.resident_code()
    identity = juki_net.identity()
    yield "発行市区町村 municipality", _municipality(identity.municipality)
    yield "交付日 issued", identity.issued_on.isoformat()
    yield "有効期限 expires", identity.expires_on.isoformat()
    photograph = f"JPEG, {len(juki_net.photograph()):,} octets" if identity.has_photograph else "none"
    yield "写真 photograph", photograph


def _jpki(session: CardSession, _: TerminalAccess, pins: Mapping[str, Pin]) -> Rows:
    jpki = session.jpki()
    yield from _tries("利用者証明用 authentication PIN", jpki, JpkiKey.AUTHENTICATION.pin)
    yield from _tries("署名用 signature PIN", jpki, JpkiKey.SIGNATURE.pin)
    yield "利用者証明用 authentication certificate", _certificate(lambda: jpki.certificate(JpkiKey.AUTHENTICATION))
    yield "その発行者 its authority", _certificate(lambda: jpki.authority_certificate(JpkiKey.AUTHENTICATION))
    if "sign" in pins:
        jpki.verify(JpkiKey.SIGNATURE.pin, pins["sign"])
        yield "署名用 signature certificate", _certificate(lambda: jpki.certificate(JpkiKey.SIGNATURE))
    else:
        yield "署名用 signature certificate", "read with the PIN: --pin sign"


def _operator(session: CardSession, _: TerminalAccess, pins: Mapping[str, Pin]) -> Rows:
    operator = session.operator()
    yield from _tries("暗証番号 PIN", operator, OPERATOR_PIN)
    if "operator" in pins:
        operator.verify_pin(pins["operator"])
        yield "", "[green]the PIN is right[/]"
    yield "証明書 certificate", _certificate(operator.certificate)


_TITLES: Mapping[Callable[[CardSession, TerminalAccess, Mapping[str, Pin]], Rows], str] = {
    _juki_net: "住基ネット juki-net",
    _jpki: "公的個人認証 JPKI",
    _operator: "操作者 operator",
}


def _tries(name: str, application: Application, form: PinForm) -> Rows:
    left = _or_none(lambda: f"{application.tries_left(form)} tries left", "PIN_UNSET")
    yield name, "[red]blocked[/]" if left.startswith("0 ") else left


def _certificate(read: Callable[[], x509.Certificate]) -> str:
    try:
        certificate = read()
    except FileUnknown:
        return "none"
    names = certificate.subject.rfc4514_string()
    return f"{names}, until {certificate.not_valid_after_utc:%Y-%m-%d}"


def _or_none(read: Callable[[], str], reason: str) -> str:
    try:
        return read()
    except Refusal as refusal:
        if refusal.reason != reason:
            raise
        return "none"


def _municipality(code: str) -> str:
    try:
        return f"{code} {municipality_at(LocalGovernmentCode(code), datetime.now(UTC).date()).name}"
    except Malformed:
        return code
