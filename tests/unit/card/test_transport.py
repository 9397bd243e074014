"""What the card's runtime does before an application sees a command."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.card.apdu import Command
from services.card.softcard import jpki, jukinet
from services.card.softcard.card import ATR, SoftCard
from services.card.softcard.chip import Chip
from services.card.softcard.registry import DOMAIN
from tests.cards import Bench, Terminal, fresh_resident
from tests.doubles.card_storage import MemoryStorage

_SELECT_JPKI = "00A4040C0AD392F000260100000001"


def _answer(card: SoftCard, raw: str) -> str:
    return card.transmit(bytes.fromhex(raw)).hex().upper()


def test_the_answer_to_reset_is_that_of_the_specification(resident: Bench) -> None:
    assert resident.card.reset() == ATR == bytes.fromhex("3BE000FF8131FE4514")


def test_a_card_without_power_is_mute(resident: Bench) -> None:
    resident.card.power_off()

    assert resident.card.transmit(bytes.fromhex(_SELECT_JPKI)) == b""
    resident.card.power_on()
    assert _answer(resident.card, _SELECT_JPKI) == "9000"


@pytest.mark.parametrize(
    ("raw", "sw"),
    [
        ("", "6700"),
        ("00", "6700"),
        ("00A404", "6700"),
        ("00A4040C05AABB", "6700"),
        ("00A4040C02AABB0000", "6700"),
        ("00B0000000000000", "6700"),
        ("20A4040C02AABB", "6E00"),
        ("A0A40000023F00", "6E00"),
        ("FFCA000000", "6E00"),
        ("40A4040C02AABB", "6881"),
        ("C0CA000000", "6881"),
        ("01CA00E000", "6881"),
        ("0CA4040C02AABB", "6882"),
        ("08B0000000", "6882"),
        ("04A4040C02AABB", "6882"),
        ("00A4040C02AABB", "6A82"),
        ("00A4040C09D392F0002601000000", "6A82"),
        ("00A4040C0BD392F00026010000000100", "6A82"),
        ("00A4040C", "6A82"),
        ("00A4040008A00000000300000000", "6A82"),
        ("00A40401020000", "6A86"),
        ("80A4040C02AABB", "6E00"),
        ("00A40000023F00", "6D00"),
        ("00CADF3005", "6A88"),
        ("00CB3FFF035C017E08", "6D00"),
        ("00C0000000", "6985"),
        ("00C000000100", "6700"),
        ("0070000001", "019000"),
        ("00708000", "6A81"),
        ("00708001", "6200"),
        ("00708004", "6A86"),
        ("00700100", "6A86"),
        ("007000000100", "6700"),
        ("8482330010" + "00" * 16, "6982"),
        ("84F08000", "6982"),
    ],
)
def test_what_belongs_to_nobody_is_answered_by_the_table(resident: Bench, raw: str, sw: str) -> None:
    assert _answer(resident.card, raw) == sw


def test_select_gives_the_name_if_asked(resident: Bench) -> None:
    assert _answer(resident.card, "00A404000AD392F00026010000000100") == "6F0C840AD392F0002601000000019000"
    assert _answer(resident.card, _SELECT_JPKI) == "9000"


def test_an_unknown_name_leaves_the_selection(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(jpki.AID).select_ef(jpki.AUTHENTICATION_PIN)

    assert terminal.send(0x00, 0xA4, 0x04, 0x0C, b"stranger").sw == 0x6A82
    assert terminal.send(0x00, 0x20, 0x00, 0x80).sw == 0x63C3


def test_a_long_answer_comes_in_parts(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(jpki.AID)
    whole = terminal.read(jpki.AUTHENTICATION_CERTIFICATE).data

    first = terminal.transmit(Command(0x00, 0xB0, 0x00, 0x00))
    left = len(whole) - 256
    assert (len(first.data), first.sw) == (256, 0x6100 | (left if left < 256 else 0))
    parts = [first.data]
    while (answer := terminal.transmit(Command(0x00, 0xC0, 0x00, 0x00, le=100))).sw != 0x9000:
        assert len(answer.data) == 100
        parts.append(answer.data)
    assert b"".join([*parts, answer.data]) == whole
    assert terminal.transmit(Command(0x00, 0xC0, 0x00, 0x00)).sw == 0x6985


def test_another_command_discards_the_rest(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(jpki.AID).select_ef(jpki.AUTHENTICATION_CERTIFICATE)
    assert terminal.transmit(Command(0x00, 0xB0, 0x00, 0x00)).sw >> 8 == 0x61

    terminal.select_ef(jpki.AUTHENTICATION_PIN)

    assert terminal.transmit(Command(0x00, 0xC0, 0x00, 0x00)).sw == 0x6985


def test_a_chain_means_what_one_command_would(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(jpki.AID)
    assert terminal.verify(jpki.AUTHENTICATION_PIN, b"1234") == 0x9000
    terminal.select_ef(jpki.AUTHENTICATION_KEY)
    whole = terminal.send(0x80, 0x2A, 0x00, 0x80, b"abc", 256)

    assert terminal.transmit(Command(0x90, 0x2A, 0x00, 0x80, b"a")).sw == 0x9000
    assert terminal.transmit(Command(0x90, 0x2A, 0x00, 0x80, b"b")).sw == 0x9000
    assert terminal.transmit(Command(0x80, 0x2A, 0x00, 0x80, b"c", 256)) == whole


def test_another_command_in_a_chain_is_refused_and_the_chain_forgotten(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(jpki.AID)
    terminal.verify(jpki.AUTHENTICATION_PIN, b"1234")
    terminal.select_ef(jpki.AUTHENTICATION_KEY)
    assert terminal.transmit(Command(0x90, 0x2A, 0x00, 0x80, b"a")).sw == 0x9000

    assert terminal.transmit(Command(0x00, 0xA4, 0x02, 0x0C, b"\0\x17")).sw == 0x6883
    assert terminal.transmit(Command(0x80, 0x2A, 0x00, 0x80, b"", 256)).sw == 0x6700


def test_a_chain_that_grows_too_long_is_refused(resident: Bench) -> None:
    terminal = Terminal(resident.card)
    part = Command(0x90, 0xE2, 0x90, 0x00, bytes(255))

    answers = [terminal.transmit(part).sw for _ in range(65)]

    assert answers == [0x9000] * 64 + [0x6700]
    assert terminal.transmit(Command(0x80, 0xE2, 0x90, 0x00, bytes(16_385))).sw == 0x6700
    assert terminal.transmit(Command(0x80, 0xE2, 0x90, 0x00, bytes(16_384))).sw == 0x6982


def test_chains_on_different_channels_do_not_disturb_each_other(resident: Bench) -> None:
    one, two = Terminal(resident.card), Terminal(resident.card, 1)
    one.ok(0x00, 0x70)
    for terminal in (one, two):
        terminal.select(jpki.AID).verify(jpki.AUTHENTICATION_PIN, b"1234")
        terminal.select_ef(jpki.AUTHENTICATION_KEY)
    assert one.transmit(Command(0x90, 0x2A, 0x00, 0x80, b"one ")).sw == 0x9000
    assert two.transmit(Command(0x90, 0x2A, 0x00, 0x80, b"two ")).sw == 0x9000

    first = one.transmit(Command(0x80, 0x2A, 0x00, 0x80, b"more", 256))
    second = two.transmit(Command(0x80, 0x2A, 0x00, 0x80, b"more", 256))

    assert first == one.send(0x80, 0x2A, 0x00, 0x80, b"one more", 256)
    assert second == two.send(0x80, 0x2A, 0x00, 0x80, b"two more", 256)


def test_three_further_channels_open_and_close(resident: Bench) -> None:
    basic = Terminal(resident.card)

    assert [basic.ok(0x00, 0x70) for _ in range(3)] == [b"\x01", b"\x02", b"\x03"]
    assert basic.send(0x00, 0x70).sw == 0x6A81
    basic.ok(0x00, 0x70, 0x80, 0x02)
    assert Terminal(resident.card, 2).send(0x00, 0xCA, 0x9F, 0x70).sw == 0x6881
    assert basic.ok(0x00, 0x70) == b"\x02"


def test_what_one_channel_proved_another_has_not(resident: Bench) -> None:
    one, two = Terminal(resident.card), Terminal(resident.card, 1)
    one.ok(0x00, 0x70)
    for terminal in (one, two):
        terminal.select(jpki.AID)
    assert one.verify(jpki.AUTHENTICATION_PIN, b"1234") == 0x9000

    for terminal, sw in ((one, 0x9000), (two, 0x6982)):
        assert terminal.select_ef(jpki.AUTHENTICATION_KEY).send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == sw


def test_reset_closes_the_channels_and_forgets_the_proofs(resident: Bench) -> None:
    terminal = Terminal(resident.card).select(jpki.AID)
    terminal.ok(0x00, 0x70)
    terminal.verify(jpki.AUTHENTICATION_PIN, b"1234")

    resident.card.reset()

    assert Terminal(resident.card, 1).send(0x00, 0xCA, 0x9F, 0x70).sw == 0x6881
    terminal.select(jpki.AID).select_ef(jpki.AUTHENTICATION_KEY)
    assert terminal.send(0x80, 0x2A, 0x00, 0x80, b"x", 256).sw == 0x6982


def test_a_card_whose_memory_fails_says_so_until_it_is_powered_anew(resident: Bench) -> None:
    storage = resident.storage
    assert isinstance(storage, MemoryStorage)
    terminal = Terminal(resident.card).select(jpki.AID)
    storage.fails = True

    assert terminal.verify(jpki.AUTHENTICATION_PIN, b"1234") == 0x6581
    storage.mend()
    assert terminal.send(0x00, 0x20, 0x00, 0x80, b"1234").sw == 0x6581
    resident.card.reset()
    assert Terminal(resident.card).select(jpki.AID).verify(jpki.AUTHENTICATION_PIN, b"1234") == 0x9000


class _BrokenChip(Chip):
    """A chip whose random generator has died."""

    def random(self, size: int) -> bytes:
        raise RuntimeError("pin 1234")


def test_a_fault_inside_is_answered_and_logged_without_its_text(
    resident: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    card = SoftCard(resident.storage, _BrokenChip())
    card.power_on()

    with caplog.at_level(logging.ERROR):
        answer = card.transmit(bytes.fromhex("80500000080102030405060708"))

    assert answer.hex() == "6f00"
    assert [(record.getMessage(), record.error) for record in caplog.records] == [("card.fault", "RuntimeError")]  # type: ignore[attr-defined]
    assert "1234" not in caplog.text


_RAW = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda cla, ins, p1, p2, data, le: Command(cla, ins, p1, p2, data, le).encode(),
        st.sampled_from([0x00, 0x01, 0x04, 0x10, 0x80, 0x84, 0x90, 0x94]),
        st.sampled_from(bytes.fromhex("20242A2C4750708288A4B0B2C0CAD6D8DCE0E2E4E6F0F1F2")),
        st.sampled_from([0x00, 0x02, 0x03, 0x04, 0x0C, 0x40, 0x80, 0x81, 0x9F, 0xBF]),
        st.sampled_from([0x00, 0x01, 0x0C, 0x10, 0x11, 0x17, 0x21, 0x80, 0x81, 0x90, 0xE0]),
        st.one_of(
            st.sampled_from([DOMAIN, jpki.AID, jukinet.AID, b"\0\x18", b"\0\x17", b"1234", b"\x00\x01"]),
            st.binary(max_size=60),
        ),
        st.sampled_from([None, 1, 4, 256, 65_536]),
    ),
)


@settings(max_examples=150)
@given(st.lists(_RAW, max_size=25))
def test_whatever_is_sent_the_card_answers_with_a_status_word_of_the_table(commands: list[bytes]) -> None:
    card = fresh_resident().card
    for raw in commands:
        answer = card.transmit(raw)

        sw = int.from_bytes(answer[-2:], "big")
        assert len(answer) >= 2
        assert sw != 0x6F00
        assert sw >> 8 in {0x61, 0x62, 0x63, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6D, 0x6E, 0x90}
