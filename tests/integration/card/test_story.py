"""What happens to a card at a counter, from the blank one to its end."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from juki.card.v1 import applet_service_pb2 as applet_pb
from juki.card.v1 import card_pb2
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from tests.cards import PHOTOGRAPH
from tests.integration.card.conftest import (
    CODE,
    SECONDS,
    Desk,
    Running,
    all_pins,
    reason_of,
    refusal_of,
    request_id,
    resident,
)
from tests.terminals import NOW, Federation

_RESIDENT_PIN = card_pb2.PIN_JUKI_NET


async def test_a_card_is_issued_and_read(node: Running, desk: Desk) -> None:
    blank = await node.blank()

    issued = await desk.issue()
    session = await desk.open()
    await desk.verify(session, _RESIDENT_PIN, "4711")
    data = await desk.cards.ReadCardData(
        card_pb.ReadCardDataRequest(session=session, include_photograph=True), timeout=SECONDS
    )

    assert issued.card == card_pb2.Card(name=f"cards/{blank.number}", state=card_pb2.Card.STATE_ACTIVE, issuer="131016")
    assert (data.resident_code, data.card, data.issuer) == (CODE, issued.card.name, "131016")
    assert (data.has_photograph, data.photograph) == (True, PHOTOGRAPH)
    assert (data.expiry_date.year, data.expiry_date.month, data.expiry_date.day) == (2035, 3, 31)


async def test_card_data_need_the_pin(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()

    assert await reason_of(_read(desk, session)) == "CARD_ACCESS_MISSING"


async def test_a_pin_counts_down_is_blocked_and_unblocked(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()

    wrong = [await refusal_of(desk.verify(session, _RESIDENT_PIN, "0000")) for _ in range(3)]
    blocked = await reason_of(desk.verify(session, _RESIDENT_PIN, "4711"))
    await desk.cards.UnblockPin(
        card_pb.UnblockPinRequest(request_id=request_id(), session=session, pin=_RESIDENT_PIN, new_value="2580"),
        timeout=SECONDS,
    )
    await desk.verify(session, _RESIDENT_PIN, "2580")

    assert [one.reason for one in wrong] == ["PIN_WRONG"] * 3
    assert [one.facts["tries_left"] for one in wrong] == ["2", "1", "0"]
    assert blocked == "PIN_BLOCKED"


async def test_a_pin_is_changed_by_who_knows_it(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()
    change = card_pb.ChangePinRequest(
        request_id=request_id(), session=session, pin=card_pb2.PIN_SIGNATURE, value="ABC123", new_value="XYZ789"
    )

    first = await desk.cards.ChangePin(change, timeout=SECONDS)
    again = await desk.cards.ChangePin(change, timeout=SECONDS)
    await desk.verify(session, card_pb2.PIN_SIGNATURE, "XYZ789")

    assert again == first
    assert await reason_of(desk.verify(session, card_pb2.PIN_SIGNATURE, "ABC123")) == "PIN_WRONG"
    assert await reason_of(desk.verify(session, card_pb2.PIN_SIGNATURE, "abc")) == "PIN_MALFORMED"


async def test_a_key_proves_itself_gets_a_certificate_and_signs(node: Running, desk: Desk, tmp_path: Path) -> None:
    blank = await node.blank()
    await desk.issue()
    session = await desk.open()
    made = await desk.cards.GenerateKeyPair(
        card_pb.GenerateKeyPairRequest(
            request_id=request_id(), session=session, key=card_pb2.KEY_SIGNATURE, pin_value="ABC123"
        ),
        timeout=SECONDS,
    )
    csr_file = tmp_path / "card.csr"
    csr_file.write_bytes(made.certification_request)
    command = ["openssl", "req", "-inform", "DER", "-in", str(csr_file), "-verify", "-noout", "-subject"]
    said = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
    der = _certify(made.certification_request)
    await _store(desk, session, der)
    await desk.verify(session, card_pb2.PIN_SIGNATURE, "ABC123")
    read = await desk.cards.ReadCertificate(
        card_pb.ReadCertificateRequest(session=session, certificate=card_pb2.CERTIFICATE_SIGNATURE), timeout=SECONDS
    )
    signed = {name: await _sign(desk, session, name) for name in ("SHA256", "SHA384", "SHA512")}

    assert "OK" in said.stderr
    assert blank.number in said.stdout
    assert read.der == der
    key = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    for name, (digest, signature) in signed.items():
        algorithm = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}[name]
        key.verify(signature, digest, padding.PKCS1v15(), Prehashed(algorithm))


async def test_a_certificate_of_another_key_is_not_stored(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()
    make = card_pb.GenerateKeyPairRequest(
        request_id=request_id(), session=session, key=card_pb2.KEY_SIGNATURE, pin_value="ABC123"
    )
    first = await desk.cards.GenerateKeyPair(make, timeout=SECONDS)
    make.request_id = request_id()
    await desk.cards.GenerateKeyPair(make, timeout=SECONDS)

    refused = await reason_of(_store(desk, session, _certify(first.certification_request)))

    assert refused == "CERTIFICATE_NOT_FOR_KEY"
    assert await reason_of(_store(desk, session, b"0\x82" + bytes(300))) == "CERTIFICATE_MALFORMED"


async def test_a_key_is_repeated_and_not_made_twice(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()
    make = card_pb.GenerateKeyPairRequest(
        request_id=request_id(), session=session, key=card_pb2.KEY_AUTHENTICATION, pin_value="1234"
    )

    first = await desk.cards.GenerateKeyPair(make, timeout=SECONDS)

    assert await desk.cards.GenerateKeyPair(make, timeout=SECONDS) == first


async def test_an_own_service_keeps_its_data(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()
    await _install(desk, session, 7)
    await _make_file(desk, session, 7)
    await desk.applets.SetAppletPin(
        applet_pb.SetAppletPinRequest(request_id=request_id(), session=session, service_number=7, new_value="k-9"),
        timeout=SECONDS,
    )
    await desk.applets.WriteAppletData(
        applet_pb.WriteAppletDataRequest(
            request_id=request_id(), session=session, service_number=7, file=1, offset=4, data=b"books" * 60
        ),
        timeout=SECONDS,
    )
    read = applet_pb.ReadAppletDataRequest(session=session, service_number=7, file=1, offset=4, size=4000)

    without = await reason_of(desk.applets.ReadAppletData(read, timeout=SECONDS))
    read.pin_value = "k-9"
    content = await desk.applets.ReadAppletData(read, timeout=SECONDS)
    listed = await desk.applets.ListApplets(applet_pb.ListAppletsRequest(session=session), timeout=SECONDS)

    assert without == "CARD_ACCESS_MISSING"
    assert content.data == (b"books" * 60).ljust(396, b"\0")
    assert [(each.service_number, each.quota) for each in listed.applets] == [(7, 1000)]


async def test_an_own_service_is_installed_once_and_deleted_whole(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()
    await _install(desk, session, 8)

    twice = await reason_of(_install(desk, session, 8))
    await desk.applets.DeleteApplet(_deletion(session, 8), timeout=SECONDS)
    gone = await reason_of(desk.applets.DeleteApplet(_deletion(session, 8), timeout=SECONDS))
    await _install(desk, session, 8)

    assert (twice, gone) == ("CARD_OBJECT_EXISTS", "APPLICATION_UNKNOWN")
    assert await reason_of(_install(desk, session, 9, quota=32_768)) == "CARD_FULL"
    assert await reason_of(_install(desk, session, 9, quota=32_769)) == "QUOTA_OUT_OF_RANGE"
    assert await reason_of(_make_file(desk, session, 8, file=0x18)) == "FILE_OUT_OF_RANGE"


async def test_a_card_is_locked_unlocked_and_ended(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()
    lock = card_pb.LockCardRequest(request_id=request_id(), session=session)

    locked = await desk.cards.LockCard(lock, timeout=SECONDS)
    while_locked = await reason_of(desk.verify(session, _RESIDENT_PIN, "4711"))
    unlocked = await desk.cards.UnlockCard(
        card_pb.UnlockCardRequest(request_id=request_id(), session=session), timeout=SECONDS
    )
    end = card_pb.TerminateCardRequest(request_id=request_id(), session=session)
    ended = await desk.cards.TerminateCard(end, timeout=SECONDS)

    states = card_pb2.Card
    assert [one.card.state for one in (locked, unlocked, ended)] == [
        states.STATE_LOCKED,
        states.STATE_ACTIVE,
        states.STATE_TERMINATED,
    ]
    assert while_locked == "APPLICATION_UNKNOWN"
    assert await desk.cards.TerminateCard(end, timeout=SECONDS) == ended
    assert await reason_of(_read(desk, session)) == "CARD_SESSION_UNKNOWN"
    assert await reason_of(desk.open()) == "CARD_TERMINATED"


async def test_an_operators_card_answers_a_challenge_and_signs_once_a_pin(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue(operator=issuing_pb.OperatorProfile(), resident=None, pins=None)
    session = await desk.open()
    made = await desk.cards.GenerateKeyPair(
        card_pb.GenerateKeyPairRequest(request_id=request_id(), session=session, key=card_pb2.KEY_OPERATOR),
        timeout=SECONDS,
    )
    await _store(desk, session, _certify(made.certification_request), card_pb2.CERTIFICATE_OPERATOR)
    active = await desk.issuing.ActivateCard(
        issuing_pb.ActivateCardRequest(
            request_id=request_id(), session=session, pins=issuing_pb.NewPins(operator="246810")
        ),
        timeout=SECONDS,
    )
    await desk.verify(session, card_pb2.PIN_OPERATOR, "246810")
    challenge = card_pb.AnswerChallengeRequest(request_id=request_id(), session=session, challenge=bytes(32))
    answer = await desk.cards.AnswerChallenge(challenge, timeout=SECONDS)
    await desk.verify(session, card_pb2.PIN_OPERATOR, "246810")
    _, signature = await _sign(desk, session, "SHA256", card_pb2.KEY_OPERATOR)

    assert active.card.state == card_pb2.Card.STATE_ACTIVE
    assert answer.signature
    assert signature
    assert await reason_of(_sign(desk, session, "SHA256", card_pb2.KEY_OPERATOR)) == "CARD_ACCESS_MISSING"
    assert await reason_of(_sign(desk, session, "SHA512", card_pb2.KEY_OPERATOR)) == "DIGEST_LENGTH"


async def test_the_state_of_the_pins_is_told_without_a_pin(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()
    await refusal_of(desk.verify(session, card_pb2.PIN_AUTHENTICATION, "0000"))

    told = await desk.cards.GetCard(card_pb.GetCardRequest(session=session), timeout=SECONDS)

    assert [(each.pin, each.tries_left, each.is_set) for each in told.pins] == [
        (card_pb2.PIN_JUKI_NET, 3, True),
        (card_pb2.PIN_AUTHENTICATION, 2, True),
        (card_pb2.PIN_SIGNATURE, 5, True),
    ]


@pytest.mark.parametrize("jpki", [True, False])
async def test_a_card_is_handed_over_later(node: Running, desk: Desk, jpki: bool) -> None:
    await node.blank()
    pins = all_pins() if jpki else issuing_pb.NewPins(juki_net="4711")
    issued = await desk.issue(pins=None, resident=resident(jpki=jpki, photograph=b""))
    session = await desk.open()
    hand_over = issuing_pb.ActivateCardRequest(request_id=request_id(), session=session)
    hand_over.pins.CopyFrom(issuing_pb.NewPins(operator="246810"))
    wrong = await reason_of(desk.issuing.ActivateCard(hand_over, timeout=SECONDS))
    hand_over.pins.CopyFrom(pins)
    hand_over.request_id = request_id()
    active = await desk.issuing.ActivateCard(hand_over, timeout=SECONDS)
    await desk.verify(session, _RESIDENT_PIN, "4711")

    assert issued.card.state == card_pb2.Card.STATE_PERSONALISED
    assert wrong == "PIN_MISSING"
    assert active.card.state == card_pb2.Card.STATE_ACTIVE


async def _read(desk: Desk, session: str) -> card_pb.ReadCardDataResponse:
    return await desk.cards.ReadCardData(card_pb.ReadCardDataRequest(session=session), timeout=SECONDS)


async def _install(desk: Desk, session: str, number: int, quota: int = 1000) -> None:
    rule = applet_pb.PinRule(minimum_length=3, maximum_length=8, tries=3)
    await desk.applets.InstallApplet(
        applet_pb.InstallAppletRequest(
            request_id=request_id(), session=session, service_number=number, quota=quota, pin_rule=rule
        ),
        timeout=SECONDS,
    )


async def _make_file(desk: Desk, session: str, number: int, file: int = 1) -> None:
    await desk.applets.CreateAppletFile(
        applet_pb.CreateAppletFileRequest(
            request_id=request_id(),
            session=session,
            service_number=number,
            file=file,
            size=400,
            read_access=applet_pb.FILE_ACCESS_PIN,
            write_access=applet_pb.FILE_ACCESS_SERVICE,
        ),
        timeout=SECONDS,
    )


def _deletion(session: str, number: int) -> applet_pb.DeleteAppletRequest:
    return applet_pb.DeleteAppletRequest(request_id=request_id(), session=session, service_number=number)


async def _store(
    desk: Desk,
    session: str,
    der: bytes,
    certificate: card_pb2.Certificate.ValueType = card_pb2.CERTIFICATE_SIGNATURE,
) -> None:
    await desk.cards.StoreCertificate(
        card_pb.StoreCertificateRequest(request_id=request_id(), session=session, certificate=certificate, der=der),
        timeout=SECONDS,
    )


async def _sign(
    desk: Desk, session: str, name: str, key: card_pb2.Key.ValueType = card_pb2.KEY_SIGNATURE
) -> tuple[bytes, bytes]:
    algorithm = card_pb.HashAlgorithm.Value(f"HASH_ALGORITHM_{name}")
    digest = bytes(range(int(name.removeprefix("SHA")) // 8))
    signed = await desk.cards.SignDigest(
        card_pb.SignDigestRequest(
            request_id=request_id(), session=session, key=key, hash_algorithm=algorithm, digest=digest
        ),
        timeout=SECONDS,
    )
    return digest, signed.signature


def _certify(csr_der: bytes) -> bytes:
    """What a certification authority makes of a request."""
    csr = x509.load_der_x509_csr(csr_der)
    assert csr.is_signature_valid
    authority = Federation().issuing
    made = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW.replace(year=2029))
        .sign(authority.key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.DER)
