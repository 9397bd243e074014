"""The right edge and its tiles, for every way in which a log may have grown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.foundation.audit.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from services.foundation.audit.tiles import Edge, TilePath, read_node

ENTRIES = [b"entry %d" % number for number in range(66_000)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def grown(*steps: int) -> tuple[Edge, dict[TilePath, bytes]]:
    """Grows a log step by step, publishing after each, and keeps every tile under its path."""
    edge, tiles = Edge(), dict[TilePath, bytes]()
    for step in steps:
        for tile in edge.extend(ENTRIES[edge.size : edge.size + step]):
            assert not tile.path.partial
            assert tiles.setdefault(tile.path, tile.content) == tile.content
        for tile in edge.partials():
            assert tile.path.partial
            assert tiles.setdefault(tile.path, tile.content) == tile.content
    return edge, tiles


@settings(max_examples=30)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.data())
def test_every_published_size_can_be_proved_from_its_tiles(steps: list[int], data: st.DataObject) -> None:
    edge, tiles = grown(*steps)
    size = edge.size
    read = read_node(size, tiles.__getitem__)

    assert edge.root() == root(LEAVES[:size]) == root_at(size, read)
    if size:
        index = data.draw(st.integers(0, size - 1))
        old = data.draw(st.integers(1, size))
        verify_inclusion(LEAVES[index], index, size, inclusion_proof(index, size, read), edge.root())
        verify_consistency(old, size, root(LEAVES[:old]), edge.root(), consistency_proof(old, size, read))


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 65_536 + 300])
def test_a_third_level_of_tiles_yields_the_same_root(size: int) -> None:
    edge, tiles = grown(size)
    read = read_node(size, tiles.__getitem__)

    assert edge.root() == root(LEAVES[:size]) == root_at(size, read)
    verify_inclusion(LEAVES[1], 1, size, inclusion_proof(1, size, read), edge.root())


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_bundles_hold_every_entry_once_and_in_order(steps: list[int]) -> None:
    edge, tiles = grown(*steps)
    size, found = edge.size, list[bytes]()

    for number in range((size + 255) // 256):
        content = tiles[TilePath(None, number, min(256, size - number * 256))]
        while content:
            length = int.from_bytes(content[:2])
            found.append(content[2 : 2 + length])
            content = content[2 + length :]

    assert found == ENTRIES[:size]


def test_a_copy_grows_by_itself() -> None:
    edge, _ = grown(300)

    copy = edge.copy()
    list(copy.extend(ENTRIES[300:600]))

    assert (edge.size, copy.size) == (300, 600)
    assert edge.root() == root(LEAVES[:300])


def test_an_empty_edge_has_the_empty_root_and_no_tiles() -> None:
    assert Edge().root() == EMPTY_ROOT
    assert list(Edge().partials()) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (TilePath(0, 0), "tile/0/000"),
        (TilePath(0, 999, 1), "tile/0/999.p/1"),
        (TilePath(3, 1234067, 255), "tile/3/x001/x234/067.p/255"),
        (TilePath(None, 1000), "tile/entries/x001/000"),
        (TilePath(None, 123_004_005), "tile/entries/x123/x004/005"),
    ],
)
def test_paths_are_written_in_groups_of_three_digits(path: TilePath, text: str) -> None:
    assert str(path) == text
