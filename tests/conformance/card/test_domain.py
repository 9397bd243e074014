"""Sections 5 to 5.3: the security domain of a card in use."""

from __future__ import annotations

import pytest

from services.card import tlv
from services.card.apdu import SHORT_LE
from services.card.securechannel import StaticKeys
from services.card.terminal.domain import DOMAIN_AID
from services.card.terminal.key_set import key_set_answer, key_set_data
from services.card.terminal.own_service import MODULE, ServiceParameters, service_aid
from tests.conformance.card.card import QUOTA, Card, Service, draw_keys
from tests.conformance.card.terminal import Terminal

_ISSUERS_OWN = {
    "PUT KEY": (0x80, 0xD8, 0x00, 0x81, b"\x05"),
    "GENERATE KEY": (0x80, 0xF1, 0x00, 0x11, b"\x05"),
    "DELETE": (0x80, 0xE4, 0x00, 0x00, b"\x4f\x00"),
    "INSTALL": (0x80, 0xE6, 0x0C, 0x00, bytes(6)),
    "STORE DATA": (0x80, 0xE2, 0x90, 0x00, b"\x42\x00"),
    "SET STATUS": (0x80, 0xF0, 0x80, 0x7F, b""),
    "GET STATUS": (0x80, 0xF2, 0x40, 0x00, b"\x4f\x00"),
}


@pytest.mark.parametrize("command", _ISSUERS_OWN)
def test_5_what_is_the_issuers_needs_the_issuers_session(terminal: Terminal, command: str) -> None:
    assert terminal.plain(*_ISSUERS_OWN[command]).sw == 0x6982


@pytest.mark.parametrize("command", _ISSUERS_OWN)
def test_5_a_terminal_has_none_of_the_issuers_rights(card: Card, terminal: Terminal, command: str) -> None:
    assert card.authenticate(terminal, DOMAIN_AID).send(*_ISSUERS_OWN[command]).sw == 0x6982


def test_5_applications_are_listed_with_what_they_use(card: Card, service: Service) -> None:
    listed = {each.aid: each for each in card.domain().applications()}

    assert listed[service.aid].reserved == QUOTA
    assert listed[service.aid].used > 0


def test_5_a_deleted_application_is_gone_with_its_keys(card: Card, terminal: Terminal, service: Service) -> None:
    card.domain().delete(service.aid)

    assert terminal.choose(service.aid) == 0x6A82
    assert terminal.scp03(card.keys).send(0x80, 0xE4, data=tlv.encode(0x4F, service.aid)).sw == 0x6A88


def test_5_the_last_issuers_keys_are_not_deleted(expendable: Card, terminal: Terminal) -> None:
    version = expendable.specimen.keys.version

    opened = terminal.scp03(expendable.keys)

    assert opened.send(0x80, 0xE4, data=tlv.encode(0xD2, bytes((version,)))).sw in {0x6985, 0x6A88}
    assert opened.send(0x80, 0xE4, data=tlv.encode(0xD0, b"\x01")).sw == 0x6985
    terminal.select(DOMAIN_AID).scp03(expendable.keys)


def _put(terminal: Terminal, card: Card, data: bytes, replaced: int = 0) -> int:
    return terminal.scp03(card.keys).send(0x80, 0xD8, replaced, 0x81, data, SHORT_LE).sw


def test_5_1_keys_whose_check_value_is_wrong_are_refused(card: Card, terminal: Terminal) -> None:
    data = bytearray(key_set_data(0x7E, draw_keys(), card.keys.dek))
    data[-1] ^= 1

    assert _put(terminal, card, bytes(data)) == 0x6A80


def test_5_1_keys_that_are_there_are_not_added_again(card: Card, terminal: Terminal) -> None:
    assert _put(terminal, card, key_set_data(card.specimen.keys.version, draw_keys(), card.keys.dek)) == 0x6A89


def test_5_1_keys_that_are_not_there_are_not_replaced(card: Card, terminal: Terminal) -> None:
    assert _put(terminal, card, key_set_data(0x7E, draw_keys(), card.keys.dek), replaced=0x7E) == 0x6A88


@pytest.mark.parametrize("version", [0x00, 0x80])
def test_5_1_a_key_version_is_1_to_127(card: Card, terminal: Terminal, version: int) -> None:
    assert _put(terminal, card, key_set_data(version, draw_keys(), card.keys.dek)) == 0x6A80


