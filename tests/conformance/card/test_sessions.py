"""Sections 4, 4.1 and 4.2: what a session protects, and SCP03."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from services.card import tlv
from services.card.apdu import SHORT_LE, Command, Response
from services.card.securechannel import HostEnd
from services.card.terminal.applications import JPKI_AID, JUKI_NET_AID, OPERATOR_AID
from services.card.terminal.domain import DOMAIN_AID, STATIC_KEY
from tests.conformance.card.card import MARK, Card, Service, draw_keys
from tests.conformance.card.terminal import Terminal

LIST = Command(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", SHORT_LE)


@pytest.fixture
def session(card: Card, terminal: Terminal) -> Terminal:
    """The issuer's session with the security domain."""
    return terminal.scp03(card.keys)


def _end(session: Terminal) -> HostEnd:
    assert session.end is not None
    return session.end


def _is_dead(session: Terminal) -> bool:
    """Tells whether even a right command is answered as without a session."""
    return session.transmit(_end(session).wrap(LIST)).sw == 0x6982


def test_4_a_command_without_protection_is_refused_in_a_session(session: Terminal) -> None:
    assert session.plain(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE).sw == 0x6982


def test_4_a_protected_command_is_refused_without_a_session(card: Card, session: Terminal) -> None:
    protected = _end(session).wrap(LIST)
    card.link.reset()

    assert session.transmit(protected).sw == 0x6982


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


_TAMPERINGS: dict[str, Callable[[Command], Command]] = {
    "the MAC": lambda command: replace(command, data=_flip(command.data, -1 + len(command.data))),
    "the first octet": lambda command: replace(command, data=_flip(command.data, 0)),
    "P1": lambda command: replace(command, p1=command.p1 ^ 1),
    "P2": lambda command: replace(command, p2=command.p2 ^ 1),
    "INS": lambda command: replace(command, ins=command.ins ^ 2),
    "no data": lambda command: replace(command, data=b""),
    "a short MAC": lambda command: replace(command, data=command.data[:-1]),
}


@pytest.mark.parametrize("what", _TAMPERINGS)
def test_4_a_tampered_command_is_refused_and_closes_the_channel(session: Terminal, what: str) -> None:
    tampered = _TAMPERINGS[what](_end(session).wrap(LIST))

    assert session.transmit(tampered).sw == 0x6988

    assert _is_dead(session)


def test_4_1_a_replayed_command_is_refused(session: Terminal) -> None:
    command = _end(session).wrap(LIST)
    assert session.transmit(command).is_success

    assert session.transmit(command).sw == 0x6988


def test_4_1_a_dropped_command_is_noticed_by_the_next(session: Terminal) -> None:
    _end(session).wrap(LIST)

    assert session.transmit(_end(session).wrap(LIST)).sw == 0x6988


def test_4_1_commands_in_another_order_are_refused(session: Terminal) -> None:
    _end(session).wrap(LIST)
    second = _end(session).wrap(LIST)

    assert session.transmit(second).sw == 0x6988


