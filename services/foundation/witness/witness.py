"""A witness: it holds each log's newest checkpoint, durably, and cosigns only what continues it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from services.foundation.audit.cosignature import Cosigner
from services.foundation.audit.note import Ed25519Verifier
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.clock import Clock
from services.foundation.refusals import Refusal
from services.foundation.witness.rules import (
    Addition,
    Answer,
    Held,
    Refused,
    Status,
    check_continues,
    check_signed,
    next_time,
    parse_addition,
)

_log = logging.getLogger(__name__)

_ATTEMPTS = 3

Keys = Callable[[str], "list[Ed25519Verifier]"]
"""From a log's origin to its keys; none for a log that is not watched."""


class WitnessStore(Protocol):
    """Where a witness keeps what it holds."""

    async def held(self, origin: str) -> Held | None:
        """Returns the newest checkpoint of a log."""
        ...

    async def advance(self, before: Held | None, after: Held) -> bool:
        """Replaces `before` by `after`, durably and at once; tells whether `before` was still held."""
        ...

    async def keep_evidence(self, addition: Addition) -> None:
        """Keeps a checkpoint that the log signed and should not have, once."""
        ...


class Witness:
    """Answers logs' requests; several at once may ask for one log."""

    def __init__(self, cosigner: Cosigner, keys: Keys, store: WitnessStore, clock: Clock) -> None:
        self._cosigner = cosigner
        self._keys = keys
        self._store = store
        self._clock = clock

    async def add_checkpoint(self, body: bytes) -> Answer:
        """Returns the answer to one request; a cosignature leaves only after its checkpoint is durable."""
        try:
            addition = parse_addition(body)
            check_signed(addition, self._keys(addition.checkpoint.origin))
            return await self._answer(addition)
        except Refused as refused:
            return refused.answer

    async def checkpoint(self, origin: str) -> str | None:
        """Returns the newest cosigned checkpoint of a log as a note."""
        held = await self._store.held(origin)
        return held.note if held else None

    async def _answer(self, addition: Addition) -> Answer:
        for _ in range(_ATTEMPTS):
            held = await self._store.held(addition.checkpoint.origin)
            await self._check(addition, held)
            at = next_time(int(self._clock.now().timestamp()), held)
            lines = "".join(signature.line() for signature in self._cosigner.cosign(addition.checkpoint, at))
            if await self._store.advance(held, Held(addition.checkpoint, _with(addition.note, lines), at)):
                return Answer(Status.COSIGNED, lines)
            # Another request came first: what is held now decides.
        return Answer(Status.CONFLICT, f"{held.checkpoint.size if held else 0}\n")

    async def _check(self, addition: Addition, held: Held | None) -> None:
        try:
            check_continues(addition, held)
        except Refused as refused:
            if refused.is_evidence:
                await self._store.keep_evidence(addition)
                _log.critical("witness.fork_seen", extra={"size": addition.checkpoint.size})
            raise


class LogKeys:
    """The keys of all logs, read from a file of verifier keys, one a line, and again whenever it is replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, list[Ed25519Verifier]] = {}

    def __call__(self, origin: str) -> list[Ed25519Verifier]:
        """Returns the keys of a log; those read before stay in use while the file cannot be read."""
        self._refresh()
        return self._keys.get(origin, [])

    def origins(self) -> list[str]:
        """Returns the logs that have keys."""
        self._refresh()
        return list(self._keys)

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            if (status.st_mtime_ns, status.st_ino) != self._seen:
                self._keys = _read(self._path.read_text("utf-8"))
                self._seen = (status.st_mtime_ns, status.st_ino)
        except (OSError, UnicodeDecodeError, Refusal) as error:
            _log.error("witness.log_keys_unreadable", extra={"error": type(error).__name__})


def _read(text: str) -> dict[str, list[Ed25519Verifier]]:
    keys: dict[str, list[Ed25519Verifier]] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            key = parse_vkey(line.strip())
            if isinstance(key, Ed25519Verifier):
                keys.setdefault(key.name, []).append(key)
    return keys


def _with(note: str, lines: str) -> str:
    """Returns the log's note with the witness's own cosignatures, leaving out whatever others came with it."""
    text, _, signatures = note.rpartition("\n\n")
    origin = text.partition("\n")[0]
    own = [line for line in signatures.splitlines(keepends=True) if line.startswith(f"\u2014 {origin} ")]
    return f"{text}\n\n{''.join(own)}{lines}"
