"""What the card remembers without power: named cells in areas, changed together or not at all."""

from __future__ import annotations

from typing import Protocol


class MemoryFault(Exception):  # noqa: N818 - names what is the case
    """The memory could not be read or written; the card is unusable until it is powered anew."""


class Storage(Protocol):
    """Where the memory lies; `save` replaces all of it durably, or raises and leaves the old or the new."""

    def load(self) -> bytes:
        """Returns what was saved last; raises `MemoryFault` when there is nothing or it is not authentic."""
        ...

    def save(self, content: bytes) -> None:
        """Makes `content` durable; raises `MemoryFault`, after which either content may be there."""
        ...


Cells = dict[tuple[bytes, str], bytes]
"""Values by area and name."""


class Memory:
    """The cells of all areas; what is put counts from `commit` on, and is durable then."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._pending: dict[tuple[bytes, str], bytes | None] = {}
        self._is_sound = True
        self._cells = decode(storage.load())

    def reload(self) -> None:
        """Reads everything anew, as after power has come back; raises `MemoryFault`."""
        self._pending.clear()
        self._cells = decode(self._storage.load())
        self._is_sound = True

    def get(self, area: bytes, name: str) -> bytes | None:
        """Returns a cell's value with the changes of the running command, or None."""
        key = (area, name)
        return self._pending[key] if key in self._pending else self._cells.get(key)

    def put(self, area: bytes, name: str, value: bytes | None) -> None:
        """Sets or, with None, removes a cell, from the next commit on."""
        self._pending[area, name] = value

    def names(self, area: bytes) -> list[str]:
        """Lists the names of an area's cells, sorted."""
        keys = self._cells.keys() | self._pending.keys()
        return sorted(name for where, name in keys if where == area and self.get(where, name) is not None)

    def erase(self, area: bytes | None = None) -> None:
        """Removes every cell of an area, or of all of them, from the next commit on."""
        for where, name in self._cells.keys() | self._pending.keys():
            if area is None or where == area:
                self._pending[where, name] = None

    def commit(self) -> None:
        """Makes the changes durable together; raises `MemoryFault`.

        After a fault it is unknown which state is durable, so nothing more is written until `reload`: a counter that
        went down on disk must not come back by writing an older one over it.
        """
        if not self._is_sound:
            raise MemoryFault("the last write failed: power the card anew")
        changed = {key: value for key, value in self._pending.items() if self._cells.get(key) != value}
        self._pending.clear()
        if not changed:
            return
        merged = {**self._cells, **changed}
        cells = {key: value for key, value in merged.items() if value is not None}
        self._is_sound = False
        self._storage.save(encode(cells))
        self._cells, self._is_sound = cells, True

    def rollback(self) -> None:
        """Forgets the changes since the last commit."""
        self._pending.clear()


class Area:
    """One application's part of the memory; there is no way from it to another's."""

    def __init__(self, memory: Memory, area: bytes) -> None:
        self.__memory = memory
        self.__area = area

    def get(self, name: str) -> bytes | None:
        """Returns a cell's value, or None."""
        return self.__memory.get(self.__area, name)

    def put(self, name: str, value: bytes | None) -> None:
        """Sets or, with None, removes a cell, from the next commit on."""
        self.__memory.put(self.__area, name, value)

    def names(self) -> list[str]:
        """Lists the names of the cells, sorted."""
        return self.__memory.names(self.__area)

    def size(self) -> int:
        """Counts the octets of all values."""
        return sum(len(self.get(name) or b"") for name in self.names())

    def commit(self) -> None:
        """Makes the changes of the running command durable now; raises `MemoryFault`."""
        self.__memory.commit()


def encode(cells: Cells) -> bytes:
    """Serializes cells, sorted: lengths of area and name in one octet, of the value in four."""
    parts = []
    for (area, name), value in sorted(cells.items()):
        label = name.encode("ascii")
        parts += [bytes((len(area),)), area, bytes((len(label),)), label, len(value).to_bytes(4, "big"), value]
    return b"".join(parts)


def decode(content: bytes) -> Cells:
    """Reads serialized cells; raises `MemoryFault` when octets are missing."""
    cells: Cells = {}
    at = 0
    try:
        while at < len(content):
            area, at = _field(content, at, 1)
            name, at = _field(content, at, 1)
            value, at = _field(content, at, 4)
            cells[area, name.decode("ascii")] = value
    except (ValueError, IndexError):
        raise MemoryFault("the card's memory is not of this format") from None
    return cells


def _field(content: bytes, at: int, width: int) -> tuple[bytes, int]:
    start = at + width
    end = start + int.from_bytes(content[at:start], "big")
    if end > len(content) or start > len(content):
        raise ValueError
    return content[start:end], end
