"""Section 7.4: files of an own service, their access, its quota and its keys."""

from __future__ import annotations

import itertools

import pytest

from services.card.apdu import SHORT_LE
from services.card.terminal.key_set import key_set_answer, key_set_data
from tests.conformance.card.card import MARK, QUOTA, SERVICE_PIN, Card, Service, draw_keys
from tests.conformance.card.terminal import Terminal

EF = 0x7AF0
_CREATED = 32
"""Octets that a file counts besides its size."""


def _transparent(size: int, read: int, write: int, ef: int = EF) -> bytes:
    inner = b"\x82\x01\x01\x83\x02" + ef.to_bytes(2, "big") + b"\x80\x02" + size.to_bytes(2, "big")
    return b"\x62\x0f" + inner + bytes((0x86, 0x02, read, write))


def _records(length: int, count: int, ef: int = EF) -> bytes:
    inner = bytes((0x82, 0x03, 0x02, length, count, 0x83, 0x02)) + ef.to_bytes(2, "big")
    return b"\x62\x0d" + inner + b"\x86\x02\x00\x02"


@pytest.fixture
def opened(terminal: Terminal, service: Service) -> Terminal:
    """The service, in the session of its own keys."""
    return terminal.select(service.aid).scp03(service.keys)


def _create(opened: Terminal, control: bytes) -> int:
    return opened.send(0x00, 0xE0, data=control).sw


def test_7_4_a_new_file_is_of_zero_octets(opened: Terminal) -> None:
    assert _create(opened, _transparent(7, 0x00, 0x02)) == 0x9000

    assert opened.read(EF).data == bytes(7)


@pytest.mark.parametrize(
    ("command", "data"),
    [((0x00, 0xE0), _transparent(7, 0, 0)), ((0x00, 0xE4), EF.to_bytes(2, "big"))],
    ids=["create", "delete"],
)
def test_7_4_files_are_the_services_to_make_and_delete(
    terminal: Terminal, service: Service, command: tuple[int, int], data: bytes
) -> None:
    terminal.select(service.aid)
    assert terminal.plain(*command, data=data).sw == 0x6982

    assert terminal.verify(0x0018, SERVICE_PIN) == 0x9000

    assert terminal.plain(*command, data=data).sw == 0x6982


@pytest.mark.parametrize("ef", [0x0000, 0x3F00, 0xFFFF])
def test_7_4_reserved_files_are_not_made(opened: Terminal, ef: int) -> None:
    assert _create(opened, _transparent(1, 0, 0, ef)) == 0x6A80


def test_7_4_an_existing_file_is_not_made_again(opened: Terminal, service: Service) -> None:
    assert _create(opened, _transparent(1, 0, 0, service.ef)) == 0x6A89


def test_7_4_a_deleted_file_is_gone_and_its_octets_are_free(opened: Terminal, service: Service) -> None:
    left = QUOTA - len(MARK) - 2 * _CREATED
    assert _create(opened, _transparent(left, 0x00, 0x02)) == 0x9000
    assert opened.send(0x00, 0xE4, data=EF.to_bytes(2, "big")).sw == 0x9000

    assert opened.select_file(EF) == 0x6A82
    assert _create(opened, _transparent(left, 0x00, 0x02)) == 0x9000


def test_7_4_a_file_beyond_the_quota_is_not_made(opened: Terminal, service: Service) -> None:
    assert _create(opened, _transparent(QUOTA - len(MARK) - 2 * _CREATED + 1, 0x00, 0x02)) == 0x6A84

    assert opened.select_file(EF) == 0x6A82


_RIGHTS = {0x00: "free", 0x01: "PIN", 0x02: "service", 0x03: "PIN and service", 0xFF: "never"}
_PROOFS = tuple(itertools.product((False, True), (False, True)))


def _prove(terminal: Terminal, service: Service, *, pin: bool, keys: bool) -> Terminal:
    terminal.select(service.aid)
    if keys:
        terminal.scp03(service.keys)
    if pin:
        assert terminal.verify(0x0018, SERVICE_PIN) == 0x9000
    return terminal


def _may(right: int, *, pin: bool, keys: bool) -> bool:
    return right != 0xFF and (pin or not right & 1) and (keys or not right & 2)


