"""A PIN on its way to a card: never shown, and wiped when it has been used."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Pin:
    """A PIN (暗証番号) as its octets, held in one place that can be overwritten.

    Commands and the cipher make short-lived copies that Python does not let anybody wipe; this object never shows,
    pickles or compares what it holds.
    """

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes | bytearray | str) -> None:
        self._octets = bytearray(octets.encode("ascii", "replace") if isinstance(octets, str) else octets)

    @property
    def octets(self) -> bytes:
        """A copy of the octets; empty once wiped."""
        return bytes(self._octets)

    def wipe(self) -> None:
        """Overwrites the octets with zeros and forgets them."""
        for at in range(len(self._octets)):
            self._octets[at] = 0
        self._octets.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return "Pin(***)"

    def __reduce__(self) -> str:
        raise TypeError("a PIN is not stored")
