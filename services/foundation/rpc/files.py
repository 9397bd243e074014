"""Which of some files have changed since they were last looked at, seen by their time, size and inode."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Changed:
    """A file that appeared or changed, with its content; None when it disappeared or cannot be read."""

    path: Path
    content: bytes | None


class Watched:
    """A set of files, listed anew at each look, whose changes are told once each."""

    def __init__(self, listing: Callable[[], Iterable[Path]]) -> None:
        self._listing = listing
        self._seen: dict[Path, _Signature | None] = {}

    def changes(self) -> list[Changed]:
        """Returns what changed since the last look; the first look tells every file, the missing ones too."""
        changed = []
        for path in {*self._listing(), *self._seen}:
            signature = _signature(path)
            if path not in self._seen or self._seen[path] != signature:
                self._seen[path] = signature
                changed.append(Changed(path, _content(path)))
        return sorted(changed, key=lambda each: each.path)


def _signature(path: Path) -> _Signature | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
