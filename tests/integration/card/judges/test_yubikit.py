"""yubikit's GlobalPlatform clients, through the real pcscd, authenticate the card and are authenticated by it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from services.card.securechannel import decode_point, encode_point
from services.card.terminal.applications import JPKI_AID, JUKI_NET_AID, JpkiKey
from services.card.terminal.domain import DOMAIN_AID, STATIC_KEY
from services.card.terminal.requests import digest_info
from tests.integration.card.judges.conftest import InReader
from tests.issued_cards import (
    AUTHENTICATION_PIN,
    JUKI_PIN,
    RESIDENT_CODE,
    VERSION,
    CardIssuer,
    IssuedCard,
    issue_operator,
)

pcsc = pytest.importorskip("ykman.pcsc", reason="not judged here: yubikey-manager is not installed")
core = pytest.importorskip("yubikit.core")
smartcard = pytest.importorskip("yubikit.core.smartcard")
scp = pytest.importorskip("yubikit.core.smartcard.scp")
securitydomain = pytest.importorskip("yubikit.securitydomain")

Hook = Callable[[bytes], bytes]


@dataclass
class Wire:
    """What passes between client and reader; a test may look, repeat, or change it."""

    connection: Any
    sent: list[bytes] = field(default_factory=list)
    on_command: Hook = lambda raw: raw
    on_answer: Hook = lambda raw: raw
    transport = property(lambda self: self.connection.transport)

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        self.sent.append(apdu)
        data, sw = self.connection.send_and_receive(self.on_command(apdu))
        return self.on_answer(data), sw


@dataclass
class Client:
    """yubikit's protocol on one card."""

    wire: Wire
    protocol: Any

    def open(self, aid: bytes, parameters: object) -> None:
        self.protocol.select(aid)
        self.protocol.init_scp(parameters)

    def verify(self, ef: int, pin: str) -> None:
        self.protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, ef.to_bytes(2, "big"))
        self.protocol.send_apdu(0x00, 0x20, 0x00, 0x80, pin.encode())


@contextmanager
def client(reader: str) -> Iterator[Client]:
    device = next(each for each in pcsc.list_readers() if each.name == reader)
    connection = pcsc.ScardYubiKeyDevice(device).open_connection(smartcard.SmartCardConnection)
    wire = Wire(connection)
    try:
        yield Client(wire, smartcard.SmartCardProtocol(wire))
    finally:
        connection.close()


def scp03(issued: IssuedCard) -> object:
    keys = issued.keys
    return scp.Scp03KeyParams(scp.KeyRef(0x01, 2), scp.StaticKeys(keys.enc, keys.mac, keys.dek))


def scp11a(issued: IssuedCard, issuer: CardIssuer | None = None, **changes: object) -> object:
    issuer = issuer or issued.issuer
    holder = issuer.federation.terminal(**changes)
    chain = [issuer.federation.issuing.certificate, holder.certificate]
    key = static_key(issued)
    return scp.Scp11KeyParams(scp.KeyRef(0x11, VERSION), key, scp.KeyRef(0x10, VERSION), holder.key, chain)


def static_key(issued: IssuedCard) -> ec.EllipticCurvePublicKey:
    domain = issued.session().security_domain()
    key = issued.issuer.anchors.verify(domain.certificates(STATIC_KEY, VERSION), domain.number())
    issued.card.power_off()
    return decode_point(encode_point(key))


def status(refused: pytest.ExceptionInfo[Any]) -> int:
    return int(refused.value.sw)


def test_scp03_authenticates_both_ends_and_carries_the_issuers_commands(
    resident: IssuedCard, in_reader: InReader
) -> None:
    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.open(DOMAIN_AID, scp03(resident))
        applications = talk.protocol.send_apdu(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")

    assert JPKI_AID in applications
    assert JUKI_NET_AID in applications


def test_scp11a_reads_the_resident_code_after_the_pin(resident: IssuedCard, in_reader: InReader) -> None:
    parameters = scp11a(resident)
    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.open(JUKI_NET_AID, parameters)
        talk.verify(0x0018, JUKI_PIN)
        talk.protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, b"\x00\x01")
        code = talk.protocol.send_apdu(0x00, 0xB0, 0x00, 0x00)

    assert code.decode() == RESIDENT_CODE
    assert RESIDENT_CODE.encode() not in b"".join(talk.wire.sent)
    assert JUKI_PIN.encode() not in b"".join(talk.wire.sent)


def test_a_signature_made_inside_the_channel_verifies(resident: IssuedCard, in_reader: InReader) -> None:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"a synthetic document")
    info = digest_info(hashes.SHA256(), digest.finalize())
    public = resident.session().jpki().public_key(JpkiKey.AUTHENTICATION)
    parameters = scp11a(resident)
    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.open(JPKI_AID, parameters)
        talk.verify(0x0018, AUTHENTICATION_PIN)
        talk.protocol.send_apdu(0x00, 0xA4, 0x02, 0x0C, b"\x00\x17")
        signature = talk.protocol.send_apdu(0x80, 0x2A, 0x00, 0x80, info)

    public.verify(signature, b"a synthetic document", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"another document", padding.PKCS1v15(), hashes.SHA256())


