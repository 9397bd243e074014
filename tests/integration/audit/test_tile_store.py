"""Tiles as files."""

from __future__ import annotations

import pytest

from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import Tile, TilePath
from services.foundation.refusals import Refusal

FULL, PARTIAL = TilePath(0, 1234), TilePath(0, 1234, 7)


def test_a_tile_is_written_once(store: TileStore) -> None:
    store.write(Tile(FULL, b"content"))
    store.write(Tile(FULL, b"content"))
    store.sync()

    assert store.read(FULL) == b"content"
    assert [str(path.relative_to(store.directory)) for path in store.directory.rglob("*") if path.is_file()] == [
        "tile/0/x001/234"
    ]


def test_a_tile_is_never_replaced(store: TileStore) -> None:
    store.write(Tile(FULL, b"content"))

    with pytest.raises(Refusal) as refused:
        store.write(Tile(FULL, b"other"))

    assert refused.value.reason == "LOG_TAMPERED"
    assert store.read(FULL) == b"content"


def test_the_full_tile_stands_for_a_partial_one_that_is_gone(store: TileStore) -> None:
    store.write(Tile(PARTIAL, b"con"))
    store.write(Tile(FULL, b"content"))
    assert store.read(PARTIAL) == b"con"

    store.drop_partials(FULL)
    store.drop_partials(FULL)

    assert store.read(PARTIAL) == b"content"


def test_a_tile_that_is_not_there_is_absent(store: TileStore) -> None:
    with pytest.raises(Refusal) as refused:
        store.read(PARTIAL)

    assert refused.value.reason == "TILE_ABSENT"


def test_a_checkpoint_is_replaced(store: TileStore) -> None:
    assert store.checkpoint() is None

    for note in ("first\n", "second, 第二\n"):
        store.write_checkpoint(note)
        assert store.checkpoint() == note
