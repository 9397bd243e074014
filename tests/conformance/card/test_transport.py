"""Sections 2.1 to 2.4: answer to reset, lengths, order of refusals, classes, chains, long answers."""

from __future__ import annotations

import pytest

from services.card import tlv
from services.card.apdu import SHORT_LE, Command
from services.card.terminal.domain import DOMAIN_AID, STATIC_KEY
from tests.conformance.card.card import MARK, SERVICE_PIN, Card, Service
from tests.conformance.card.terminal import Terminal

STATE = bytes.fromhex("80CA9F7000")
NO_APPLICATION = b"\xf0no such application"


def test_2_1_the_answer_to_reset_is_that_of_the_specification(card: Card) -> None:
    assert card.link.reset().hex().upper() == "3BE000FF8131FE4514"


def test_2_1_a_reset_closes_the_further_channels(card: Card, terminal: Terminal) -> None:
    assert terminal.ok(0x00, 0x70, le=1) == b"\x01"

    card.link.reset()

    assert terminal.raw(b"\x81" + STATE[1:]).sw == 0x6881


def test_2_1_a_reset_selects_the_security_domain(card: Card, service: Service, terminal: Terminal) -> None:
    terminal.select(service.aid)

    card.link.reset()

    assert terminal.raw(STATE).is_success