def test_the_client_reads_the_cards_keys_and_certificate(resident: IssuedCard, in_reader: InReader) -> None:
    key = static_key(resident)
    with in_reader(resident.card) as reader, client(reader) as talk:
        session = securitydomain.SecurityDomainSession(talk.wire)
        keys = session.get_key_information()
        (certificate,) = session.get_certificate_bundle(scp.KeyRef(0x11, VERSION))

    assert {(ref.kid, ref.kvn) for ref in keys} == {(1, 2), (2, 2), (3, 2), (0x10, VERSION), (0x11, VERSION)}
    assert certificate.public_key() == key


def test_wrong_keys_are_found_by_the_client(resident: IssuedCard, in_reader: InReader) -> None:
    other = scp.StaticKeys(*(os.urandom(16) for _ in range(3)))
    with in_reader(resident.card) as reader, client(reader) as talk, pytest.raises(ValueError, match="Incorrect SCP"):
        talk.open(DOMAIN_AID, scp.Scp03KeyParams(scp.KeyRef(0x01, 2), other))


def test_a_wrong_host_cryptogram_is_refused_by_the_card(resident: IssuedCard, in_reader: InReader) -> None:
    def spoil(raw: bytes) -> bytes:
        return raw[:6] + bytes((raw[6] ^ 1,)) + raw[7:] if raw[:2] == b"\x84\x82" else raw

    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.wire.on_command = spoil
        talk.protocol.select(DOMAIN_AID)
        parameters = scp03(resident)
        state, cryptogram = scp.ScpState.scp03_init(talk.protocol.send_apdu, parameters)
        mac = state.mac(b"\x84\x82\x33\x00\x10" + cryptogram)
        with pytest.raises(smartcard.ApduError) as refused:
            talk.protocol.send_apdu(0x84, 0x82, 0x33, 0x00, cryptogram + mac)

    assert status(refused) == 0x6982


def test_a_terminal_of_another_network_is_refused(resident: IssuedCard, in_reader: InReader) -> None:
    foreign = scp11a(resident, CardIssuer())
    with in_reader(resident.card) as reader, client(reader) as talk, pytest.raises(smartcard.ApduError) as refused:
        talk.open(JUKI_NET_AID, foreign)

    assert status(refused) == 0x6982


def test_a_card_without_the_key_of_its_certificate_is_found_by_the_client(
    resident: IssuedCard, in_reader: InReader
) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    parameters: Any = scp11a(resident)
    forged = scp.Scp11KeyParams(
        parameters.ref, other, parameters.oce_ref, parameters.sk_oce_ecka, parameters.certificates
    )
    with in_reader(resident.card) as reader, client(reader) as talk, pytest.raises(InvalidSignature):
        talk.open(JUKI_NET_AID, forged)


@pytest.mark.parametrize("position", [5, -2])
def test_a_command_that_was_changed_ends_the_session(resident: IssuedCard, in_reader: InReader, position: int) -> None:
    def spoil(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[position] ^= 0x01
        return bytes(changed)

    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.open(DOMAIN_AID, scp03(resident))
        talk.wire.on_command = spoil
        with pytest.raises(smartcard.ApduError) as changed:
            talk.protocol.send_apdu(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")
        talk.wire.on_command = lambda raw: raw
        with pytest.raises(smartcard.ApduError) as after:
            talk.protocol.send_apdu(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")

    assert (status(changed), status(after)) == (0x6988, 0x6982)


def test_an_answer_that_was_changed_is_found_by_the_client(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.open(DOMAIN_AID, scp03(resident))
        talk.wire.on_answer = lambda raw: bytes((raw[0] ^ 1,)) + raw[1:] if raw else raw
        with pytest.raises(core.BadResponseError):
            talk.protocol.send_apdu(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")


def test_a_command_that_is_replayed_is_refused(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.open(DOMAIN_AID, scp03(resident))
        talk.protocol.send_apdu(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")
        _, sw = talk.wire.connection.send_and_receive(talk.wire.sent[-1])

    assert sw == 0x6988


def test_a_session_that_is_replayed_whole_is_refused(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.open(DOMAIN_AID, scp03(resident))
        talk.protocol.send_apdu(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00")
        answers = [talk.wire.connection.send_and_receive(raw)[1] for raw in list(talk.wire.sent)]

    assert answers == [0x9000, 0x9000, 0x6982, 0x6982]


def test_a_clear_command_inside_a_session_is_refused(resident: IssuedCard, in_reader: InReader) -> None:
    with in_reader(resident.card) as reader, client(reader) as talk:
        talk.open(DOMAIN_AID, scp03(resident))
        _, sw = talk.wire.connection.send_and_receive(b"\x80\xf2\x40\x00\x02\x4f\x00\x00")

    assert sw == 0x6982


def test_an_operator_card_answers_the_same_clients(in_reader: InReader) -> None:
    issued = issue_operator()
    with in_reader(issued.card) as reader, client(reader) as talk:
        talk.open(DOMAIN_AID, scp03(issued))
        assert talk.protocol.send_apdu(0x80, 0xCA, 0x9F, 0x70)[-1:] == b"\x0f"
