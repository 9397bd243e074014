"""A terminal and a card prove themselves to each other, and neither believes a stranger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from services.card.apdu import Command, Response
from services.card.terminal.applications import JUKI_NET_AID, JpkiKey
from services.card.terminal.card_certificate import CardAnchors
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.scp11 import TerminalAccess
from services.card.terminal.secret import Pin
from services.card.terminal.session import CardSession
from services.foundation.refusals import Refusal
from tests.cards import QuickChip
from tests.issued_cards import (
    AUTHENTICATION_PIN,
    IDENTITY,
    JUKI_PIN,
    NUMBER,
    PHOTOGRAPH,
    RESIDENT_CODE,
    CardChannel,
    CardIssuer,
    IssuedCard,
    draw_keys,
    issue_resident,
)


@pytest.fixture
def resident() -> IssuedCard:
    return issue_resident(QuickChip())


def reason_of(refused: pytest.ExceptionInfo[Refusal]) -> str:
    return refused.value.reason


def test_a_juki_net_terminal_reads_the_residents_data_after_the_pin(resident: IssuedCard) -> None:
    juki_net = resident.session().juki_net(resident.issuer.terminal())
    with pytest.raises(Refusal) as before:
        juki_net.resident_code()
    juki_net.verify_pin(Pin(JUKI_PIN))

    assert reason_of(before) == "CARD_ACCESS_MISSING"
    assert juki_net.resident_code() == RESIDENT_CODE
    assert juki_net.identity() == IDENTITY
    assert juki_net.photograph() == PHOTOGRAPH


def test_nothing_personal_crosses_the_channel_in_clear(resident: IssuedCard) -> None:
    resident.card.power_on()
    channel = CardChannel(resident.card)
    juki_net = CardSession(channel).juki_net(resident.issuer.terminal())
    juki_net.verify_pin(Pin(JUKI_PIN))
    juki_net.resident_code()
    juki_net.photograph()

    heard = b"".join(channel.heard)
    assert [word for word in (RESIDENT_CODE.encode(), JUKI_PIN.encode(), PHOTOGRAPH[:16]) if word in heard] == []


def test_an_anchor_that_is_the_issuing_authority_needs_the_leaf_alone(resident: IssuedCard) -> None:
    domain = resident.session().security_domain(resident.access)
    domain.put_anchor(3, 4, resident.issuer.federation.issuing.key.public_key())

    juki_net = resident.session().juki_net(resident.issuer.terminal())

    juki_net.verify_pin(Pin(JUKI_PIN))
    assert juki_net.resident_code() == RESIDENT_CODE


def test_a_terminal_of_another_network_is_refused(resident: IssuedCard) -> None:
    foreign = TerminalAccess(CardIssuer().terminal().terminal, resident.issuer.anchors)

    with pytest.raises(Refusal) as refused:
        resident.session().juki_net(foreign)

    assert reason_of(refused) == "TERMINAL_REFUSED"


def test_a_terminal_without_a_role_is_refused(resident: IssuedCard) -> None:
    with pytest.raises(Refusal) as refused:
        resident.session().juki_net(resident.issuer.terminal(usages=()))

    assert reason_of(refused) == "TERMINAL_REFUSED"


def test_a_card_of_an_unknown_issuer_is_refused_before_our_certificate_is_shown(resident: IssuedCard) -> None:
    resident.card.power_on()
    channel = CardChannel(resident.card)
    access = TerminalAccess(resident.issuer.terminal().terminal, CardIssuer().anchors)

    with pytest.raises(Refusal) as refused:
        CardSession(channel).juki_net(access)

    assert reason_of(refused) == "CARD_NOT_AUTHENTIC"
    shown = access.terminal.certificate.public_bytes(Encoding.DER)
    assert shown[:200] not in b"".join(channel.heard)


class Impostor:
    """Answers with the genuine card's certificate, and does everything else itself, with another key."""

    def __init__(self, genuine: CardChannel, own: CardChannel) -> None:
        self._genuine = genuine
        self._own = own
        self._asked = own

    def transmit(self, command: Command) -> Response:
        if command.ins != 0xC0:
            self._asked = self._genuine if command.ins == 0xCA else self._own
        return self._asked.transmit(command)


def test_a_card_that_shows_anothers_certificate_is_refused(resident: IssuedCard) -> None:
    copy = issue_resident(QuickChip())
    domain = copy.session().security_domain(copy.access)
    domain.put_anchor(3, 3, resident.issuer.federation.root.public_key())
    for issued in (resident, copy):
        issued.card.power_on()
    impostor = Impostor(CardChannel(resident.card), CardChannel(copy.card))

    with pytest.raises(Refusal) as refused:
        CardSession(impostor).juki_net(resident.issuer.terminal())

    assert reason_of(refused) == "CARD_NOT_AUTHENTIC"


def test_wrong_keys_of_the_issuer_are_refused_on_our_side(resident: IssuedCard) -> None:
    with pytest.raises(Refusal) as refused:
        resident.session().security_domain(KeyAccess(draw_keys()))

    assert reason_of(refused) == "CARD_NOT_AUTHENTIC"


