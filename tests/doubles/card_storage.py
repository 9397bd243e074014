"""A card's memory without a disk, whose power can be cut at any write."""

from __future__ import annotations

from services.card.softcard.memory import MemoryFault


class PowerLost(BaseException):
    """The card was torn out; no `except Exception` in the card may outlive it."""


class MemoryStorage:
    """Holds what was saved; cuts the power at the n-th save from now, before it or after it took effect."""

    def __init__(self) -> None:
        self.content = b""
        self.saves = 0
        self.fails = False
        self._cut_at: int | None = None
        self._applied = False

    def cut(self, *, at: int, applied: bool) -> None:
        """Cuts the power at the `at`-th save from now (0 is the next), after it took effect if `applied`."""
        self._cut_at, self._applied = self.saves + at, applied

    def mend(self) -> None:
        """Lets every further save succeed."""
        self._cut_at, self.fails = None, False

    def load(self) -> bytes:
        return self.content

    def save(self, content: bytes) -> None:
        if self.fails:
            raise MemoryFault("the double was told to fail")
        index, self.saves = self.saves, self.saves + 1
        if index != self._cut_at:
            self.content = content
            return
        if self._applied:
            self.content = content
        raise PowerLost
