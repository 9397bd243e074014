"""The tree as tiles (C2SP tlog-tiles): paths, contents, and a right edge that grows; pure.

A tile of level L holds 256 hashes of complete subtrees of 256**L leaves. The newest tile of a level may be partial,
with its width in its path. An entry bundle holds the entries under the tile of level 0 with the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from services.foundation.audit.merkle import EMPTY_ROOT, HASH_SIZE, Hash, leaf_hash, root

TILE_WIDTH = 256
_TILE_BITS = 8


@dataclass(frozen=True, slots=True)
class TilePath:
    """Which tile: its level, or no level for an entry bundle; its number; and its width, 1 to 256."""

    level: int | None
    number: int
    width: int = TILE_WIDTH

    @property
    def partial(self) -> bool:
        """Whether the tile may still grow."""
        return self.width < TILE_WIDTH

    def full(self) -> TilePath:
        """Returns the path of the same tile when it is full."""
        return TilePath(self.level, self.number)

    def __str__(self) -> str:
        groups = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03d}")
            rest //= 1000
        level = "entries" if self.level is None else str(self.level)
        suffix = f".p/{self.width}" if self.partial else ""
        return f"tile/{level}/{'/'.join(reversed(groups))}{suffix}"


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile's path and content."""

    path: TilePath
    content: bytes


@dataclass(slots=True)
class Edge:
    """The right edge of a growing tree: its size and the partial tile of each level."""

    size: int = 0
    levels: list[list[Hash]] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)

    def copy(self) -> Edge:
        """Returns an edge that grows by itself."""
        return Edge(self.size, [list(level) for level in self.levels], list(self.entries))

    def extend(self, entries: Sequence[bytes]) -> Iterator[Tile]:
        """Appends entries, and yields the tiles that became full."""
        for entry in entries:
            self.entries.append(entry)
            self.size += 1
            if len(self.entries) == TILE_WIDTH:
                yield Tile(TilePath(None, (self.size - 1) // TILE_WIDTH), bundle(self.entries))
                self.entries = []
            yield from self._add(0, leaf_hash(entry))

    def partials(self) -> Iterator[Tile]:
        """Yields the partial tiles of the tree as it is."""
        if self.entries:
            path = TilePath(None, self.size // TILE_WIDTH, len(self.entries))
            yield Tile(path, bundle(self.entries))
        for level, hashes in enumerate(self.levels):
            if hashes:
                path = TilePath(level, self.size >> _TILE_BITS * (level + 1), len(hashes))
                yield Tile(path, b"".join(hashes))

    def root(self) -> Hash:
        """Returns the root of the tree as it is."""
        found: list[Hash] = []
        for hashes in self.levels:
            # What lies right of this level's complete subtrees is smaller than one of them, so it joins as the last.
            found = [root([*hashes, *found])] if hashes or found else []
        return found[0] if found else EMPTY_ROOT

    def _add(self, level: int, added: Hash) -> Iterator[Tile]:
        if level == len(self.levels):
            self.levels.append([])
        hashes = self.levels[level]
        hashes.append(added)
        if len(hashes) == TILE_WIDTH:
            number = (self.size >> _TILE_BITS * (level + 1)) - 1
            yield Tile(TilePath(level, number), b"".join(hashes))
            self.levels[level] = []
            yield from self._add(level + 1, root(hashes))


def bundle(entries: Sequence[bytes]) -> bytes:
    """Returns an entry bundle: each entry after its length, two bytes big-endian."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def read_node(size: int, read: Callable[[TilePath], bytes]) -> Callable[[int, int], Hash]:
    """Returns a reader of complete subtrees (see merkle) of the tree of `size` leaves, over a reader of tiles."""

    def node(level: int, index: int) -> Hash:
        tile_level, height = divmod(level, _TILE_BITS)
        first = index << height
        number, offset = divmod(first, TILE_WIDTH)
        width = min(TILE_WIDTH, (size >> _TILE_BITS * tile_level) - number * TILE_WIDTH)
        content = read(TilePath(tile_level, number, width))
        end = offset + (1 << height)
        return root([content[place * HASH_SIZE : (place + 1) * HASH_SIZE] for place in range(offset, end)])

    return node
