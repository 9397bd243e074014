"""Each application does, by its typed operations, what its holders and issuers need."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given
from hypothesis import strategies as st

from services.card.apdu import Response, StatusWord
from services.card.refusals import CardRefused
from services.card.terminal.applications import JPKI_AID, JUKI_NET_AID, CardIdentity, JpkiKey
from services.card.terminal.domain import LifeCycle
from services.card.terminal.own_service import Access, OwnService, ServiceParameters, ServicePin, service_aid
from services.card.terminal.requests import digest_info, request_jpki
from services.card.terminal.scp03 import KeyAccess
from services.card.terminal.secret import Pin
from services.card.terminal.status import succeed
from services.foundation.refusals import Refusal
from tests.cards import QuickChip
from tests.issued_cards import (
    OPERATOR_PIN_VALUE,
    SIGNATURE_PIN,
    IssuedCard,
    blank_card,
    draw_keys,
    issue_operator,
    issue_resident,
    prepare,
)

SERVICE = service_aid("131016", 7)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "synthetic resident")])


@pytest.fixture
def resident() -> IssuedCard:
    return issue_resident(QuickChip())


def test_a_request_for_a_certificate_proves_possession(resident: IssuedCard) -> None:
    jpki = resident.session().jpki()
    with pytest.raises(Refusal) as before:
        request_jpki(jpki, JpkiKey.SIGNATURE, NAME)
    jpki.verify(JpkiKey.SIGNATURE.pin, Pin(SIGNATURE_PIN))
    request = request_jpki(jpki, JpkiKey.SIGNATURE, NAME)

    assert before.value.reason == "CARD_ACCESS_MISSING"
    assert request.is_signature_valid
    assert request.subject == NAME
    assert request.public_key() == jpki.public_key(JpkiKey.SIGNATURE)


def test_the_card_signs_a_digest_that_was_made_elsewhere(resident: IssuedCard) -> None:
    jpki = resident.session().jpki()
    jpki.verify(JpkiKey.SIGNATURE.pin, Pin(SIGNATURE_PIN))
    signature = jpki.sign(JpkiKey.SIGNATURE, digest_info(hashes.SHA256(), hashlib.sha256(b"paper").digest()))

    public = jpki.public_key(JpkiKey.SIGNATURE)
    public.verify(signature, b"paper", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"other", padding.PKCS1v15(), hashes.SHA256())


def test_a_digest_of_another_length_is_not_signed() -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        digest_info(hashes.SHA256(), bytes(20))
    with pytest.raises(ValueError, match="SHA-256"):
        digest_info(hashes.MD5(), bytes(16))


def test_an_operator_signs_one_request_for_each_pin() -> None:
    operator = issue_operator().session().operator()
    operator.verify_pin(Pin(OPERATOR_PIN_VALUE))
    digest = hashlib.sha256(b"request").digest()
    signature = operator.sign_request(digest)
    with pytest.raises(Refusal) as again:
        operator.sign_request(digest)

    public = operator.certificate().public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, b"juki-operator-request/v1\0" + digest, ec.ECDSA(hashes.SHA256()))
    assert again.value.reason == "CARD_ACCESS_MISSING"


def test_a_challenge_is_not_signed_as_a_request() -> None:
    operator = issue_operator().session().operator()
    operator.verify_pin(Pin(OPERATOR_PIN_VALUE))
    challenge = bytes(range(32))
    signature = operator.sign_challenge(challenge)

    public = operator.public_key()
    public.verify(signature, b"juki-operator-challenge/v1\0" + challenge, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"juki-operator-request/v1\0" + challenge, ec.ECDSA(hashes.SHA256()))


def installed_service(resident: IssuedCard) -> tuple[KeyAccess, ServicePin]:
    keys, pin = draw_keys(), ServicePin(4, 8, 3)
    resident.session().security_domain(resident.access).install(SERVICE, ServiceParameters(2048, keys, pin=pin))
    resident.session().own_service(SERVICE, KeyAccess(keys)).reset_pin(pin.form, Pin("book-1"))
    return KeyAccess(keys), pin


def service(resident: IssuedCard, access: KeyAccess | None = None) -> OwnService:
    return resident.session().own_service(SERVICE, access)


def test_a_municipality_keeps_files_and_records_in_its_own_service(resident: IssuedCard) -> None:
    access, pin = installed_service(resident)
    library = service(resident, access)
    library.create_file(0x0101, 600, read=0, write=Access.SERVICE)
    library.create_records(0x0102, 8, 4, read=Access.PIN, write=Access.PIN | Access.SERVICE)
    library.update_file(0x0101, bytes(range(256)) * 2, offset=50)
    library.verify(pin.form, Pin("book-1"))
    library.update_record(0x0102, 4, b"borrowed")

    reader = service(resident)
    assert reader.read_file(0x0101) == bytes(50) + bytes(range(256)) * 2 + bytes(38)
    with pytest.raises(Refusal) as closed:
        reader.read_record(0x0102, 4)
    reader.verify(pin.form, Pin("book-1"))
    assert reader.read_record(0x0102, 4) == b"borrowed"
    assert closed.value.reason == "CARD_ACCESS_MISSING"


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (lambda it: it.create_file(0x0101, 10, read=0, write=0), "CARD_OBJECT_EXISTS"),
        (lambda it: it.create_file(0x0103, 4000, read=0, write=0), "CARD_FULL"),
        (lambda it: it.create_file(0x0018, 4, read=0, write=0), "CARD_CONTENT_REFUSED"),
        (lambda it: it.read_file(0x0109), "CARD_FILE_UNKNOWN"),
        (lambda it: it.update_file(0x0101, bytes(8), offset=5), "CARD_CONTENT_REFUSED"),
        (lambda it: it.delete_file(0x0109), "CARD_FILE_UNKNOWN"),
        (lambda it: it.read_record(0x0101, 1), "CARD_REFUSED"),
    ],
)
def test_what_a_service_cannot_do_is_refused_by_name(resident: IssuedCard, work: object, reason: str) -> None:
    access, _ = installed_service(resident)
    library = service(resident, access)
    library.create_file(0x0101, 10, read=0, write=0)

    with pytest.raises(Refusal) as refused:
        work(library)  # type: ignore[operator]

    assert refused.value.reason == reason


def test_a_service_replaces_its_keys_and_the_issuer_cannot_use_them(resident: IssuedCard) -> None:
    access, _ = installed_service(resident)
    fresh = draw_keys()
    service(resident, access).put_keys(1, 2, fresh)

    service(resident, KeyAccess(fresh)).create_file(0x0101, 10, read=0, write=0)
    for stranger in (access, resident.access):
        with pytest.raises(Refusal) as refused:
            service(resident, stranger)
        assert refused.value.reason == "CARD_NOT_AUTHENTIC"


def test_the_issuer_installs_and_deletes_applications(resident: IssuedCard) -> None:
    installed_service(resident)
    domain = resident.session().security_domain(resident.access)
    before = {entry.aid: entry.reserved for entry in domain.applications()}
    domain.delete(SERVICE)
    after = {entry.aid for entry in domain.applications()}
    with pytest.raises(Refusal) as again:
        domain.delete(SERVICE)

    assert before == {JUKI_NET_AID: 0, JPKI_AID: 0, SERVICE: 2048}
    assert after == {JUKI_NET_AID, JPKI_AID}
    assert again.value.reason == "CARD_KEY_UNKNOWN"


def test_a_locked_card_shows_its_state_and_no_application(resident: IssuedCard) -> None:
    resident.session().security_domain(resident.access).set_life_cycle(LifeCycle.LOCKED)

    session = resident.session()
    with pytest.raises(Refusal) as refused:
        session.jpki()

    assert refused.value.reason == "APPLICATION_UNKNOWN"
    assert session.security_domain().life_cycle() is LifeCycle.LOCKED


def test_a_life_does_not_go_back(resident: IssuedCard) -> None:
    domain = resident.session().security_domain(resident.access)

    with pytest.raises(Refusal) as refused:
        domain.set_life_cycle(LifeCycle.ISSUED)

    assert refused.value.reason == "CARD_STATE_FORBIDS"


def test_a_blank_card_has_no_issuer_and_cannot_prove_itself() -> None:
    issued = blank_card()

    with pytest.raises(Refusal) as nobody:
        issued.session().security_domain().issuer()
    with pytest.raises(Refusal) as unproved:
        issued.session().juki_net(issued.issuer.terminal())

    assert nobody.value.reason == "CARD_KEY_UNKNOWN"
    assert unproved.value.reason == "CARD_NOT_AUTHENTIC"


def test_keys_cannot_be_sent_outside_a_session() -> None:
    issued = blank_card()
    prepare(issued)

    with pytest.raises(Refusal) as refused:
        issued.session().security_domain().put_keys(2, 3, draw_keys())

    assert refused.value.reason == "CARD_ACCESS_MISSING"


@given(
    number=st.binary(min_size=10, max_size=10),
    municipality=st.from_regex(r"[0-9]{6}", fullmatch=True),
    dates=st.tuples(st.dates(date(2000, 1, 1)), st.dates(date(2000, 1, 1))),
    photograph=st.booleans(),
)
def test_a_cards_identity_is_read_as_it_was_written(
    number: bytes, municipality: str, dates: tuple[date, date], photograph: bool
) -> None:
    identity = CardIdentity(number, municipality, *dates, has_photograph=photograph)

    assert CardIdentity.parse(identity.encode()) == identity


@given(st.binary(max_size=60))
def test_damaged_identity_files_are_refused_by_name(content: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        CardIdentity.parse(content)

    assert refused.value.reason == "CARD_CONTENT_REFUSED"


@given(st.integers(0, 0xFFFF))
def test_every_status_word_is_data_or_a_refusal(sw: int) -> None:
    response = Response(b"data", sw)
    if sw == StatusWord.SUCCESS or sw >> 8 == 0x62:
        assert succeed(response) == b"data"
        return
    with pytest.raises(Refusal) as refused:
        succeed(response)
    known = sw in set(StatusWord)
    assert known or isinstance(refused.value, CardRefused) or refused.value.reason == "PIN_WRONG"
