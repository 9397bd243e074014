"""Data objects, written one way only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.card import tlv

_TAGS = st.sampled_from([0x42, 0x4F, 0x80, 0x83, 0xA6, 0x5F49, 0x7F49, 0x9F70, 0xBF21, 0xDF01, 0x5F8101])


@given(st.lists(st.tuples(_TAGS, st.binary(max_size=300)), max_size=5))
def test_every_sequence_reads_back_as_it_was_written(objects: list[tuple[int, bytes]]) -> None:
    raw = b"".join(tlv.encode(tag, value) for tag, value in objects)

    assert [(item.tag, item.value) for item in tlv.parse(raw)] == objects


@given(st.binary(max_size=80))
def test_octets_are_a_sequence_that_writes_the_same_octets_or_malformed(raw: bytes) -> None:
    try:
        objects = tlv.parse(raw)
    except tlv.TlvMalformed:
        return
    assert b"".join(item.encode() for item in objects) == raw


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("00", "TLV_TAG"),
        ("FF00", "TLV_TAG"),
        ("5F", "TLV_TAG"),
        ("5F8000", "TLV_TAG"),
        ("5F81828300", "TLV_TAG"),
        ("80", "TLV_LENGTH"),
        ("8080", "TLV_LENGTH"),
        ("80817F", "TLV_LENGTH"),
        ("80820080", "TLV_LENGTH"),
        ("8085000000000100", "TLV_LENGTH"),
        ("8002AA", "TLV_SHORT"),
    ],
)
def test_a_second_way_to_write_the_same_is_malformed(raw: str, reason: str) -> None:
    with pytest.raises(tlv.TlvMalformed) as refusal:
        tlv.parse(bytes.fromhex(raw))
    assert refusal.value.reason == reason


def test_lengths_change_their_form_at_128_and_256() -> None:
    heads = [tlv.encode(0x80, bytes(size))[:4].hex() for size in (127, 128, 255, 256)]

    assert heads == ["807f0000", "80818000", "8081ff00", "80820100"]


def test_other_objects_than_those_asked_for_are_malformed() -> None:
    raw = tlv.encode(0x80, b"a") + tlv.encode(0x81, b"b")

    assert tlv.parse_exactly(raw, 0x80, 0x81) == (b"a", b"b")
    for tags in ((0x81, 0x80), (0x80,), (0x80, 0x81, 0x82)):
        with pytest.raises(tlv.TlvMalformed):
            tlv.parse_exactly(raw, *tags)
    for known, octets in ((frozenset({0x80}), raw), (frozenset({0x80, 0x81}), raw + raw)):
        with pytest.raises(tlv.TlvMalformed):
            tlv.parse_known(octets, known)


@given(st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=600), min_size=1, max_size=4))
def test_every_grouping_reads_back_as_it_was_written(files: dict[int, bytes]) -> None:
    raw = b"".join(tlv.Grouping(ef, content).encode() for ef, content in files.items())

    assert {item.ef: item.content for item in tlv.parse_groupings(raw)} == files


@pytest.mark.parametrize("raw", ["", "00", "0001", "000102AA", "0001FF0001AA", "0001FF00", "000100000100"])
def test_groupings_with_octets_missing_or_a_file_twice_are_malformed(raw: str) -> None:
    with pytest.raises(tlv.TlvMalformed):
        tlv.parse_groupings(bytes.fromhex(raw))