def test_5_1_a_second_key_set_works_until_it_is_deleted(expendable: Card, terminal: Terminal) -> None:
    keys: StaticKeys = draw_keys()
    opened = terminal.scp03(expendable.keys)
    data = key_set_data(0x7E, keys, expendable.keys.dek)
    assert opened.ok(0x80, 0xD8, 0x00, 0x81, data, SHORT_LE) == key_set_answer(0x7E, keys)

    terminal.select(DOMAIN_AID).scp03(keys, 0x7E).ok(0x80, 0xE4, data=tlv.encode(0xD2, b"\x7e"))

    assert terminal.select(DOMAIN_AID).plain(0x80, 0x50, 0x7E, 0x00, bytes(8), SHORT_LE).sw == 0x6A88


@pytest.mark.parametrize("cla", [0x00, 0x80])
def test_5_2_the_number_is_free(card: Card, terminal: Terminal, cla: int) -> None:
    assert terminal.ok(cla, 0xCA, 0x00, 0x45, le=SHORT_LE) == tlv.encode(0x45, card.specimen.number)


def test_5_2_an_active_card_says_so(terminal: Terminal) -> None:
    assert terminal.ok(0x80, 0xCA, 0x9F, 0x70, le=SHORT_LE) == b"\x9f\x70\x01\x0f"


def test_5_2_the_issuer_has_six_digits(terminal: Terminal) -> None:
    (code,) = tlv.parse_exactly(terminal.ok(0x80, 0xCA, 0x00, 0x42, le=SHORT_LE), 0x42)

    assert len(code) == 6
    assert code.isdigit()


def test_5_2_recognition_data_name_global_platform(terminal: Terminal) -> None:
    (data,) = tlv.parse_exactly(terminal.ok(0x80, 0xCA, 0x00, 0x66, le=SHORT_LE), 0x73)

    assert data.startswith(bytes.fromhex("06072A864886FC6B01"))


def test_5_2_the_issuers_three_keys_are_listed_as_aes(card: Card, terminal: Terminal) -> None:
    entries = [item.value for item in tlv.parse(terminal.ok(0x80, 0xCA, 0x00, 0xE0, le=SHORT_LE))]

    version = card.specimen.keys.version
    assert {bytes((kid, version, 0x88, 16)) for kid in (1, 2, 3)} <= set(entries)


@pytest.mark.parametrize("tag", [0x0001, 0x7F21, 0x9F71])
def test_5_2_an_unknown_object_is_refused(terminal: Terminal, tag: int) -> None:
    assert terminal.plain(0x80, 0xCA, tag >> 8, tag & 0xFF, le=SHORT_LE).sw == 0x6A88


def test_5_2_the_issuer_of_an_active_card_is_not_changed(card: Card, terminal: Terminal) -> None:
    assert terminal.scp03(card.keys).send(0x80, 0xE2, 0x90, 0x00, tlv.encode(0x42, b"131024")).sw == 0x6985


def _install(card: Card, terminal: Terminal, module: bytes, aid: bytes, quota: int) -> int:
    parameters = tlv.encode(0xC9, ServiceParameters(quota, draw_keys()).encode(card.keys.dek))
    fields = (b"", module, aid, b"\0", parameters, b"")
    data = b"".join(bytes((len(each),)) + each for each in fields)
    return terminal.scp03(card.keys).send(0x80, 0xE6, 0x0C, 0x00, data, SHORT_LE).sw


def test_5_3_an_application_that_is_there_is_not_installed_again(
    card: Card, terminal: Terminal, service: Service
) -> None:
    assert _install(card, terminal, MODULE, service.aid, QUOTA) == 0x6A89


@pytest.mark.parametrize(
    ("module", "aid"),
    [
        (b"\xf0nobody", b"\xf0nobody"),
        (MODULE, MODULE + bytes.fromhex("13101A0001")),
        (MODULE, MODULE + bytes.fromhex("13101600")),
    ],
    ids=["unknown", "no decimal code", "short"],
)
def test_5_3_what_is_no_application_of_the_specification_is_refused(
    card: Card, terminal: Terminal, module: bytes, aid: bytes
) -> None:
    assert _install(card, terminal, module, aid, QUOTA) == 0x6A80


def test_5_3_own_services_share_their_memory(card: Card, terminal: Terminal, service: Service) -> None:
    aid = service_aid("131016", 0xFF0F)
    installed = card.domain().applications()
    card.link.reset()

    too_much = 32_768 - sum(each.reserved for each in installed) + 1

    assert _install(card, terminal, MODULE, aid, too_much) == 0x6A84
    assert terminal.select(DOMAIN_AID).choose(aid) == 0x6A82
