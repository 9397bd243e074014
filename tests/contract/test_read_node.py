"""Whoever reads nodes of a tree, from memory or from tiles on disk, yields the same proofs."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.foundation.audit.merkle import (
    Hash,
    ReadNode,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import Edge, read_node

SIZES = (1, 2, 255, 256, 257, 511, 512, 513, 700)
ENTRIES = [b"entry %d" % number for number in range(SIZES[-1])]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def memory(_: Path, size: int) -> ReadNode:
    def read(level: int, index: int) -> Hash:
        assert (index + 1) << level <= size
        return root(LEAVES[index << level : (index + 1) << level])

    return read


def partial_tiles(directory: Path, size: int) -> ReadNode:
    store, edge = TileStore(directory), Edge()
    for tile in [*edge.extend(ENTRIES[:size]), *edge.partials()]:
        store.write(tile)
    return read_node(size, store.read)


def tiles_that_have_become_full(directory: Path, size: int) -> ReadNode:
    partial_tiles(directory, size)
    store, edge = TileStore(directory), Edge()
    for tile in edge.extend(ENTRIES):
        store.write(tile)
        store.drop_partials(tile.path)
    return read_node(size, store.read)


@pytest.mark.parametrize("reader", [memory, partial_tiles, tiles_that_have_become_full])
@pytest.mark.parametrize("size", SIZES)
def test_every_reader_proves_the_same(reader: object, size: int, tmp_path: Path) -> None:
    assert callable(reader)
    read: ReadNode = reader(tmp_path, size)
    top = root(LEAVES[:size])

    assert root_at(size, read) == top
    for index in {0, size // 2, size - 1}:
        verify_inclusion(LEAVES[index], index, size, inclusion_proof(index, size, read), top)
    for old in {1, size // 2, size}:
        verify_consistency(old, size, root(LEAVES[:old]), top, consistency_proof(old, size, read))
