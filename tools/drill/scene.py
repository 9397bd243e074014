"""A real log for the tamper drill: its table in PostgreSQL, its files, and three witnesses that have seen it grow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.foundation.audit.checkpoint import Checkpoint, sign
from services.foundation.audit.cosignature import Cosigner
from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import AuditLog
from services.foundation.audit.note import NoteSigner, format_vkey
from services.foundation.audit.policy import Policy, format_policy, parse_policy
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.salts import Sealer
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import Edge
from services.foundation.clock import Clock, SystemClock
from services.foundation.identity import log_origin, node_id
from services.foundation.witness.rules import Answer
from services.foundation.witness.witness import Witness
from services.foundation.witness.witnessing import Witnessing
from services.witness.store import FileWitnessStore

NODE = node_id("agency/national", "juki.example")
ORIGIN = log_origin(NODE, "juki.example")
WITNESSES = 3
FRESH = timedelta(seconds=900)


class Near:
    """A witness without a network between."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness

    async def add_checkpoint(self, request: str, seconds: float) -> Answer:  # noqa: ARG002 - it answers at once
        """Returns the witness's answer."""
        return await self.witness.add_checkpoint(request.encode())

    async def checkpoint(self, origin: str, seconds: float) -> str | None:  # noqa: ARG002 - it answers at once
        """Returns what the witness holds."""
        return await self.witness.checkpoint(origin)


@dataclass
class Keys:
    """The keys of the log and of its witnesses, and those of strangers."""

    log: NoteSigner = field(default_factory=lambda: NoteSigner(ORIGIN, Ed25519PrivateKey.generate()))
    witnesses: list[Cosigner] = field(default_factory=lambda: [_cosigner(number) for number in range(WITNESSES)])
    strangers: list[Cosigner] = field(default_factory=lambda: [_cosigner(number) for number in range(WITNESSES)])


class Scene:
    """The log as it is honestly, the ways to look at it, and a place for what is done to copies of it.

    `sizes` are those at which it was published; `before` holds its files as they were at the last but one.
    """

    def __init__(self, owner: asyncpg.Connection[asyncpg.Record], url: str, directory: Path) -> None:
        self.owner = owner
        self.url = url
        self.keys = Keys()
        self.store = TileStore(directory / "log")
        self.before = directory / "before"
        self.copy = directory / "copy"
        self.entries: list[bytes] = []
        self.sizes: list[int] = []
        self._clock: Clock = SystemClock()
        self._witnesses = [self._witness(directory, number) for number in range(WITNESSES)]
        named = [
            (f"w{number}", [format_vkey(key) for key in self.keys.witnesses[number].verifiers], str(number))
            for number in range(WITNESSES)
        ]
        self.policy: Policy = parse_policy(format_policy(self.keys.log.vkey, named, 2))

    async def grow(self, pool: asyncpg.Pool[asyncpg.Record], sizes: Sequence[int]) -> None:
        """Appends and publishes up to each of the sizes, witnessed."""
        log = AuditLog(NODE, ORIGIN, Sealer(bytes(32), ORIGIN))
        publisher = Publisher(pool, self.store, self.keys.log, witnessing=self.witnessing(pool))
        for size in sizes:
            if self.sizes:
                shutil.copytree(self.store.directory, self.before, dirs_exist_ok=True)
            done = self.sizes[-1] if self.sizes else 0
            async with pool.acquire() as connection:
                await log.append(connection, [_entry(number) for number in range(done, size)])
            await publisher.publish()
            self.sizes.append(size)
        self.entries = [row["body"] for row in await pool.fetch("SELECT body FROM audit_entry ORDER BY seq")]

    def witnessing(self, pool: asyncpg.Pool[asyncpg.Record]) -> Witnessing:
        """Returns what has the log witnessed by this scene's witnesses."""
        return Witnessing(self.policy, ORIGIN, pool, lambda url: self._witnesses[int(url)], self._clock)

    async def held(self) -> list[str]:
        """Returns the checkpoints that the witnesses hold."""
        held = [await witness.checkpoint(ORIGIN, 1.0) for witness in self._witnesses]
        return [note for note in held if note is not None]

    def fresh_copy(self) -> TileStore:
        """Returns a copy of the honest files, without partial tiles of before, to be harmed."""
        return self.rebuilt(self.entries, signed=False)

    def rebuilt(self, entries: Sequence[bytes], *, signed: bool) -> TileStore:
        """Returns files that are consistent with `entries`; signed with the log's key, or under the old checkpoint."""
        shutil.rmtree(self.copy, ignore_errors=True)
        store, edge = TileStore(self.copy), Edge()
        for tile in [*edge.extend(entries), *edge.partials()]:
            target = self.copy / str(tile.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tile.content)
        note = sign(Checkpoint(ORIGIN, edge.size, edge.root()), self.keys.log) if signed else self.note
        (self.copy / "checkpoint").write_text(note, encoding="utf-8")
        return store

    def now(self) -> int:
        """Returns the time that a cosignature would state."""
        return int(self._clock.now().timestamp())

    @property
    def note(self) -> str:
        """The honest checkpoint."""
        return (self.store.directory / "checkpoint").read_text(encoding="utf-8")

    def _witness(self, directory: Path, number: int) -> Near:
        state = directory / f"witness-{number}"
        (state / "evidence").mkdir(parents=True)
        keys = [self.keys.log.verifier]
        return Near(Witness(self.keys.witnesses[number], lambda _: keys, FileWitnessStore(state), self._clock))


def changed(entry: bytes, **changes: object) -> bytes:
    """Returns an entry with other values, in canonical form."""
    return json.dumps({**json.loads(entry), **changes}, sort_keys=True, separators=(",", ":")).encode()


def _cosigner(number: int) -> Cosigner:
    name = f"witness.{number}.juki.example"
    return Cosigner(name, Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())


def _entry(number: int) -> AuditEntry:
    return AuditEntry(
        node=NODE.name,
        time=datetime(2026, 4, 1, tzinfo=UTC) + timedelta(seconds=number),
        request_id=str(UUID(int=number, version=4)),
        caller="spiffe://national.juki.example/relying/pension",
        method="/juki.confirmation.v1.ConfirmationService/ConfirmByCode",
        action="CONFIRM_BY_CODE",
        affair="1-30-6",
        case=f"2026-{number}",
        fields=("name", "address"),
        count=1,
        subject="10000000001",
        request=b"request %d" % number,
        response=b"response %d" % number,
    )
