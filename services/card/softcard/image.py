"""How a card lies in one file: encrypted, authentic, and either the old or the new after a crash."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.card.softcard.memory import MemoryFault

_MAGIC = b"JUKICARD\x01"
_HEADER = len(_MAGIC) + 8
_NONCE = 12
_SHORTEST_SECRET = 32
_INFO = b"juki-card-image/v1"


class Disk(Protocol):
    """The file operations on which a card's durability rests; each may be the last before power is lost."""

    def write(self, path: Path, content: bytes) -> None:
        """Creates or replaces a file, readable by its owner only, and syncs it."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Puts `source` in the place of `target`, atomically."""
        ...

    def sync_directory(self, directory: Path) -> None:
        """Makes renames in a directory durable."""
        ...


class PosixDisk:
    """The operating system's files."""

    def write(self, path: Path, content: bytes) -> None:
        """Creates or replaces a file, readable by its owner only, and syncs it."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Puts `source` in the place of `target`, atomically."""
        source.replace(target)

    def sync_directory(self, directory: Path) -> None:
        """Makes renames in a directory durable."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class ImageInUse(MemoryFault):
    """Another process has the card."""


class ImageFile:
    """A card's memory as one file, held by one process at a time.

    `secret` is what the holder keeps apart from the file, 32 octets or more; raises ValueError for a shorter one and
    `ImageInUse` when another process has the card. Use it as a context manager, or `close` it.
    """

    def __init__(self, path: Path, secret: bytes, disk: Disk | None = None) -> None:
        if len(secret) < _SHORTEST_SECRET:
            raise ValueError("the secret of a card image has at least 32 octets")
        self._path = path
        self._cipher = AESGCM(HKDF(hashes.SHA256(), 32, None, _INFO).derive(secret))
        self._disk = disk or PosixDisk()
        self._generation = 0
        self._lock = _lock(path.with_name(path.name + ".lock"))

    def load(self) -> bytes:
        """Returns the memory; raises `MemoryFault` when the file is missing, cut, or not sealed with this secret."""
        try:
            raw = self._path.read_bytes()
        except OSError:
            raise MemoryFault("there is no card image that can be read") from None
        header, nonce = raw[:_HEADER], raw[_HEADER : _HEADER + _NONCE]
        if not header.startswith(_MAGIC) or len(nonce) != _NONCE:
            raise MemoryFault("the file is no card image")
        try:
            content = self._cipher.decrypt(nonce, raw[_HEADER + _NONCE :], header)
        except InvalidTag:
            raise MemoryFault("the card image has been changed, or its secret is another") from None
        self._generation = int.from_bytes(header[len(_MAGIC) :], "big")
        return content

    def save(self, content: bytes) -> None:
        """Replaces the file; killed anywhere in it, the old or the new is there. Raises `MemoryFault`."""
        generation = self._generation + 1
        header = _MAGIC + generation.to_bytes(8, "big")
        nonce = secrets.token_bytes(_NONCE)
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            self._disk.write(fresh, header + nonce + self._cipher.encrypt(nonce, content, header))
            # Until the rename the old image is in place; from here it is the new one, durable once the directory is.
            self._disk.rename(fresh, self._path)
            self._disk.sync_directory(self._path.parent)
        except OSError:
            raise MemoryFault("the card image could not be written") from None
        self._generation = generation

    def exists(self) -> bool:
        """Tells whether a card has been made here."""
        return self._path.exists()

    def close(self) -> None:
        """Lets another process have the card."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise ImageInUse("another process has this card: remove it there first") from None
    return descriptor
