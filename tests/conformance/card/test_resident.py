"""Sections 7 to 7.2 and 9: reading files, the juki-net application, the JPKI application and its signatures."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from services.card import tlv
from services.card.apdu import SHORT_LE
from services.card.terminal.applications import JUKI_NET_AID, CardIdentity
from services.vocabulary.resident_code import ResidentCode
from tests.conformance.card.card import Card
from tests.conformance.card.terminal import Terminal

DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + bytes(range(32))
KEYS = {"authentication": (0x0017, 0x0018), "signature": (0x001A, 0x001B)}


@pytest.fixture
def juki_net(resident: Card) -> Terminal:
    """The juki-net application in the session of a juki-net terminal, before any PIN."""
    return resident.authenticate(resident.fresh(), JUKI_NET_AID)


@pytest.fixture
def proved(resident: Card, juki_net: Terminal) -> Terminal:
    """The same, after the PIN."""
    assert juki_net.verify(0x0018, resident.specimen.pins["juki-net"]) == 0x9000
    return juki_net


def test_7_an_unknown_file_is_refused(jpki: Terminal) -> None:
    assert jpki.select_file(0x7F00) == 0x6A82


@pytest.mark.parametrize(("p1", "p2"), [(0x00, 0x0C), (0x02, 0x00), (0x08, 0x0C)])
def test_7_files_are_selected_with_one_pair_of_parameters(jpki: Terminal, p1: int, p2: int) -> None:
    assert jpki.plain(0x00, 0xA4, p1, p2, b"\x00\x06").sw == 0x6A86


def test_7_an_offset_of_8000_or_more_is_refused(jpki: Terminal) -> None:
    assert jpki.select_file(0x000A) == 0x9000
    assert jpki.plain(0x00, 0xB0, 0x80, 0x00, le=SHORT_LE).sw == 0x6A86


def test_7_without_a_file_there_is_nothing_to_read(jpki: Terminal) -> None:
    assert jpki.plain(0x00, 0xB0, le=SHORT_LE).sw == 0x6986


@pytest.mark.parametrize("ef", [0x0017, 0x0018, 0x001A, 0x001B])
def test_7_a_key_or_a_pin_has_no_content(jpki: Terminal, ef: int) -> None:
    assert jpki.read(ef).sw == 0x6986


def test_7_behind_the_end_there_is_nothing(jpki: Terminal) -> None:
    assert jpki.select_file(0x000A) == 0x9000
    assert jpki.plain(0x00, 0xB0, 0x7F, 0xFF, le=SHORT_LE).sw == 0x6B00


def test_7_fewer_octets_than_asked_for_come_with_a_warning(jpki: Terminal) -> None:
    assert jpki.select_file(0x000A) == 0x9000
    size = int.from_bytes(jpki.ok(0x00, 0xB0, le=4)[2:], "big") + 4

    answer = jpki.plain(0x00, 0xB0, size - 3 >> 8, size - 3 & 0xFF, le=10)

    assert (len(answer.data), answer.sw) == (3, 0x6282)


@pytest.mark.parametrize("ef", [0x0001, 0x0002, 0x0003, 0x0018])
def test_7_1_without_a_session_nothing_opens(resident: Card, ef: int) -> None:
    assert resident.fresh().select(JUKI_NET_AID).select_file(ef) == 0x6982


@pytest.mark.parametrize("ef", [0x0001, 0x0002, 0x0003])
def test_7_1_a_terminal_reads_nothing_without_the_pin(juki_net: Terminal, ef: int) -> None:
    assert juki_net.read(ef).sw == 0x6982


@pytest.mark.parametrize("ef", [0x0001, 0x0002, 0x0003])
def test_7_1_the_issuer_cannot_read(resident: Card, ef: int) -> None:
    assert resident.fresh().select(JUKI_NET_AID).scp03(resident.keys).read(ef).sw == 0x6982


def test_7_1_the_issuer_gives_no_pin(resident: Card) -> None:
    opened = resident.fresh().select(JUKI_NET_AID).scp03(resident.keys)
    assert opened.select_file(0x0018) == 0x9000

    assert opened.send(0x00, 0x20, 0x00, 0x80).sw == 0x6982


def test_7_1_after_the_pin_the_code_is_read(proved: Terminal) -> None:
    assert ResidentCode(proved.read(0x0001).data.decode("ascii"))


def test_7_1_after_the_pin_the_identity_is_read_and_names_the_card(resident: Card, proved: Terminal) -> None:
    identity = CardIdentity.parse(proved.read(0x0002).data)

    assert identity.number == resident.specimen.number
    assert identity.issued_on < identity.expires_on


def test_7_1_a_photograph_is_there_exactly_if_the_identity_says_so(proved: Terminal) -> None:
    has_photograph = CardIdentity.parse(proved.read(0x0002).data).has_photograph

    assert proved.read(0x0003).sw == (0x9000 if has_photograph else 0x6A82)


def test_7_1_a_terminal_writes_nothing(proved: Terminal) -> None:
    data = tlv.Grouping(0x0001, b"12345678903").encode()

    assert proved.send(0x80, 0xE2, 0x80, 0x00, data).sw == 0x6982


@pytest.mark.parametrize("ef", [0x0002, 0x000A, 0x000B, 0x0006])
def test_7_2_these_files_are_free(jpki: Terminal, ef: int) -> None:
    assert jpki.read(ef).sw in {0x9000, 0x6A82}


def test_7_2_the_signature_certificate_needs_the_signature_pin(resident: Card, jpki: Terminal) -> None:
    assert jpki.read(0x0001).sw == 0x6982
    assert jpki.verify(0x0018, resident.specimen.pins["authentication"]) == 0x9000
    assert jpki.read(0x0001).sw == 0x6982

    assert jpki.verify(0x001B, resident.specimen.pins["signature"]) == 0x9000

    assert jpki.read(0x0001).data[:2] == b"\x30\x82"


def test_7_2_without_a_key_selected_nothing_is_signed(resident: Card, jpki: Terminal) -> None:
    assert jpki.verify(0x0018, resident.specimen.pins["authentication"]) == 0x9000

    assert jpki.plain(0x80, 0x2A, 0x00, 0x80, DIGEST_INFO, SHORT_LE).sw == 0x6986


@pytest.mark.parametrize(("key", "other"), [("authentication", "signature"), ("signature", "authentication")])
def test_7_2_a_key_needs_its_own_pin(resident: Card, jpki: Terminal, key: str, other: str) -> None:
    assert jpki.verify(KEYS[other][1], resident.specimen.pins[other]) == 0x9000
    jpki.select_file(KEYS[key][0])

    assert jpki.plain(0x80, 0x2A, 0x00, 0x80, DIGEST_INFO, SHORT_LE).sw == 0x6982


@pytest.mark.parametrize("size", [0, 246])
def test_7_2_data_of_another_length_are_refused(resident: Card, jpki: Terminal, size: int) -> None:
    assert jpki.verify(0x0018, resident.specimen.pins["authentication"]) == 0x9000
    jpki.select_file(0x0017)

    assert jpki.plain(0x80, 0x2A, 0x00, 0x80, bytes(size), SHORT_LE).sw == 0x6700


def _public_key(jpki: Terminal, ef: int) -> rsa.RSAPublicKey:
    jpki.select_file(ef)
    (pair,) = tlv.parse_exactly(jpki.ok(0x00, 0x47, 0x81, 0x00, le=SHORT_LE), 0x7F49)
    modulus, exponent = (int.from_bytes(value, "big") for value in tlv.parse_exactly(pair, 0x81, 0x82))
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("data", [b"\x01", DIGEST_INFO, bytes(range(245))], ids=["shortest", "digest", "longest"])
def test_9_a_signature_is_of_exactly_the_data(resident: Card, jpki: Terminal, key: str, data: bytes) -> None:
    key_file, pin_file = KEYS[key]
    public = _public_key(jpki, key_file)
    assert jpki.verify(pin_file, resident.specimen.pins[key]) == 0x9000
    jpki.select_file(key_file)

    signature = jpki.ok(0x80, 0x2A, 0x00, 0x80, data, SHORT_LE)

    assert public.recover_data_from_signature(signature, padding.PKCS1v15(), None) == data


def test_7_2_a_new_pair_is_the_issuers_to_make(jpki: Terminal) -> None:
    jpki.select_file(0x0017)

    assert jpki.plain(0x00, 0x47, 0x80, 0x00, le=SHORT_LE).sw == 0x6982


@pytest.mark.parametrize(("le", "size"), [(None, 8), (1, 1), (32, 32), (256, 256)])
def test_7_2_random_octets_are_as_many_as_asked_for(jpki: Terminal, le: int | None, size: int) -> None:
    first, second = (jpki.ok(0x00, 0x84, le=le) for _ in range(2))

    assert (len(first), len(second)) == (size, size)
    assert size < 8 or first != second


def test_8_content_is_the_issuers_to_store(jpki: Terminal) -> None:
    assert jpki.plain(0x80, 0xE2, 0x80, 0x00, tlv.Grouping(0x0006, bytes(32)).encode()).sw == 0x6982


@pytest.mark.parametrize("ef", [0x0017, 0x0018, 0x7F00])
def test_8_content_is_stored_in_files_with_content(resident: Card, jpki: Terminal, ef: int) -> None:
    opened = jpki.scp03(resident.keys)

    assert opened.send(0x80, 0xE2, 0x80, 0x00, tlv.Grouping(ef, bytes(32)).encode()).sw == 0x6A80


def test_8_without_a_key_file_no_pair_is_made(resident: Card, jpki: Terminal) -> None:
    assert jpki.scp03(resident.keys).send(0x00, 0x47, 0x80, 0x00, le=SHORT_LE).sw == 0x6986
