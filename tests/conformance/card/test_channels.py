"""Sections 1, 2.5 and 2.6: logical channels, selection, and the firewall between applications."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.card.apdu import SHORT_LE, Command
from services.card.terminal.applications import JPKI_AID, JUKI_NET_AID
from services.card.terminal.domain import DOMAIN_AID
from tests.conformance.card.card import SERVICE_PIN, Card, Service
from tests.conformance.card.terminal import Terminal


def _open(terminal: Terminal) -> int:
    return terminal.ok(0x00, 0x70, 0x00, 0x00, le=1)[0]


def test_2_5_the_lowest_free_channel_is_opened(terminal: Terminal) -> None:
    assert [_open(terminal) for _ in range(3)] == [1, 2, 3]
    assert terminal.plain(0x00, 0x70, 0x80, 0x02).is_success
    assert _open(terminal) == 2


def test_2_5_a_fifth_channel_is_refused(terminal: Terminal) -> None:
    for _ in range(3):
        _open(terminal)

    assert terminal.plain(0x00, 0x70, 0x00, 0x00, le=1).sw == 0x6A81


@pytest.mark.parametrize(("number", "sw"), [(0, 0x6A81), (1, 0x6200), (4, 0x6A86)])
def test_2_5_only_an_open_further_channel_can_be_closed(terminal: Terminal, number: int, sw: int) -> None:
    assert terminal.plain(0x00, 0x70, 0x80, number).sw == sw


def test_2_5_a_closed_channel_answers_nothing(terminal: Terminal) -> None:
    number = _open(terminal)
    terminal.plain(0x00, 0x70, 0x80, number)

    assert terminal.on(number).plain(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE).sw == 0x6881


def test_2_5_a_new_channel_has_the_security_domain(terminal: Terminal, service: Service) -> None:
    terminal.select(service.aid)

    assert terminal.on(_open(terminal)).plain(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE).is_success


def test_2_5_each_channel_has_its_own_proofs(terminal: Terminal, service: Service) -> None:
    other = terminal.on(_open(terminal)).select(service.aid)
    assert terminal.select(service.aid).verify(0x0018, SERVICE_PIN) == 0x9000

    other.select_file(0x0018)

    assert other.send(0x00, 0x24, 0x01, 0x80, SERVICE_PIN).sw == 0x6982
    assert terminal.send(0x00, 0x24, 0x01, 0x80, SERVICE_PIN).sw == 0x9000


def test_2_5_each_channel_has_its_own_session(card: Card, terminal: Terminal, service: Service) -> None:
    other = terminal.on(_open(terminal)).select(service.aid)
    terminal.select(service.aid).scp03(service.keys)

    assert other.plain(0x00, 0xE4, 0x00, 0x00, service.ef.to_bytes(2, "big")).sw == 0x6982
    assert other.read(service.ef).is_success


def test_2_5_channels_are_managed_without_protection_in_a_session(card: Card, terminal: Terminal) -> None:
    terminal.scp03(card.keys)

    assert terminal.plain(0x00, 0x70, 0x00, 0x00, le=1).data == b"\x01"
    assert terminal.send(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", SHORT_LE).is_success


@pytest.mark.parametrize("change", ["shorter", "longer", "other", "empty"])
def test_2_6_only_an_exact_name_selects(terminal: Terminal, service: Service, change: str) -> None:
    aid = {"shorter": service.aid[:-1], "longer": service.aid + b"\0", "other": b"\xf0nobody", "empty": b""}[change]

    assert terminal.choose(aid) == 0x6A82


def test_2_6_an_unknown_name_leaves_the_selection(terminal: Terminal, service: Service) -> None:
    terminal.select(service.aid)
    assert terminal.choose(b"\xf0nobody") == 0x6A82

    assert terminal.read(service.ef).is_success


def test_2_6_the_answer_has_the_name_when_it_is_asked_for(terminal: Terminal) -> None:
    answer = terminal.plain(0x00, 0xA4, 0x04, 0x00, DOMAIN_AID, SHORT_LE)

    assert answer.data == b"\x6f\x0a\x84\x08" + DOMAIN_AID
    assert terminal.plain(0x00, 0xA4, 0x04, 0x0C, DOMAIN_AID).data == b""


@pytest.mark.parametrize("p2", [0x02, 0x04, 0x08, 0x0D])
def test_2_6_other_parameters_are_refused(terminal: Terminal, p2: int) -> None:
    assert terminal.plain(0x00, 0xA4, 0x04, p2, DOMAIN_AID).sw == 0x6A86


def test_2_6_selection_is_never_protected(card: Card, terminal: Terminal) -> None:
    terminal.scp03(card.keys)

    assert terminal.send(0x00, 0xA4, 0x04, 0x0C, DOMAIN_AID).sw == 0x6882


def test_2_6_selecting_the_same_application_again_forgets_its_pin(terminal: Terminal, service: Service) -> None:
    assert terminal.select(service.aid).verify(0x0018, SERVICE_PIN) == 0x9000

    terminal.select(service.aid).select_file(0x0018)

    assert terminal.send(0x00, 0x24, 0x01, 0x80, SERVICE_PIN).sw == 0x6982


def test_2_6_selecting_ends_the_session(card: Card, terminal: Terminal) -> None:
    terminal.scp03(card.keys)
    end = terminal.end
    assert end is not None

    terminal.select(DOMAIN_AID)

    assert terminal.transmit(end.wrap(Command(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", SHORT_LE))).sw == 0x6982


def test_1_no_application_tells_of_anothers_files(
    resident: Card, terminal: Terminal, service: Service, neighbour: Service
) -> None:
    """Every application, with the greatest rights that there are to it, is asked for every other's own files."""
    files = {service.aid: service.ef, neighbour.aid: neighbour.ef}
    openings: dict[str, Callable[[], Terminal]] = {
        "juki-net, issuer": lambda: terminal.select(JUKI_NET_AID).scp03(resident.keys),
        "juki-net, terminal": lambda: resident.authenticate(terminal, JUKI_NET_AID),
        "JPKI, issuer": lambda: terminal.select(JPKI_AID).scp03(resident.keys),
        "service": lambda: terminal.select(service.aid).scp03(service.keys),
        "neighbour": lambda: terminal.select(neighbour.aid).scp03(neighbour.keys),
    }
    own = {"service": service.aid, "neighbour": neighbour.aid}
    reached = []
    for name, opening in openings.items():
        for aid, ef in files.items():
            opened = opening()
            if own.get(name) != aid and opened.select_file(ef) != 0x6A82:
                reached.append(f"{name} reaches {ef:04X}")

    assert reached == []


def test_1_no_own_service_has_the_files_of_juki_net_and_jpki(
    resident: Card, terminal: Terminal, service: Service
) -> None:
    opened = terminal.select(service.aid).scp03(service.keys)

    files = (0x0001, 0x0002, 0x0003, 0x0006, 0x000A, 0x000B, 0x0017, 0x001A, 0x001B)

    assert {f"{ef:04X}": opened.select_file(ef) for ef in files if opened.select_file(ef) != 0x6A82} == {}


def test_1_a_pin_proved_to_one_service_is_not_proved_to_another(
    card: Card, terminal: Terminal, service: Service, neighbour: Service
) -> None:
    assert terminal.select(service.aid).verify(0x0018, SERVICE_PIN) == 0x9000

    terminal.select(neighbour.aid).select_file(0x0018)

    assert terminal.send(0x00, 0x24, 0x01, 0x80, SERVICE_PIN).sw == 0x6982


def test_1_a_wrong_pin_of_one_service_costs_another_nothing(
    terminal: Terminal, service: Service, neighbour: Service
) -> None:
    assert terminal.select(service.aid).verify(0x0018, b"wrong") == 0x63C2

    assert terminal.select(neighbour.aid).tries(0x0018) == 0x63C3
