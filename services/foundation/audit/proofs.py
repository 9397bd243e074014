"""Proofs about a published log, computed from its tiles."""

from __future__ import annotations

from services.foundation.audit.merkle import Hash, consistency_proof, inclusion_proof, root_at
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import TilePath, read_node


class Proofs:
    """Computes proofs, reading each tile once; one of these serves one question."""

    def __init__(self, store: TileStore) -> None:
        self._store = store
        self._tiles: dict[TilePath, bytes] = {}

    def leaf(self, index: int, size: int) -> Hash:
        """Returns the leaf hash of entry `index`."""
        return read_node(size, self._read)(0, index)

    def root(self, size: int) -> Hash:
        """Returns the root of the tree of `size`."""
        return root_at(size, read_node(size, self._read))

    def inclusion(self, index: int, size: int) -> list[Hash]:
        """Returns the proof that the tree of `size` holds entry `index`; refuses INDEX_OUTSIDE_TREE, TILE_ABSENT."""
        return inclusion_proof(index, size, read_node(size, self._read))

    def consistency(self, old: int, new: int) -> list[Hash]:
        """Returns the proof that the tree of `new` continues that of `old`; refuses INDEX_OUTSIDE_TREE, TILE_ABSENT."""
        return consistency_proof(old, new, read_node(new, self._read))

    def _read(self, path: TilePath) -> bytes:
        if path not in self._tiles:
            self._tiles[path] = self._store.read(path)
        return self._tiles[path]
