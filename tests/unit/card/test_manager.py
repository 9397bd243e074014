"""The security domain: keys, data objects, applications."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from services.card import tlv
from services.card.securechannel import StaticKeys, encode_point, encrypt_key
from services.card.softcard import jukinet
from services.card.softcard.registry import DOMAIN
from tests.cards import (
    CLINIC,
    LIBRARY,
    NUMBER,
    Bench,
    Terminal,
    certify,
    fresh_resident,
    key_set,
    key_set_data,
)

_REFERENCE = tlv.encode(0xA6, tlv.encode(0x83, b"\x11\x03"))
_CURVE = tlv.encode(0xF0, b"\0")


def _kids(bench: Bench) -> set[tuple[int, int]]:
    listed = Terminal(bench.card).select(DOMAIN).ok(0x00, 0xCA, 0x00, 0xE0)
    return {(item.value[0], item.value[1]) for item in tlv.parse(listed)}


def _get_in(bench: Bench, keys: StaticKeys, kvn: int = 0) -> bool:
    try:
        Terminal(bench.card).select(DOMAIN).scp03(keys, kvn)
    except AssertionError:
        return False
    return True


def test_the_issuer_replaces_the_transport_keys(resident: Bench) -> None:
    transport, own = resident.keys, key_set()

    answer = resident.issuer().ok(0x80, 0xD8, 0x01, 0x81, key_set_data(2, own, transport.dek))

    assert answer[0] == 2
    assert len(answer) == 10
    assert not _get_in(resident, transport)
    assert _get_in(resident, own)
    assert {(1, 2), (2, 2), (3, 2)} <= _kids(resident)


def test_a_second_key_set_may_stand_beside_the_first(resident: Bench) -> None:
    other = key_set()
    resident.issuer().ok(0x80, 0xD8, 0x00, 0x81, key_set_data(9, other, resident.keys.dek))

    assert _get_in(resident, resident.keys)
    assert _get_in(resident, resident.keys, 1)
    assert _get_in(resident, other, 9)
    assert not _get_in(resident, other, 1)


@pytest.mark.parametrize(
    ("p1", "kvn", "sw"), [(0x00, 1, 0x6A89), (0x05, 2, 0x6A88), (0x00, 0x80, 0x6A80), (0x00, 0, 0x6A80)]
)
def test_keys_are_neither_overwritten_nor_invented(resident: Bench, p1: int, kvn: int, sw: int) -> None:
    data = key_set_data(kvn, key_set(), resident.keys.dek)

    assert resident.issuer().send(0x80, 0xD8, p1, 0x81, data).sw == sw
    assert _get_in(resident, resident.keys)


@pytest.mark.parametrize("position", [0, 2, 10, 19, 20, 40, -1])
def test_a_key_that_was_damaged_on_the_way_is_not_taken(resident: Bench, position: int) -> None:
    data = bytearray(key_set_data(1, key_set(), resident.keys.dek))
    data[position] ^= 0x80

    assert resident.issuer().send(0x80, 0xD8, 0x01, 0x81, bytes(data)).sw == 0x6A80
    assert resident.issuer().send(0x80, 0xD8, 0x01, 0x81, bytes(data) + b"\0").sw == 0x6A80
    assert _get_in(resident, resident.keys)


def test_a_static_key_may_come_from_the_issuer(resident: Bench) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    data = b"\x05" + tlv.encode(0xB1, encrypt_key(resident.keys.dek, scalar)) + _CURVE + b"\0"

    assert resident.issuer().ok(0x80, 0xD8, 0x00, 0x11, data) == b"\x05"
    assert (0x11, 5) in _kids(resident)


@pytest.mark.parametrize(
    ("kid", "body"),
    [
        (0x10, tlv.encode(0xB0, b"\x04" + bytes(64)) + _CURVE + b"\0"),
        (0x10, tlv.encode(0xB0, b"\x04" + bytes(64)) + tlv.encode(0xF0, b"\x05") + b"\0"),
        (0x10, tlv.encode(0xB0, b"") + _CURVE),
        (0x11, tlv.encode(0xB1, bytes(31)) + _CURVE + b"\0"),
        (0x11, tlv.encode(0xB1, bytes(32)) + tlv.encode(0xF0, b"\x01") + b"\0"),
        (0x11, _CURVE + b"\0"),
        (0x10, b"\xff\xff\0"),
    ],
)
def test_what_is_no_key_is_not_taken(resident: Bench, kid: int, body: bytes) -> None:
    assert resident.issuer().send(0x80, 0xD8, 0x00, kid, b"\x05" + body).sw == 0x6A80


def test_a_scalar_of_zero_is_no_key(resident: Bench) -> None:
    data = b"\x05" + tlv.encode(0xB1, encrypt_key(resident.keys.dek, bytes(32))) + _CURVE + b"\0"

    assert resident.issuer().send(0x80, 0xD8, 0x00, 0x11, data).sw == 0x6A80


def test_a_key_identifier_that_there_is_not_is_refused(resident: Bench) -> None:
    assert resident.issuer().send(0x80, 0xD8, 0x00, 0x12, b"\x05").sw == 0x6A86
    assert resident.issuer().send(0x80, 0xF1, 0x00, 0x13, b"\x05" + _CURVE).sw == 0x6A86
    assert resident.issuer().send(0x80, 0xF1, 0x00, 0x11, b"\x05").sw == 0x6A80


def test_the_card_makes_its_own_key_anew(resident: Bench) -> None:
    old = resident.static

    made = resident.issuer().ok(0x80, 0xF1, 0x03, 0x11, b"\x03" + _CURVE)

    assert old is not None
    assert tlv.parse_exactly(made, 0xB0)[0] != encode_point(old)
    assert (0x11, 3) in _kids(resident)


def test_keys_are_deleted_by_identifier_and_version_but_never_the_last(resident: Bench) -> None:
    session = resident.issuer()
    assert session.send(0x80, 0xE4, 0, 0, b"\xd0\x01\x01").sw == 0x6985
    assert session.send(0x80, 0xE4, 0, 1, b"\xd0\x01\x01").sw == 0x6985
    assert session.send(0x80, 0xE4, 0, 0, b"\xd2\x01\x55").sw == 0x6A88
    assert session.send(0x80, 0xE4, 0, 0, b"\xd2\x00").sw == 0x6A80
    assert session.send(0x80, 0xE4, 0, 0, b"").sw == 0x6A80
    assert session.send(0x80, 0xE4, 0, 2, b"\xd0\x01\x01").sw == 0x6A86

    session.ok(0x80, 0xE4, 0, 0, b"\xd0\x01\x10\xd2\x01\x03")

    assert (0x10, 3) not in _kids(resident)
    assert (0x11, 3) in _kids(resident)


def test_an_unknown_application_is_not_deleted(resident: Bench) -> None:
    assert resident.issuer().send(0x80, 0xE4, 0, 0, tlv.encode(0x4F, b"stranger")).sw == 0x6A88
    assert resident.issuer().send(0x80, 0xE4, 0, 0, tlv.encode(0x4F, DOMAIN)).sw == 0x6A88
    assert resident.issuer().send(0x80, 0xE4, 0, 0, tlv.encode(0x4F, LIBRARY) + b"\xd0\x01\x01").sw == 0x6A80


def test_data_objects_are_read_by_anybody(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(DOMAIN)

    assert terminal.ok(0x00, 0xCA, 0x00, 0x45) == b"\x45\x0a" + NUMBER
    assert terminal.ok(0x80, 0xCA, 0x9F, 0x70) == b"\x9f\x70\x01\x0f"
    assert terminal.ok(0x00, 0xCA, 0x00, 0x66)[:2] == b"\x73\x3c"
    assert terminal.send(0x00, 0xCA, 0x00, 0x42).sw == 0x6A88
    assert terminal.send(0x00, 0xCA, 0x7F, 0x21).sw == 0x6A88
    assert terminal.send(0x00, 0xCA, 0xBF, 0x21).sw == 0x6A80
    assert terminal.send(0x00, 0xCA, 0xBF, 0x21, _REFERENCE.replace(b"\x03", b"\x04")).sw in {0x6A80, 0x6A88}


def test_the_issuers_code_is_written_while_the_card_is_issued_only(resident: Bench) -> None:
    blank = Bench()
    session = blank.issuer()
    assert session.send(0x80, 0xE2, 0x90, 0x00, tlv.encode(0x42, b"1310x6")).sw == 0x6A80

    session.ok(0x80, 0xE2, 0x90, 0x00, tlv.encode(0x42, b"131016"))

    assert Terminal(blank.card).select(DOMAIN).ok(0x00, 0xCA, 0x00, 0x42) == b"\x42\x06131016"
    assert resident.issuer().send(0x80, 0xE2, 0x90, 0x00, tlv.encode(0x42, b"131016")).sw == 0x6985


def test_certificates_of_a_key_are_stored_and_read_back(resident: Bench) -> None:
    assert resident.static is not None
    signer = resident.federation.issuing.key
    chain = certify(signer.public_key(), resident.federation.root) + certify(resident.static, signer)

    resident.issuer().ok(0x00, 0xE2, 0x90, 0x00, _REFERENCE + tlv.encode(0xBF21, chain))

    assert Terminal(resident.card).select(DOMAIN).ok(0x00, 0xCA, 0xBF, 0x21, _REFERENCE, 65_536) == chain


@pytest.mark.parametrize(
    ("data", "sw"),
    [
        (_REFERENCE, 0x6A80),
        (_REFERENCE + tlv.encode(0xBF21, b"\x30\x03\2\1\1"), 0x6A80),
        (_REFERENCE + tlv.encode(0xBF21, b"\x30"), 0x6A80),
        (tlv.encode(0xA6, tlv.encode(0x83, b"\x11\x09")) + tlv.encode(0xBF21, b""), 0x6A88),
        (tlv.encode(0xA6, tlv.encode(0x83, b"\x11")) + tlv.encode(0xBF21, b""), 0x6A80),
        (b"", 0x6A80),
        (b"\xa6", 0x6A80),
    ],
)
def test_what_is_no_certificate_of_a_key_is_not_stored(resident: Bench, data: bytes, sw: int) -> None:
    assert resident.issuer().send(0x80, 0xE2, 0x90, 0x00, data).sw == sw


def test_the_issuer_sees_which_applications_there_are_and_how_full(resident: Bench) -> None:
    listed = resident.issuer().ok(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", 65_536)

    entries = {}
    for item in tlv.parse(listed):
        aid, state, used, quota = tlv.parse_exactly(item.value, 0x4F, 0x9F70, 0xC6, 0xC7)
        entries[aid] = (state, int.from_bytes(used, "big") > 0, int.from_bytes(quota, "big"))
    assert entries[LIBRARY] == entries[CLINIC] == (b"\x07", True, 1024)
    assert entries[jukinet.AID] == (b"\x07", True, 0)
    assert len(entries) == 4


@pytest.mark.parametrize("ins", [0xD8, 0xF1, 0xE4, 0xE6, 0xE2, 0xF0, 0xF2])
def test_nobody_but_the_issuer_manages_the_card(ins: int) -> None:
    bench = fresh_resident()
    parameters = {0xD8: (1, 0x81), 0xF1: (0, 0x11), 0xE4: (0, 0), 0xE6: (0x0C, 0), 0xE2: (0x90, 0), 0xF0: (0x80, 0x7F)}
    p1, p2 = parameters.get(ins, (0x40, 0))

    assert Terminal(bench.card).select(DOMAIN).send(0x80, ins, p1, p2).sw == 0x6982
    assert bench.mutual(DOMAIN).send(0x80, ins, p1, p2).sw == 0x6982
    assert bench.mutual(DOMAIN).send(0x00, ins, p1, p2).sw in {0x6E00, 0x6982}


def test_no_private_key_leaves(resident: Bench) -> None:
    """Whatever is read from the domain, key information and all, holds no key."""
    terminal = resident.issuer()
    answers = b"".join(
        terminal.send(0x00, 0xCA, p1, p2, _REFERENCE, 65_536).data for p1 in (0, 0x9F, 0xBF) for p2 in range(256)
    )

    assert resident.keys.enc not in answers
    assert resident.keys.dek not in answers
    assert resident.keys.mac not in answers