def test_2_1_a_reset_ends_the_session(card: Card, terminal: Terminal) -> None:
    terminal.scp03(card.keys)
    assert terminal.end is not None
    protected = terminal.end.wrap(Command(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", SHORT_LE))

    card.link.reset()

    assert terminal.transmit(protected).sw == 0x6982


def test_2_1_a_reset_forgets_a_proved_pin(card: Card, service: Service, terminal: Terminal) -> None:
    assert terminal.select(service.aid).verify(0x0018, SERVICE_PIN) == 0x9000

    card.link.reset()

    terminal.select(service.aid).select_file(0x0018)
    assert terminal.send(0x00, 0x24, 0x01, 0x80, b"other").sw == 0x6982


def test_2_2_a_chain_of_16384_octets_is_one_command(terminal: Terminal) -> None:
    assert terminal.plain(0x00, 0xA4, 0x04, 0x0C, bytes(16_384)).sw == 0x6A82


def test_2_2_a_chain_of_more_is_refused(terminal: Terminal) -> None:
    assert terminal.plain(0x00, 0xA4, 0x04, 0x0C, bytes(16_385)).sw == 0x6700


def test_2_2_an_extended_command_is_taken(terminal: Terminal) -> None:
    assert terminal.transmit(Command(0x00, 0xA4, 0x04, 0x0C, DOMAIN_AID, extended=True)).is_success
    assert terminal.transmit(Command(0x00, 0xA4, 0x04, 0x0C, bytes(4096))).sw == 0x6A82


def test_2_2_without_le_256_octets_are_given(card: Card, terminal: Terminal) -> None:
    _, version = card.versions()
    reference = tlv.encode(0xA6, tlv.encode(0x83, bytes((STATIC_KEY, version))))

    answer = terminal.transmit(Command(0x80, 0xCA, 0xBF, 0x21, reference))

    assert (len(answer.data), answer.sw >> 8) == (256, 0x61)


@pytest.mark.parametrize("octets", ["00A4040C05D392", "00A4040C02D392F000", "00A4040C0000", "00A4040C000000D3"])
def test_2_2_lengths_that_contradict_each_other_are_refused(terminal: Terminal, octets: str) -> None:
    assert terminal.raw(bytes.fromhex(octets)).sw == 0x6700


@pytest.mark.parametrize(
    ("octets", "sw"),
    [
        ("28A4040C05D392", 0x6700),
        ("20FF0000", 0x6E00),
        ("08FF0000", 0x6882),
        ("04FF0000", 0x6982),
        ("00FF5555", 0x6D00),
        ("00F05555", 0x6E00),
        ("80F05500", 0x6A86),
        ("80F0800F", 0x6982),
    ],
    ids=["length", "class", "other messaging", "messaging", "instruction", "its class", "parameters", "access"],
)
def test_2_2_the_first_reason_in_order_is_told(terminal: Terminal, octets: str, sw: int) -> None:
    assert terminal.raw(bytes.fromhex(octets)).sw == sw


def test_2_2_a_refused_command_has_no_effect(card: Card, service: Service, terminal: Terminal) -> None:
    terminal.select(service.aid).scp03(service.keys)
    terminal.select_file(service.ef)

    assert terminal.send(0x00, 0xD6, 0x00, 0x01, b"!" * len(MARK)).sw == 0x6B00

    assert terminal.read(service.ef).data == MARK


def test_2_2_what_was_answered_9000_survives_a_reset(card: Card, service: Service, terminal: Terminal) -> None:
    terminal.select(service.aid).scp03(service.keys)
    terminal.select_file(service.ef)
    terminal.ok(0x00, 0xD6, 0x00, 0x00, b"kept")

    card.link.reset()

    assert terminal.select(service.aid).read(service.ef).data[:4] == b"kept"


def _class_answer(cla: int) -> set[int]:
    """The status words that GET DATA may have in a class, outside a session, with channel 0 alone open."""
    if cla == 0xFF or (cla & 0x60) == 0x20:
        return {0x6E00}
    if cla & 0x40:
        return {0x6881}
    if cla & 0x08:
        return {0x6882, 0x6881} if cla & 0x03 else {0x6882}
    if cla & 0x03:
        return {0x6881}
    return {0x6982} if cla & 0x04 else {0x9000}


def test_2_3_every_class_octet_is_answered_as_the_table_says(terminal: Terminal) -> None:
    unchained = [cla for cla in range(0x100) if cla & 0x70 != 0x10]

    answers = {cla: terminal.raw(bytes((cla,)) + STATE[1:]).sw for cla in unchained}

    assert {f"{cla:02X}": f"{sw:04X}" for cla, sw in answers.items() if sw not in _class_answer(cla)} == {}


def _part(data: bytes, *, last: bool = False) -> Command:
    return Command(0x00 if last else 0x10, 0xA4, 0x04, 0x0C, data)


def test_2_4_a_chain_means_what_one_command_would(terminal: Terminal, service: Service) -> None:
    parts = [_part(service.aid[:3]), _part(service.aid[3:5]), _part(service.aid[5:], last=True)]

    assert [terminal.transmit(part).sw for part in parts] == [0x9000] * 3
    assert terminal.read(service.ef).data == MARK


@pytest.mark.parametrize(
    "other", [Command(0x00, 0xA4, 0x04, 0x00, DOMAIN_AID), Command(0x80, 0xCA, 0x9F, 0x70, le=256)]
)
def test_2_4_another_command_in_the_middle_is_refused_and_ends_the_chain(terminal: Terminal, other: Command) -> None:
    assert terminal.transmit(_part(DOMAIN_AID[:3])).is_success

    assert terminal.transmit(other).sw == 0x6883

    assert terminal.transmit(_part(DOMAIN_AID[3:], last=True)).sw == 0x6A82
    assert terminal.transmit(other).is_success


def test_2_4_chains_on_two_channels_do_not_disturb_each_other(terminal: Terminal) -> None:
    other = terminal.on(terminal.ok(0x00, 0x70, le=1)[0])
    assert terminal.transmit(_part(DOMAIN_AID[:3])).is_success
    assert other.transmit(_part(DOMAIN_AID[:5])).is_success

    assert terminal.transmit(_part(DOMAIN_AID[3:], last=True)).is_success
    assert other.transmit(_part(DOMAIN_AID[5:], last=True)).is_success


@pytest.fixture
def long_answer(card: Card, terminal: Terminal) -> tuple[Command, bytes]:
    """A command whose answer is longer than it asks for, and that answer."""
    _, version = card.versions()
    reference = tlv.encode(0xA6, tlv.encode(0x83, bytes((STATIC_KEY, version))))
    whole = terminal.ok(0x80, 0xCA, 0xBF, 0x21, reference, SHORT_LE)
    return Command(0x80, 0xCA, 0xBF, 0x21, reference, 0x10), whole


def test_2_4_a_long_answer_is_given_in_parts(terminal: Terminal, long_answer: tuple[Command, bytes]) -> None:
    command, whole = long_answer
    answer = terminal.transmit(command)
    got = answer.data
    while answer.sw >> 8 == 0x61:
        left = len(whole) - len(got)
        assert answer.sw & 0xFF == (left if left < 256 else 0)
        answer = terminal.transmit(Command(0x00, 0xC0, 0x00, 0x00, le=min(left, 100)))
        got += answer.data

    assert (answer.sw, got) == (0x9000, whole)


def test_2_4_with_nothing_to_give_get_response_is_refused(terminal: Terminal) -> None:
    assert terminal.transmit(Command(0x00, 0xC0, 0x00, 0x00, le=SHORT_LE)).sw == 0x6985


def test_2_4_another_command_discards_the_rest(terminal: Terminal, long_answer: tuple[Command, bytes]) -> None:
    assert terminal.transmit(long_answer[0]).sw >> 8 == 0x61
    assert terminal.raw(STATE).is_success

    assert terminal.transmit(Command(0x00, 0xC0, 0x00, 0x00, le=SHORT_LE)).sw == 0x6985
