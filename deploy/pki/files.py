"""How a file of the ceremony reaches the disk: whole or not at all, with the right mode, and keys only once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.pki.refusals import KeyExists, StateBusy

PRIVATE = 0o600
"""The mode of a file that holds a secret."""
PUBLIC = 0o644
"""The mode of a file that anybody may read."""
PRIVATE_DIRECTORY = 0o700
PUBLIC_DIRECTORY = 0o755
_STAGED = ".new"


def make_directory(path: Path, mode: int) -> None:
    """Makes a directory, with its parents, if it is not there, and sets its mode."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)


def write_atomic(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Replaces a file's content; readers see the old bytes or the new ones, also after a crash."""
    staged = _stage(path, data, mode)
    staged.replace(path)
    sync_directory(path.parent)


def write_once(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Writes a file that must not exist yet; refuses PKI_KEY_EXISTS, even against a racing writer."""
    staged = _stage(path, data, mode)
    try:
        path.hardlink_to(staged)
    except FileExistsError:
        raise KeyExists("move the existing file away if a new one is wanted", file=path.name) from None
    finally:
        staged.unlink()
    sync_directory(path.parent)


def point(link: Path, target: str) -> None:
    """Makes `link` a symbolic link to `target`, in one step for readers."""
    staged = _staged(link)
    staged.unlink(missing_ok=True)
    staged.symlink_to(target)
    staged.replace(link)
    sync_directory(link.parent)


def sweep(directory: Path) -> None:
    """Removes what a killed run had staged and not put in place."""
    for staged in directory.rglob(f".*{_STAGED}"):
        staged.unlink()


def sync_directory(directory: Path) -> None:
    """Makes the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """Holds an exclusive lock that dies with the process; refuses PKI_STATE_BUSY after `patience` seconds."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        deadline = time.monotonic() + patience
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise StateBusy("wait until the other ceremony has ended", state=str(path.parent))
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _stage(path: Path, data: bytes, mode: int) -> Path:
    staged = _staged(path)
    # A run killed between link and unlink leaves a staged name for the very file in place: never open it, remove it.
    staged.unlink(missing_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return staged


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}{_STAGED}")
