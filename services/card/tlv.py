"""How data objects are written inside commands, answers and files: BER-TLV (ISO/IEC 7816-4 §5.2.2) and groupings."""

from __future__ import annotations

from dataclasses import dataclass

from services.vocabulary.malformed import Malformed

_LONGEST_TAG = 3
_LONGEST_LENGTH = 4


class TlvMalformed(Malformed):
    """Octets that are no sequence of data objects, or not the objects that were asked for."""


@dataclass(frozen=True, slots=True, repr=False)
class Tlv:
    """One data object; its `repr` hides the value, which may be personal or secret."""

    tag: int
    value: bytes

    def encode(self) -> bytes:
        """Serializes with the shortest length field."""
        return encode(self.tag, self.value)

    def __repr__(self) -> str:
        return f"Tlv({self.tag:X}, <{len(self.value)} octets>)"


def encode(tag: int, value: bytes) -> bytes:
    """Serializes one data object with the shortest length field; raises `TlvMalformed` for a number that is no tag."""
    head = tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")
    if _tag_width(head) != len(head):
        raise TlvMalformed("TLV_TAG", "give a tag of one to three octets")
    if len(value) < 0x80:
        return head + bytes((len(value),)) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return head + bytes((0x80 | len(length),)) + length + value


def parse(raw: bytes) -> tuple[Tlv, ...]:
    """Reads a sequence of data objects; raises `TlvMalformed` unless every octet belongs to one.

    Lengths are definite and of the shortest form, so that a sequence has one encoding only.
    """
    objects = []
    rest = memoryview(raw)
    while rest:
        width = _tag_width(rest)
        length, start = _length(rest, width)
        if len(rest) - start < length:
            raise TlvMalformed("TLV_SHORT", "the value is shorter than its length says")
        objects.append(Tlv(int.from_bytes(rest[:width], "big"), bytes(rest[start : start + length])))
        rest = rest[start + length :]
    return tuple(objects)


def parse_exactly(raw: bytes, *tags: int) -> tuple[bytes, ...]:
    """Returns the values of the objects `tags`, in that order; raises `TlvMalformed` when others or fewer are there."""
    objects = parse(raw)
    if tuple(item.tag for item in objects) != tags:
        raise TlvMalformed("TLV_OBJECTS", "give exactly the data objects of the specification, in its order")
    return tuple(item.value for item in objects)


def parse_known(raw: bytes, known: frozenset[int]) -> dict[int, bytes]:
    """Returns values by tag; raises `TlvMalformed` for a tag that is not `known` or that is there twice."""
    objects = parse(raw)
    found = {item.tag: item.value for item in objects}
    if len(found) != len(objects) or not found.keys() <= known:
        raise TlvMalformed("TLV_OBJECTS", "give each data object of the specification at most once, and no other")
    return found


def _tag_width(raw: bytes | memoryview) -> int:
    if raw[0] in {0x00, 0xFF}:
        raise TlvMalformed("TLV_TAG", "00 and FF begin no data object")
    if raw[0] & 0x1F != 0x1F:
        return 1
    for width in range(2, _LONGEST_TAG + 1):
        if len(raw) < width or (width == 2 and raw[1] & 0x7F == 0):
            break
        if raw[width - 1] & 0x80 == 0:
            return width
    raise TlvMalformed("TLV_TAG", "give a tag of one to three octets")


def _length(raw: memoryview, at: int) -> tuple[int, int]:
    """Returns the length of the value and where the value begins."""
    if len(raw) <= at:
        raise TlvMalformed("TLV_LENGTH", "a data object has a length")
    first = raw[at]
    if first < 0x80:
        return first, at + 1
    width = first & 0x7F
    field = raw[at + 1 : at + 1 + width]
    if not 1 <= width <= _LONGEST_LENGTH or len(field) != width:
        raise TlvMalformed("TLV_LENGTH", "give a definite length of at most four octets")
    length = int.from_bytes(field, "big")
    if length < 0x80 or field[0] == 0:
        raise TlvMalformed("TLV_LENGTH", "give lengths in their shortest form")
    return length, at + 1 + width


@dataclass(frozen=True, slots=True, repr=False)
class Grouping:
    """A data grouping of a personalisation command: the file that it fills, and the file's content."""

    ef: int
    content: bytes

    def encode(self) -> bytes:
        """Serializes as EF (2), length (1, or FF and 2), content."""
        size = len(self.content)
        length = bytes((size,)) if size < 0xFF else b"\xff" + size.to_bytes(2, "big")
        return self.ef.to_bytes(2, "big") + length + self.content

    def __repr__(self) -> str:
        return f"Grouping({self.ef:04X}, <{len(self.content)} octets>)"


def parse_groupings(raw: bytes) -> tuple[Grouping, ...]:
    """Reads one or more groupings; raises `TlvMalformed` when octets are missing or left, or a file is named twice."""
    groupings: list[Grouping] = []
    at = 0
    while at < len(raw) or not groupings:
        ef, length = int.from_bytes(raw[at : at + 2], "big"), raw[at + 2 : at + 3]
        at += 3
        size = length[0] if length else 0
        if size == 0xFF:
            size = int.from_bytes(raw[at : at + 2], "big")
            at += 2
            if size < 0xFF:
                raise TlvMalformed("GROUPING_LENGTH", "give lengths in their shortest form")
        if at + size > len(raw):
            raise TlvMalformed("GROUPING_SHORT", "the content is shorter than its length says")
        groupings.append(Grouping(ef, raw[at : at + size]))
        at += size
    if len({grouping.ef for grouping in groupings}) != len(groupings):
        raise TlvMalformed("GROUPING_TWICE", "name each file once")
    return tuple(groupings)
