"""Commands and answers as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.card.apdu import ApduMalformed, Command, Response, StatusWord, tries_left

_OCTET = st.integers(0, 0xFF)
_COMMANDS = st.builds(
    Command,
    _OCTET,
    _OCTET,
    _OCTET,
    _OCTET,
    st.one_of(st.binary(max_size=40), st.binary(min_size=250, max_size=260)),
    st.one_of(st.none(), st.integers(1, 300), st.sampled_from([256, 65_535, 65_536])),
    st.booleans(),
)


@given(_COMMANDS)
def test_every_command_reads_back_as_it_was_written(command: Command) -> None:
    assert Command.parse(command.encode()) == command


@given(st.binary(max_size=300))
def test_octets_are_a_command_that_writes_the_same_octets_or_malformed(raw: bytes) -> None:
    try:
        command = Command.parse(raw)
    except ApduMalformed:
        return
    assert command.encode() == raw


@pytest.mark.parametrize(
    ("raw", "data", "le"),
    [
        ("00200080", "", None),
        ("00B0000000", "", 256),
        ("00B0000004", "", 4),
        ("0020008004 31323334", "31323334", None),
        ("802A008001 AA 00", "AA", 256),
        ("00B00000 000000", "", 65_536),
        ("00B00000 000100", "", 256),
        ("00A40400 000002 AABB", "AABB", None),
        ("00A40400 000002 AABB 0000", "AABB", 65_536),
    ],
)
def test_each_case_of_the_standard_is_read(raw: str, data: str, le: int | None) -> None:
    command = Command.parse(bytes.fromhex(raw))

    assert (command.data, command.le) == (bytes.fromhex(data), le)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "APDU_TOO_SHORT"),
        ("00A404", "APDU_TOO_SHORT"),
        ("00A4040002AA", "APDU_LENGTH"),
        ("00A4040002AABB0000", "APDU_LENGTH"),
        ("00A40400 0000", "APDU_LENGTH"),
        ("00A40400 000000 AA", "APDU_LENGTH"),
        ("00A40400 000002 AA", "APDU_LENGTH"),
        ("00A40400 000001 AA 00", "APDU_LENGTH"),
    ],
)
def test_lengths_that_contradict_each_other_are_malformed(raw: str, reason: str) -> None:
    with pytest.raises(ApduMalformed) as refusal:
        Command.parse(bytes.fromhex(raw))
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"cla": 256}, "APDU_HEADER"),
        ({"p2": -1}, "APDU_HEADER"),
        ({"data": bytes(65_536)}, "APDU_TOO_LONG"),
        ({"le": 0}, "APDU_LE"),
        ({"le": 65_537}, "APDU_LE"),
    ],
)
def test_a_command_that_cannot_be_sent_cannot_be_made(arguments: dict[str, int], reason: str) -> None:
    with pytest.raises(ApduMalformed) as refusal:
        Command(**{"cla": 0, "ins": 0, "p1": 0, "p2": 0, **arguments})  # type: ignore[arg-type]
    assert refusal.value.reason == reason


@given(st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_every_answer_reads_back_as_it_was_written(data: bytes, sw: int) -> None:
    assert Response.parse(Response(data, sw).encode()) == Response(data, sw)


def test_an_answer_without_status_word_is_malformed() -> None:
    with pytest.raises(ApduMalformed) as refusal:
        Response.parse(b"\x90")
    assert refusal.value.reason == "APDU_NO_STATUS"


def test_warnings_are_neither_success_nor_error() -> None:
    assert [(Response(sw=sw).is_success, Response(sw=sw).is_error) for sw in (0x9000, 0x6282, 0x63C2, 0x6982)] == [
        (True, False),
        (False, False),
        (False, False),
        (False, True),
    ]


def test_tries_left_are_read_from_63cx_only() -> None:
    assert [tries_left(sw) for sw in (0x63C0, 0x63CF, 0x6300, 0x9000, StatusWord.PIN_BLOCKED)] == [0, 15] + 3 * [None]


def test_a_pin_is_not_in_what_a_command_shows() -> None:
    shown = repr(Command(0x00, 0x20, 0x00, 0x80, b"4711"))

    assert "4711" not in shown
    assert b"4711".hex() not in shown
