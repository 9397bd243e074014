"""Secure channels, against another implementation's exchanges and against the standards' own primitives."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from services.card import tlv
from services.card.apdu import Command, Response
from services.card.securechannel import (
    CardEnd,
    ChannelBroken,
    HostEnd,
    SessionKeys,
    StaticKeys,
    agree_scp11a,
    card_cryptogram,
    check_value,
    decode_point,
    decrypt_key,
    derive_scp03,
    encrypt_key,
    host_cryptogram,
    parse_scp11a_request,
    scp11a_request,
    verify_receipt,
)

_VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "scp" / "exchanges.json").read_text())
_KEYS = SessionKeys(b"e" * 16, b"m" * 16, b"r" * 16, b"d" * 16)
_SHORT = st.binary(max_size=40) | st.binary(min_size=225, max_size=260)


def _octets(exchange: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(exchange[name])


def _replay(host: HostEnd, card: CardEnd, exchange: dict[str, Any]) -> None:
    """Wraps and opens each command and answer on both ends, and compares with what went over the wire."""
    for command_hex, answer_hex, data_hex in zip(
        exchange["commands"], exchange["answers"], exchange["data"], strict=True
    ):
        sent, answered = Command.parse(bytes.fromhex(command_hex)), Response.parse(bytes.fromhex(answer_hex))
        clear = Command(0x80, sent.ins, sent.p1, sent.p2, b"\x4f\x00", sent.le)

        assert host.wrap(clear) == sent
        assert card.unwrap(sent) == clear
        assert card.wrap(Response(bytes.fromhex(data_hex))) == answered
        assert host.unwrap(answered) == Response(bytes.fromhex(data_hex))


def test_an_scp03_exchange_of_another_implementation_comes_out_octet_for_octet() -> None:
    exchange = _VECTORS["scp03"]
    static = StaticKeys(*(_octets(exchange, name) for name in ("enc", "mac", "dek")))
    challenges = _octets(exchange, "host_challenge"), _octets(exchange, "card_challenge")
    keys = derive_scp03(static, *challenges)
    host, card = HostEnd(keys), CardEnd(keys)
    authenticate = Command.parse(_octets(exchange, "external_authenticate"))

    assert card_cryptogram(keys, *challenges) == _octets(exchange, "card_cryptogram")
    clear = Command(0x80, 0x82, 0x33, 0x00, host_cryptogram(keys, *challenges))
    assert host.authenticate(clear) == authenticate
    assert card.accept(authenticate) == host_cryptogram(keys, *challenges)
    _replay(host, card, exchange)


def test_an_scp11a_exchange_of_another_implementation_comes_out_octet_for_octet() -> None:
    exchange = _VECTORS["scp11a"]
    static, ephemeral = (
        ec.derive_private_key(int(exchange[name], 16), ec.SECP256R1())
        for name in ("terminal_static", "terminal_ephemeral")
    )
    request, answer = _octets(exchange, "request"), _octets(exchange, "answer")
    point, receipt = tlv.parse_exactly(answer, 0x5F49, 0x86)
    peer, card_static = decode_point(point), decode_point(_octets(exchange, "card_static_point"))

    assert scp11a_request(ephemeral.public_key()) == request
    assert parse_scp11a_request(request) == ephemeral.public_key()
    agreement = agree_scp11a(ephemeral, static, peer, card_static, request=request, card_ephemeral=peer)
    verify_receipt(agreement.receipt, receipt)
    _replay(HostEnd(agreement.keys, receipt), CardEnd(agreement.keys, receipt), exchange)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_session_keys_are_those_of_sp_800_108(enc: bytes, mac: bytes, challenges: bytes) -> None:
    def kdf(key: bytes, label: int, size: int) -> bytes:
        fixed = bytes(11) + bytes((label, 0)) + (size * 8).to_bytes(2, "big")
        return KBKDFCMAC(
            algorithms.AES,
            Mode.CounterMode,
            size,
            rlen=1,
            llen=None,
            location=CounterLocation.MiddleFixed,
            label=None,
            context=None,
            fixed=fixed + challenges,
            break_location=len(fixed),
        ).derive(key)

    host, card = challenges[:8], challenges[8:]
    keys = derive_scp03(StaticKeys(enc, mac, b"d" * 16), host, card)

    assert (keys.enc, keys.mac, keys.rmac) == (kdf(enc, 4, 16), kdf(mac, 6, 16), kdf(mac, 7, 16))
    assert card_cryptogram(keys, host, card) == kdf(keys.mac, 0, 8)
    assert host_cryptogram(keys, host, card) == kdf(keys.mac, 1, 8)


def test_a_check_value_is_that_of_fips_197() -> None:
    # AES-128 under an all-zero key of sixteen octets 01, computed with openssl enc -aes-128-ecb.
    assert check_value(bytes(16)).hex() == "e14d5d"


@given(st.lists(st.tuples(_SHORT, _SHORT), max_size=4))
def test_both_ends_understand_each_other(exchanges: list[tuple[bytes, bytes]]) -> None:
    host, card = HostEnd(_KEYS), CardEnd(_KEYS)
    for data, answer in exchanges:
        command = Command(0x80, 0xE2, 0x80, 0x00, data)

        assert card.unwrap(host.wrap(command)) == command
        assert host.unwrap(card.wrap(Response(answer, 0x63C2))) == Response(answer, 0x63C2)


@given(st.binary(max_size=60), st.data())
def test_every_flipped_bit_of_a_command_is_noticed(data: bytes, draw: st.DataObject) -> None:
    wrapped = HostEnd(_KEYS).wrap(Command(0x80, 0xE2, 0x80, 0x00, data))
    octets = bytearray(wrapped.header[1:] + wrapped.data)
    octets[draw.draw(st.integers(0, len(octets) - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    with pytest.raises(ChannelBroken):
        CardEnd(_KEYS).unwrap(Command(wrapped.cla, octets[0], octets[1], octets[2], bytes(octets[3:])))


@given(st.binary(max_size=60), st.data())
def test_every_flipped_bit_of_an_answer_is_noticed(data: bytes, draw: st.DataObject) -> None:
    host, card = HostEnd(_KEYS), CardEnd(_KEYS)
    card.unwrap(host.wrap(Command(0x80, 0xCA, 0x00, 0x66)))
    octets = bytearray(card.wrap(Response(data)).data)
    octets[draw.draw(st.integers(0, len(octets) - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    with pytest.raises(ChannelBroken):
        host.unwrap(Response(bytes(octets)))


def test_a_status_word_that_was_changed_is_noticed() -> None:
    host, card = HostEnd(_KEYS), CardEnd(_KEYS)
    card.unwrap(host.wrap(Command(0x00, 0x20, 0x00, 0x80, b"4711")))
    refused = card.wrap(Response(sw=0x63C2))

    with pytest.raises(ChannelBroken):
        host.unwrap(Response(refused.data, 0x9000))


def test_a_replayed_command_is_noticed() -> None:
    host, card = HostEnd(_KEYS), CardEnd(_KEYS)
    wrapped = host.wrap(Command(0x80, 0xF0, 0x80, 0x7F))
    card.unwrap(wrapped)

    with pytest.raises(ChannelBroken):
        card.unwrap(wrapped)


def test_an_error_comes_bare_and_is_not_taken_for_more_than_it_is() -> None:
    host, card = HostEnd(_KEYS), CardEnd(_KEYS)
    card.unwrap(host.wrap(Command(0x80, 0xF0, 0x80, 0x7F)))

    assert card.wrap(Response(b"never", 0x6982)) == Response(b"", 0x6982)
    assert host.unwrap(Response(b"", 0x6982)) == Response(b"", 0x6982)


def test_the_logical_channel_is_not_part_of_what_is_authenticated() -> None:
    wrapped = HostEnd(_KEYS).wrap(Command(0x02, 0xB0, 0x00, 0x00, le=256))

    assert wrapped.cla == 0x06
    assert CardEnd(_KEYS).unwrap(Command(0x04, 0xB0, 0x00, 0x00, wrapped.data, 256)).ins == 0xB0


def test_a_padding_block_alone_is_no_data() -> None:
    host, card = HostEnd(_KEYS), CardEnd(_KEYS)
    host._counter = 1
    data = host._encrypt(b"", response=False)
    mac = host._next_mac(Command(0x80, 0xCA, 0x00, 0x66), data)

    assert card.unwrap(Command(0x84, 0xCA, 0x00, 0x66, data + mac)).data == b""


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_a_key_sent_under_another_comes_out(dek: bytes, key: bytes) -> None:
    assert decrypt_key(dek, encrypt_key(dek, key)) == key


def test_keys_of_other_lengths_and_points_off_the_curve_are_refused() -> None:
    with pytest.raises(ValueError, match="sixteen"):
        StaticKeys(b"short", bytes(16), bytes(16))
    for point in (b"", b"\x02" + bytes(32), b"\x04" + bytes(64)):
        with pytest.raises(ValueError, match=r"."):
            decode_point(point)


def test_nothing_secret_is_in_what_is_shown() -> None:
    assert "656565" not in repr(_KEYS)
    assert "eeee" not in repr(_KEYS) + repr(StaticKeys(b"e" * 16, b"e" * 16, b"e" * 16))
