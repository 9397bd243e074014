"""Having one's own log witnessed: which checkpoints are cosigned, when, and what the quorum has said last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg

from services.foundation.audit.checkpoint import open_checkpoint
from services.foundation.audit.note import Note, Signature
from services.foundation.audit.policy import Policy
from services.foundation.clock import Clock
from services.foundation.witness.endpoints import Endpoint
from services.foundation.witness.freshness import Freshness
from services.foundation.witness.member import Continues, Member, Prove, look

ASK_SECONDS = 2.0
"""How long a witness is waited for."""
GRACE_SECONDS = 0.05
"""How long the others are waited for once the quorum holds."""

_NEWEST = "SELECT size, note, witnessed_at FROM public.audit_cosigned ORDER BY size DESC LIMIT 1"
_OF_SIZE = "SELECT note FROM public.audit_cosigned WHERE size = $1"
_KEEP = "SELECT public.audit_cosign($1, $2, $3)"


class Witnessing:
    """Collects cosignatures for one log under its policy.

    `connect` returns the endpoint for an address of the policy. A checkpoint of the newest size is cosigned again
    when the last time is `refresh` ago, so that a quiet log stays fresh.
    """

    def __init__(
        self,
        policy: Policy,
        origin: str,
        pool: asyncpg.Pool[asyncpg.Record],
        connect: Callable[[str], Endpoint],
        clock: Clock,
        *,
        alarm: timedelta = timedelta(seconds=300),
        refuse: timedelta = timedelta(seconds=900),
    ) -> None:
        self._policy = policy
        self._log = policy.log(origin)
        self._pool = pool
        self._clock = clock
        self._refresh = alarm / 5
        self._members = _members(policy, connect)
        self.freshness = Freshness(clock, alarm=alarm, refuse=refuse)
        self.size = 0
        """Entries that the newest witnessed checkpoint covers."""

    async def start(self, continues: Continues) -> str | None:
        """Returns the newest witnessed checkpoint, after comparing the log with what its witnesses hold.

        Refuses LOG_ROLLED_BACK.
        """
        await look(self._members, self._log, continues)
        row = await self._pool.fetchrow(_NEWEST)
        if row is None:
            return None
        self.size = row["size"]
        self.freshness.witnessed(datetime.fromtimestamp(row["witnessed_at"], UTC))
        note: str = row["note"]
        return note

    def is_due(self, size: int) -> bool:
        """Tells whether a checkpoint of `size` is to be cosigned: it is new, or it was cosigned a while ago."""
        return size > self.size or self.freshness.age >= self._refresh

    async def cosign(self, note: str, size: int, prove: Prove, continues: Continues) -> str | None:
        """Returns the log's signed checkpoint with enough cosignatures, made durable; None when too few were given.

        Refuses LOG_ROLLED_BACK.
        """
        _, opened = open_checkpoint(note, [self._log, *self._policy.keys], self._log.name)
        known = await self._known(size)
        found = {(each.name, each.key_id): each for each in known}
        tasks = {
            asyncio.create_task(member.cosign(note, size, self._log, prove, continues, ASK_SECONDS))
            for member in self._members
        }
        try:
            await self._collect(tasks, opened, found)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        at = self._quorum(opened, found.values())
        if at is None:
            self.freshness.tell()
            return None
        # Signatures of before count too, with their time: then the quorum holds, and grows no younger.
        at = at or int(self._clock.now().timestamp())
        cosigned = (
            note.rpartition("\n\n")[0] + "\n\n" + "".join(each.line() for each in (*self._own(opened), *found.values()))
        )
        await self._pool.execute(_KEEP, size, cosigned, at)
        self.size = size
        self.freshness.witnessed(datetime.fromtimestamp(at, UTC))
        self.freshness.tell()
        return cosigned

    async def _collect(
        self, tasks: set[asyncio.Task[list[Signature]]], opened: Note, found: dict[tuple[str, bytes], Signature]
    ) -> None:
        """Adds signatures to `found` until all have answered, or the quorum has and the others are slow."""
        pending, until = tasks, asyncio.get_running_loop().time() + ASK_SECONDS
        fresh: dict[tuple[str, bytes], Signature] = {}
        while pending and (left := until - asyncio.get_running_loop().time()) > 0:
            done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                fresh.update({(each.name, each.key_id): each for each in task.result()})
            if done and self._quorum(opened, fresh.values()) is not None:
                until = min(until, asyncio.get_running_loop().time() + GRACE_SECONDS)
        found.update(fresh)

    async def _known(self, size: int) -> Sequence[Signature]:
        note = await self._pool.fetchval(_OF_SIZE, size)
        if note is None:
            return ()
        keys = {(key.name, key.key_id) for key in self._policy.keys}
        _, opened = open_checkpoint(note, [self._log, *self._policy.keys], self._log.name)
        return [each for each in opened.verified if (each.name, each.key_id) in keys]

    def _own(self, opened: Note) -> list[Signature]:
        return [each for each in opened.verified if (each.name, each.key_id) == (self._log.name, self._log.key_id)]

    def _quorum(self, opened: Note, found: Iterable[Signature]) -> int | None:
        return self._policy.witnessed_at(Note(opened.text, (*self._own(opened), *found), ()))


def _members(policy: Policy, connect: Callable[[str], Endpoint]) -> list[Member]:
    urls = dict.fromkeys(witness.url for witness in policy.witnesses.values() if witness.url)
    return [
        Member(
            connect(url),
            [witness.key for witness in policy.witnesses.values() if witness.url == url],
            next(witness.key.name for witness in policy.witnesses.values() if witness.url == url),
        )
        for url in urls
    ]