@pytest.mark.parametrize("right", _RIGHTS, ids=list(_RIGHTS.values()))
def test_7_4_reading_needs_what_the_file_says(opened: Terminal, service: Service, right: int) -> None:
    assert _create(opened, _transparent(4, right, 0xFF)) == 0x9000

    for pin, keys in _PROOFS:
        expected = 0x9000 if _may(right, pin=pin, keys=keys) else 0x6982
        assert _prove(opened, service, pin=pin, keys=keys).read(EF).sw == expected, (pin, keys)


@pytest.mark.parametrize("right", _RIGHTS, ids=list(_RIGHTS.values()))
def test_7_4_writing_needs_what_the_file_says(opened: Terminal, service: Service, right: int) -> None:
    assert _create(opened, _transparent(4, 0x00, right)) == 0x9000

    for pin, keys in _PROOFS:
        proved = _prove(opened, service, pin=pin, keys=keys)
        proved.select_file(EF)
        may = _may(right, pin=pin, keys=keys)
        assert proved.send(0x00, 0xD6, data=b"word").sw == (0x9000 if may else 0x6982), (pin, keys)
        assert right != 0xFF or proved.read(EF).data == bytes(4)


@pytest.mark.parametrize("right", [0x04, 0x80, 0xFE])
def test_7_4_access_octets_are_those_of_the_table(opened: Terminal, right: int) -> None:
    assert _create(opened, _transparent(4, right, 0x02)) == 0x6A80


def test_7_4_what_is_written_is_read(opened: Terminal, service: Service) -> None:
    opened.select_file(service.ef)
    opened.ok(0x00, 0xD6, 0x00, 0x05, b"JUKI")

    assert opened.read(service.ef).data == MARK[:5] + b"JUKI" + MARK[9:]


def test_7_4_records_are_written_and_read_by_number(opened: Terminal) -> None:
    assert _create(opened, _records(4, 3)) == 0x9000
    opened.select_file(EF)

    opened.ok(0x00, 0xDC, 0x02, 0x04, b"word")

    assert [opened.ok(0x00, 0xB2, n, 0x04, le=SHORT_LE) for n in (1, 2, 3)] == [bytes(4), b"word", bytes(4)]


@pytest.mark.parametrize("number", [0, 4])
def test_7_4_a_record_that_is_not_there_is_refused(opened: Terminal, number: int) -> None:
    assert _create(opened, _records(4, 3)) == 0x9000
    opened.select_file(EF)

    assert opened.send(0x00, 0xB2, number, 0x04, le=SHORT_LE).sw == 0x6A83
    assert opened.send(0x00, 0xDC, number, 0x04, b"word").sw == 0x6A83


@pytest.mark.parametrize("content", [b"wor", b"words"])
def test_7_4_a_record_of_another_length_is_refused(opened: Terminal, content: bytes) -> None:
    assert _create(opened, _records(4, 3)) == 0x9000
    opened.select_file(EF)

    assert opened.send(0x00, 0xDC, 0x01, 0x04, content).sw == 0x6700


def test_7_4_a_file_of_the_other_kind_is_refused(opened: Terminal, service: Service) -> None:
    assert _create(opened, _records(4, 3)) == 0x9000

    assert opened.read(EF).sw == 0x6986
    opened.select_file(service.ef)
    assert opened.send(0x00, 0xB2, 0x01, 0x04, le=SHORT_LE).sw == 0x6986


def test_7_4_the_issuer_never_reads_but_deletes(card: Card, terminal: Terminal, service: Service) -> None:
    """Every entry of the issuer to the application is shut; the application itself is the issuer's to remove."""
    end, cryptogram = terminal.select(service.aid).begin_scp03(card.keys)
    assert terminal.finish_scp03(end, cryptogram) == 0x6982
    card.link.reset()

    card.domain().delete(service.aid)

    assert terminal.choose(service.aid) == 0x6A82


def test_7_4_the_service_replaces_its_own_keys(opened: Terminal, service: Service) -> None:
    keys = draw_keys()
    data = key_set_data(0x02, keys, service.keys.dek)

    assert opened.ok(0x80, 0xD8, 0x01, 0x81, data, SHORT_LE) == key_set_answer(0x02, keys)

    end, cryptogram = opened.select(service.aid).begin_scp03(service.keys)
    assert opened.finish_scp03(end, cryptogram) == 0x6982
    opened.select(service.aid).scp03(keys)
