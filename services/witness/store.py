"""What a witness that runs alone holds: one file a log, replaced whole and durably."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.foundation.audit.checkpoint import parse_checkpoint
from services.foundation.audit.note import parse_note
from services.foundation.refusals import Kind, Refusal
from services.foundation.witness.rules import Addition, Held

_EVIDENCE_LIMIT = 1000
_MODE = 0o600


class StateUnusable(Refusal):
    """The witness's state cannot be used: another process has it, or a file in it is damaged; `file` says which."""

    kind = Kind.WRONG_STATE
    reason = "WITNESS_STATE_UNUSABLE"


class FileWitnessStore:
    """A WitnessStore in a directory, for one process; use inside `held_alone`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = asyncio.Lock()

    @contextmanager
    def held_alone(self) -> Iterator[None]:
        """Keeps every other process out of the directory, making it if need be; refuses WITNESS_STATE_UNUSABLE."""
        (self._directory / "evidence").mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateUnusable("stop the other witness of this state", file=str(self._directory)) from None
            yield
        finally:
            os.close(descriptor)

    async def held(self, origin: str) -> Held | None:
        """Returns the newest checkpoint of a log; refuses WITNESS_STATE_UNUSABLE for a damaged file."""
        return await asyncio.to_thread(self._read, origin)

    async def advance(self, before: Held | None, after: Held) -> bool:
        """Replaces `before` by `after`, durably and at once; tells whether `before` was still held."""
        async with self._lock:
            if await self.held(after.checkpoint.origin) != before:
                return False
            content = json.dumps({"note": after.note, "cosigned_at": after.cosigned_at}).encode()
            await asyncio.to_thread(_replace, self._path(after.checkpoint.origin), content)
            return True

    async def keep_evidence(self, addition: Addition) -> None:
        """Keeps a checkpoint that the log signed and should not have, once."""
        async with self._lock:
            await asyncio.to_thread(self._keep, addition)

    def _keep(self, addition: Addition) -> None:
        folder, log = self._directory / "evidence", _name(addition.checkpoint.origin)
        path = folder / f"{log}-{addition.checkpoint.size}-{addition.checkpoint.root_hash.hex()[:16]}"
        if not path.exists() and len(list(folder.glob(f"{log}-*"))) < _EVIDENCE_LIMIT:
            _replace(path, addition.text().encode())

    def _read(self, origin: str) -> Held | None:
        path = self._path(origin)
        try:
            stored = json.loads(path.read_bytes())
            note, at = stored["note"], stored["cosigned_at"]
            return Held(parse_checkpoint(parse_note(note)[0]), note, at)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, Refusal):
            raise StateUnusable("retire this witness: what it held is lost", file=path.name) from None

    def _path(self, origin: str) -> Path:
        return self._directory / f"{_name(origin)}.json"


def _name(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    staged = path.with_name(f".{path.name}.new")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