def test_4_1_each_answer_has_a_mac_over_its_own_chain(session: Terminal) -> None:
    answers = [session.send(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", SHORT_LE) for _ in range(3)]

    assert [answer.sw for answer in answers] == [0x9000] * 3
    assert len({answer.data for answer in answers}) == 1


def test_4_1_a_padding_block_alone_is_no_data(card: Card, session: Terminal) -> None:
    class Padding(HostEnd):
        def wrap(self, command: Command) -> Command:
            self._counter += 1
            data = self._encrypt(command.data, response=False)
            return replace(command, cla=command.cla | 4, data=data + self._next_mac(command, data))

    end = _end(session)
    padding = Padding(end.keys, end._chaining)
    response = session.transmit(padding.wrap(Command(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE)))

    assert padding.unwrap(response).data[:3] == b"\x9f\x70\x01"


def test_4_1_a_refusal_goes_out_bare_and_leaves_the_session_open(session: Terminal) -> None:
    refused = session.transmit(_end(session).wrap(Command(0x80, 0xCA, 0x7F, 0x7F, le=SHORT_LE)))

    assert (refused.sw, refused.data) == (0x6A88, b"")
    assert session.send(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", SHORT_LE).is_success


def test_4_1_a_warning_carries_a_mac(terminal: Terminal, service: Service) -> None:
    terminal.select(service.aid).scp03(service.keys)
    terminal.select_file(service.ef)

    answer = terminal.send(0x00, 0xB0, 0x00, 0x00, le=len(MARK) + 9)

    assert (answer.sw, answer.data) == (0x6282, MARK)


def test_4_1_a_protected_chain_is_checked_as_one_command(terminal: Terminal, service: Service) -> None:
    opened = terminal.select(service.aid).scp03(service.keys)
    opened.ok(0x00, 0xE0, data=bytes.fromhex("620F 820101 8302 7AF0 8002 0200 86020202"))
    opened.select_file(0x7AF0)
    content = bytes(range(256)) * 2

    opened.ok(0x00, 0xD6, data=content)

    assert opened.ok(0x00, 0xB0, 0x00, 0x00, le=SHORT_LE) == content[:256]


def test_4_1_a_long_protected_answer_is_given_in_parts(card: Card, session: Terminal) -> None:
    reference = tlv.encode(0xA6, tlv.encode(0x83, bytes((STATIC_KEY, card.versions_of(session)[1]))))

    protected = session.ok(0x80, 0xCA, 0xBF, 0x21, reference, SHORT_LE)

    assert len(protected) > SHORT_LE
    assert session.select(DOMAIN_AID).ok(0x80, 0xCA, 0xBF, 0x21, reference, SHORT_LE) == protected


def test_4_1_a_protected_extended_command_is_taken(session: Terminal) -> None:
    extended = replace(LIST, extended=True)

    answer = session.transmit(_end(session).wrap(extended))

    assert _end(session).unwrap(answer).is_success


def test_4_2_the_card_proves_that_it_has_the_keys(card: Card, terminal: Terminal) -> None:
    terminal.begin_scp03(card.keys)

    assert terminal.is_genuine


def test_4_a_terminal_is_proved_to_every_application(card: Card, terminal: Terminal, service: Service) -> None:
    installed = [each.aid for each in card.domain().applications()]
    assert service.aid in installed

    for aid in (DOMAIN_AID, *installed):
        opened = card.authenticate(card.fresh(), aid)
        assert opened.send(0x00, 0xFF).sw == 0x6D00


def _initialize(terminal: Terminal, kvn: int = 0) -> Response:
    return terminal.plain(0x80, 0x50, kvn, 0x00, bytes(8), SHORT_LE)


def test_4_2_the_answer_names_the_card_and_the_protocol(card: Card, terminal: Terminal) -> None:
    answer = _initialize(terminal)

    assert (len(answer.data), answer.data[:10], answer.data[11:13]) == (29, card.specimen.number, b"\x03\x60")


def test_4_2_challenges_are_never_the_same(terminal: Terminal) -> None:
    assert len({_initialize(terminal).data[13:21] for _ in range(20)}) == 20


def test_4_2_an_unknown_key_version_is_refused(terminal: Terminal) -> None:
    assert _initialize(terminal, 0x7F).sw == 0x6A88


def test_4_2_who_has_other_keys_is_refused(terminal: Terminal) -> None:
    end, cryptogram = terminal.begin_scp03(draw_keys())

    assert not terminal.is_genuine
    assert terminal.finish_scp03(end, cryptogram) == 0x6982


def test_4_2_a_wrong_cryptogram_is_refused_and_the_handshake_forgotten(card: Card, terminal: Terminal) -> None:
    end, cryptogram = terminal.begin_scp03(card.keys)
    again = HostEnd(end.keys)

    assert terminal.finish_scp03(end, _flip(cryptogram, 0)) == 0x6982
    assert terminal.finish_scp03(again, cryptogram) == 0x6982


def test_4_2_a_wrong_mac_is_refused(card: Card, terminal: Terminal) -> None:
    end, cryptogram = terminal.begin_scp03(card.keys)
    command = end.authenticate(Command(0x80, 0x82, 0x33, 0x00, cryptogram))

    assert terminal.transmit(replace(command, data=_flip(command.data, 15))).sw == 0x6982


def test_4_2_external_authenticate_alone_is_refused(terminal: Terminal) -> None:
    assert terminal.transmit(Command(0x84, 0x82, 0x33, 0x00, bytes(16))).sw == 0x6982


def test_4_2_a_recorded_authentication_opens_nothing_a_second_time(card: Card, terminal: Terminal) -> None:
    end, cryptogram = terminal.begin_scp03(card.keys)
    proof = end.authenticate(Command(0x80, 0x82, 0x33, 0x00, cryptogram))
    assert terminal.transmit(proof).is_success
    card.link.reset()

    assert _initialize(terminal).is_success
    assert terminal.transmit(proof).sw == 0x6982


@pytest.mark.parametrize("level", [0x00, 0x01, 0x03, 0x13])
def test_4_2_no_lower_level_is_offered(card: Card, terminal: Terminal, level: int) -> None:
    assert terminal.finish_scp03(*terminal.begin_scp03(card.keys), level) == 0x6A86


def test_4_2_the_issuers_keys_open_each_application_of_the_issuer(card: Card, terminal: Terminal) -> None:
    names = {"resident": (DOMAIN_AID, JUKI_NET_AID), "operator": (DOMAIN_AID, OPERATOR_AID)}[card.specimen.kind]
    installed = {each.aid for each in card.domain().applications()}
    jpki = (JPKI_AID,) if JPKI_AID in installed else ()

    for aid in (*names, *jpki):
        terminal.select(aid).scp03(card.keys)


def test_4_the_issuers_keys_open_no_own_service(card: Card, terminal: Terminal, service: Service) -> None:
    end, cryptogram = terminal.select(service.aid).begin_scp03(card.keys)

    assert terminal.finish_scp03(end, cryptogram) == 0x6982


def test_4_one_services_keys_do_not_open_another(terminal: Terminal, service: Service, neighbour: Service) -> None:
    end, cryptogram = terminal.select(neighbour.aid).begin_scp03(service.keys)

    assert terminal.finish_scp03(end, cryptogram) == 0x6982