def test_keys_may_be_derived_from_the_cards_number(resident: IssuedCard) -> None:
    asked: list[tuple[bytes, int]] = []

    def derive(number: bytes, version: int) -> object:
        asked.append((number, version))
        return resident.keys

    domain = resident.session().security_domain(KeyAccess(derive))  # type: ignore[arg-type]

    assert domain.number() == NUMBER
    assert asked == [(NUMBER, 2)]


class Spoiling:
    """Changes one bit of every command, or every answer, from the n-th on."""

    def __init__(self, channel: CardChannel, *, answers: bool) -> None:
        self._channel = channel
        self._answers = answers
        self.is_on = False

    def transmit(self, command: Command) -> Response:
        if not self.is_on:
            return self._channel.transmit(command)
        if not self._answers and command.data:
            command = replace(command, data=bytes((command.data[0] ^ 1,)) + command.data[1:])
        response = self._channel.transmit(command)
        if self._answers and response.data:
            response = Response(bytes((response.data[0] ^ 1,)) + response.data[1:], response.sw)
        return response


@pytest.mark.parametrize("answers", [True, False])
def test_a_change_on_the_way_ends_the_session(resident: IssuedCard, answers: bool) -> None:
    resident.card.power_on()
    spoiling = Spoiling(CardChannel(resident.card), answers=answers)
    juki_net = CardSession(spoiling).juki_net(resident.issuer.terminal())
    spoiling.is_on = True
    with pytest.raises(Refusal) as changed:
        juki_net.verify_pin(Pin(JUKI_PIN))
    spoiling.is_on = False
    with pytest.raises(Refusal) as after:
        juki_net.verify_pin(Pin(JUKI_PIN))

    assert (reason_of(changed), reason_of(after)) == ("CARD_CHANNEL_TAMPERED", "CARD_CHANNEL_TAMPERED")


def test_opening_another_application_closes_the_one_before(resident: IssuedCard) -> None:
    session = resident.session()
    jpki = session.jpki()
    jpki.verify(JpkiKey.AUTHENTICATION.pin, Pin(AUTHENTICATION_PIN))
    juki_net = session.juki_net(resident.issuer.terminal())

    with pytest.raises(Refusal) as left:
        jpki.verify(JpkiKey.AUTHENTICATION.pin, Pin("0000"))

    juki_net.verify_pin(Pin(JUKI_PIN))
    assert reason_of(left) == "APPLICATION_LEFT"
    assert resident.session().jpki().tries_left(JpkiKey.AUTHENTICATION.pin) == 3


def test_an_application_that_is_not_there_is_refused(resident: IssuedCard) -> None:
    with pytest.raises(Refusal) as refused:
        resident.session().operator()

    assert reason_of(refused) == "APPLICATION_UNKNOWN"


def certificate(issuer: CardIssuer, **wrong: object) -> bytes:
    number = wrong.pop("number", NUMBER)
    assert isinstance(number, bytes)
    subject = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, number.hex().upper())])
    key = wrong.pop("key", ec.generate_private_key(ec.SECP256R1()).public_key())
    made = issuer.certify(subject, key, **{"agreement": True, **wrong})  # type: ignore[arg-type]
    return made.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": bytes(10)},
        {"agreement": False},
        {"authority": True, "agreement": False},
        {"begins": datetime.now(UTC) - timedelta(days=400)},
        {"begins": datetime.now(UTC) + timedelta(days=1)},
        {"key": ec.generate_private_key(ec.SECP384R1()).public_key()},
    ],
    ids=["number", "usage", "authority", "ended", "not-begun", "curve"],
)
def test_a_certificate_that_is_not_of_the_profile_proves_no_card(wrong: dict[str, object]) -> None:
    issuer = CardIssuer()
    issuer.anchors.verify(certificate(issuer), NUMBER)

    with pytest.raises(Refusal) as refused:
        issuer.anchors.verify(certificate(issuer, **wrong), NUMBER)

    assert reason_of(refused) == "CARD_NOT_AUTHENTIC"


@pytest.mark.parametrize("chain", [b"", b"\x30\x03abc", b"\x04\x01a", b"\x30\x82\xff\xff", bytes(40)])
def test_octets_that_are_no_certificates_prove_no_card(chain: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        CardIssuer().anchors.verify(chain, NUMBER)

    assert reason_of(refused) == "CARD_NOT_AUTHENTIC"


def test_a_chain_leads_through_one_authority_and_not_through_a_card() -> None:
    top, below = CardIssuer(), CardIssuer()
    name = below.certificate.subject
    between = top.certify(name, below.key.public_key(), authority=True).public_bytes(Encoding.DER)
    no_authority = top.certify(name, below.key.public_key(), agreement=True).public_bytes(Encoding.DER)
    anchors = CardAnchors((top.certificate,))

    anchors.verify(between + certificate(below), NUMBER)
    with pytest.raises(Refusal) as refused:
        anchors.verify(no_authority + certificate(below), NUMBER)
    with pytest.raises(Refusal) as incomplete:
        anchors.verify(certificate(below), NUMBER)

    assert {reason_of(refused), reason_of(incomplete)} == {"CARD_NOT_AUTHENTIC"}
    assert JUKI_NET_AID not in between
