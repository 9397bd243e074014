"""Tiles as files, as another's verifier reads them: written whole, made durable, never changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from services.foundation.audit.refusals import LogTampered, TileAbsent
from services.foundation.audit.tiles import Tile, TilePath

_CHECKPOINT = "checkpoint"


class TileStore:
    """A directory with a log in it: `checkpoint` and `tile/...` (C2SP tlog-tiles)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._unsynced: set[Path] = set()

    def holds(self, tile: Tile) -> bool:
        """Returns whether the tile is there; refuses LOG_TAMPERED if it is there with another content."""
        try:
            content = (self.directory / str(tile.path)).read_bytes()
        except FileNotFoundError:
            return False
        if content != tile.content:
            raise LogTampered("keep this file as evidence, then restore the log's files", what=str(tile.path))
        return True

    def write(self, tile: Tile) -> None:
        """Writes a tile unless it is there; durable only after `sync`; refuses LOG_TAMPERED for another content."""
        if not self.holds(tile):
            self._replace(self.directory / str(tile.path), tile.content)

    def sync(self) -> None:
        """Makes the names of what was written durable."""
        for directory in sorted(self._unsynced, reverse=True):
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._unsynced.clear()

    def read(self, path: TilePath) -> bytes:
        """Returns a tile's content, of the full one if the partial one is gone; refuses TILE_ABSENT."""
        for candidate in (path, path.full()):
            try:
                return (self.directory / str(candidate)).read_bytes()
            except FileNotFoundError:
                continue
        raise TileAbsent("the log's files are incomplete: restart the node to have them made again", path=str(path))

    def drop_partials(self, path: TilePath) -> None:
        """Removes the partial tiles that a full one has made needless."""
        shutil.rmtree(self.directory / f"{path.full()}.p", ignore_errors=True)

    def checkpoint(self) -> str | None:
        """Returns the signed checkpoint, if there is one."""
        try:
            return (self.directory / _CHECKPOINT).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write_checkpoint(self, note: str) -> None:
        """Replaces the signed checkpoint, durably."""
        self._replace(self.directory / _CHECKPOINT, note.encode())
        self.sync()

    def _replace(self, target: Path, content: bytes) -> None:
        self._make(target.parent)
        temporary = target.with_name(f".{target.name}.new")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        self._unsynced.add(target.parent)

    def _make(self, directory: Path) -> None:
        if not directory.is_dir():
            self._make(directory.parent)
            directory.mkdir(exist_ok=True)
            self._unsynced.add(directory.parent)
