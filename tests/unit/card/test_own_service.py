"""An own service: its files, their rights, its memory."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.card import tlv
from services.card.softcard import jukinet, municipal
from tests.cards import (
    CLINIC,
    LIBRARY,
    SERVICE_PIN,
    Bench,
    Terminal,
    aid_of,
    fresh_resident,
    install_data,
    key_set,
    key_set_data,
)

_FREE, _PIN, _SERVICE, _BOTH, _NEVER = 0x00, 0x01, 0x02, 0x03, 0xFF


def _transparent(ef: int, size: int, read: int = _FREE, write: int = _SERVICE) -> bytes:
    objects = b"\x82\x01\x01\x83\x02" + ef.to_bytes(2, "big") + b"\x80\x02" + size.to_bytes(2, "big")
    return tlv.encode(0x62, objects + bytes((0x86, 2, read, write)))


def _records(ef: int, length: int, count: int, read: int = _FREE, write: int = _SERVICE) -> bytes:
    objects = bytes((0x82, 3, 2, length, count)) + b"\x83\x02" + ef.to_bytes(2, "big")
    return tlv.encode(0x62, objects + bytes((0x86, 2, read, write)))


def _create(bench: Bench, control: bytes) -> int:
    return bench.service(LIBRARY).send(0x00, 0xE0, 0, 0, control).sw


def test_a_service_makes_a_file_writes_and_reads_it(resident: Bench) -> None:
    session = resident.service(LIBRARY)
    session.ok(0x00, 0xE0, 0, 0, _transparent(0x0101, 16))
    session.select_ef(0x0101)

    session.ok(0x00, 0xD6, 0, 4, b"card")

    assert session.ok(0x00, 0xB0, le=65_536) == bytes(4) + b"card" + bytes(8)
    assert Terminal(resident.card).select(LIBRARY).read(0x0101).data[4:8] == b"card"


def test_writing_past_the_end_is_refused_and_changes_nothing(resident: Bench) -> None:
    session = resident.service(LIBRARY)
    session.ok(0x00, 0xE0, 0, 0, _transparent(0x0101, 8))
    session.select_ef(0x0101)

    assert session.send(0x00, 0xD6, 0, 5, b"four").sw == 0x6B00
    assert session.send(0x00, 0xD6, 0x80, 0, b"x").sw == 0x6A86
    assert session.send(0x00, 0xD6, 0, 0).sw == 0x6700
    assert session.ok(0x00, 0xB0) == bytes(8)


def test_records_are_read_and_written_by_number(resident: Bench) -> None:
    session = resident.service(LIBRARY)
    session.ok(0x00, 0xE0, 0, 0, _records(0x0102, 4, 3))
    session.select_ef(0x0102)
    session.ok(0x00, 0xDC, 2, 4, b"loan")

    assert [session.ok(0x00, 0xB2, number, 4) for number in (1, 2, 3)] == [bytes(4), b"loan", bytes(4)]
    assert session.send(0x00, 0xB2, 0, 4).sw == 0x6A83
    assert session.send(0x00, 0xB2, 4, 4).sw == 0x6A83
    assert session.send(0x00, 0xDC, 1, 4, b"short?").sw == 0x6700
    assert session.send(0x00, 0xB2, 1, 4, le=3).sw == 0x6700
    assert session.send(0x00, 0xB2, 1, 2).sw == 0x6A86
    assert session.send(0x00, 0xB0).sw == 0x6986
    assert session.send(0x00, 0xD6, 0, 0, b"x").sw == 0x6986


_WHO = {
    "anybody": (False, False),
    "holder": (True, False),
    "service": (False, True),
    "both": (True, True),
}


@pytest.mark.parametrize(("right", "who"), list(itertools.product((_FREE, _PIN, _SERVICE, _BOTH, _NEVER), _WHO)))
def test_every_right_opens_to_whom_it_says(resident: Bench, right: int, who: str) -> None:
    has_pin, is_service = _WHO[who]
    assert _create(resident, _transparent(0x0101, 4, right, right)) == 0x9000
    assert _create(resident, _records(0x0102, 4, 1, right, right)) == 0x9000
    terminal = resident.service(LIBRARY) if is_service else Terminal(resident.card).select(LIBRARY)
    if has_pin:
        terminal.verify(municipal.PIN, SERVICE_PIN)

    expected = (
        0x9000 if right != _NEVER and (right & _PIN <= has_pin) and (right & _SERVICE <= 2 * is_service) else 0x6982
    )

    terminal.select_ef(0x0101)
    assert terminal.send(0x00, 0xB0).sw == expected
    assert terminal.send(0x00, 0xD6, 0, 0, b"x").sw == expected
    terminal.select_ef(0x0102)
    assert terminal.send(0x00, 0xB2, 1, 4).sw == expected
    assert terminal.send(0x00, 0xDC, 1, 4, b"abcd").sw == expected


def test_a_terminals_certificate_is_no_right_in_a_service(resident: Bench) -> None:
    _create(resident, _transparent(0x0101, 4, _SERVICE, _SERVICE))

    session = resident.mutual(LIBRARY)

    assert session.read(0x0101).sw == 0x6982
    assert session.send(0x00, 0xE0, 0, 0, _transparent(0x0102, 4)).sw == 0x6982


@pytest.mark.parametrize(
    ("control", "sw"),
    [
        (_transparent(0x0018, 4), 0x6A80),
        (_transparent(0x0000, 4), 0x6A80),
        (_transparent(0x3F00, 4), 0x6A80),
        (_transparent(0xFFFF, 4), 0x6A80),
        (_transparent(0x0101, 4, 0x04), 0x6A80),
        (_transparent(0x0101, 4)[:-1], 0x6A80),
        (_records(0x0101, 0, 1), 0x6A80),
        (_records(0x0101, 1, 0), 0x6A80),
        (_records(0x0101, 1, 255), 0x6A80),
        (_transparent(0x0101, 993), 0x6A84),
        (_records(0x0101, 255, 254), 0x6A84),
        (b"", 0x6A80),
        (b"\x62\x00", 0x6A80),
    ],
)
def test_a_file_that_cannot_be_is_not_made(resident: Bench, control: bytes, sw: int) -> None:
    assert _create(resident, control) == sw


def test_a_file_is_made_once_and_its_room_comes_back_when_it_goes(resident: Bench) -> None:
    assert _create(resident, _transparent(0x0101, 992)) == 0x9000
    assert _create(resident, _transparent(0x0101, 1)) == 0x6A89
    assert _create(resident, _transparent(0x0102, 0)) == 0x6A84

    session = resident.service(LIBRARY)
    assert session.send(0x00, 0xE4, 0, 0, b"\x01\x02").sw == 0x6A82
    assert session.send(0x00, 0xE4, 0, 0, b"\x01").sw == 0x6700
    session.select_ef(0x0101).ok(0x00, 0xE4, 0, 0, b"\x01\x01")

    assert session.send(0x00, 0xB0).sw == 0x6986
    assert session.send(0x00, 0xA4, 0x02, 0x0C, b"\x01\x01").sw == 0x6A82
    assert _create(resident, _transparent(0x0102, 992)) == 0x9000


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 400), st.booleans()), max_size=15))
def test_the_quota_holds_whatever_is_made_and_deleted(steps: list[tuple[int, int, bool]]) -> None:
    bench = fresh_resident()
    session = bench.service(LIBRARY)
    files: dict[int, int] = {}
    for ef, size, make in steps:
        used = sum(held + municipal.FILE_OVERHEAD for held in files.values())
        if make:
            expected = 0x6A89 if ef in files else (0x9000 if used + size + municipal.FILE_OVERHEAD <= 1024 else 0x6A84)
            assert session.send(0x00, 0xE0, 0, 0, _transparent(ef, size)).sw == expected
            files |= {ef: size} if expected == 0x9000 else {}
        else:
            assert session.send(0x00, 0xE4, 0, 0, ef.to_bytes(2, "big")).sw == (0x9000 if ef in files else 0x6A82)
            files.pop(ef, None)


def test_the_services_of_a_card_share_32_kib(resident: Bench) -> None:
    free = municipal.MEMORY - 2 * 1024
    third, fourth = aid_of("141003", 1), aid_of("141003", 2)

    assert resident.install_service(third, quota=free + 1) == 0x6A84
    assert resident.install_service(third, quota=free) == 0x9000
    assert resident.install_service(fourth, quota=1) == 0x6A84
    resident.issuer().ok(0x80, 0xE4, 0, 0, tlv.encode(0x4F, CLINIC))
    assert resident.install_service(fourth, quota=1024) == 0x9000


def test_a_service_replaces_the_keys_that_the_issuer_gave_it(resident: Bench) -> None:
    first, own = resident.services[LIBRARY], key_set()
    session = resident.service(LIBRARY)
    data = key_set_data(2, own, first.dek)
    assert session.send(0x80, 0xD8, 0x00, 0x81, data).sw == 0x6A86
    assert session.send(0x80, 0xD8, 0x07, 0x81, data).sw == 0x6A88

    assert session.ok(0x80, 0xD8, 0x01, 0x81, data)[0] == 2

    with pytest.raises(AssertionError):
        Terminal(resident.card).select(LIBRARY).scp03(first)
    assert Terminal(resident.card).select(LIBRARY).scp03(own, kvn=2).end is not None


def test_a_service_without_pin_has_none(resident: Bench) -> None:
    plain = aid_of("131016", 3)
    assert resident.install_service(plain, pin=None) == 0x9000

    session = resident.service(plain)

    assert session.send(0x00, 0xA4, 0x02, 0x0C, b"\0\x18").sw == 0x6A82
    session.ok(0x00, 0xE0, 0, 0, _transparent(0x0101, 4, _PIN))
    assert session.read(0x0101).sw == 0x6982


_GOOD = tlv.encode(0x80, b"\x01\x00")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda keys: keys,
        lambda keys: _GOOD,
        lambda keys: _GOOD + keys[:-1],
        lambda keys: _GOOD + keys + tlv.encode(0x82, b"\x05\x04\x03"),
        lambda keys: _GOOD + keys + tlv.encode(0x82, b"\x04\x08\x10"),
        lambda keys: _GOOD + keys + tlv.encode(0x83, b"\x00"),
        lambda keys: _GOOD + _GOOD + keys,
    ],
)
def test_parameters_of_another_form_install_nothing(resident: Bench, spoil: object) -> None:
    assert callable(spoil)
    keys = tlv.encode(0x81, key_set_data(1, key_set(), resident.keys.dek))
    aid = aid_of("131016", 3)

    assert resident.install(aid, spoil(keys)) == 0x6A80
    assert Terminal(resident.card).send(0x00, 0xA4, 0x04, 0x0C, aid).sw == 0x6A82


@pytest.mark.parametrize(
    "aid",
    [municipal.MODULE, municipal.MODULE + b"\x13\x10\x1a\x00\x01", aid_of("131016", 1)[:-1], b"stranger"],
)
def test_a_name_outside_the_scheme_is_not_installed(resident: Bench, aid: bytes) -> None:
    for module in (municipal.MODULE, jukinet.AID, aid):
        fields = (b"", module, aid, b"\0", b"\xc9\x00", b"")
        data = b"".join(bytes((len(field),)) + field for field in fields)
        assert resident.issuer().send(0x80, 0xE6, 0x0C, 0x00, data).sw == 0x6A80


def test_what_is_installed_is_not_installed_again(resident: Bench) -> None:
    assert resident.install(jukinet.AID) == 0x6A89
    assert resident.install_service(LIBRARY) == 0x6A89
    assert Terminal(resident.card).send(0x80, 0xE6, 0x0C, 0x00, install_data(jukinet.AID)).sw == 0x6982
