"""One witness of a log, asked until it has cosigned or shown why it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from services.foundation.audit.checkpoint import Checkpoint
from services.foundation.audit.merkle import Hash
from services.foundation.audit.note import Ed25519Verifier, Signature, open_note
from services.foundation.audit.policy import WitnessKey
from services.foundation.refusals import Refusal
from services.foundation.witness.endpoints import Endpoint
from services.foundation.witness.refusals import LogRolledBack, WitnessUnusable
from services.foundation.witness.rules import Status, format_addition, held_checkpoint, parse_size

_log = logging.getLogger(__name__)

_ROUNDS = 4
_SEEN_SECONDS = 1.0

Prove = Callable[[int, int], "Awaitable[Sequence[Hash]]"]
"""From two sizes to the proof that the larger tree continues the smaller."""
Continues = Callable[[Checkpoint], "Awaitable[bool]"]
"""Whether the log's own entries continue a checkpoint."""


class Member:
    """A witness as one log knows it: where it is asked, its keys, and the size that it was last seen to hold."""

    def __init__(self, endpoint: Endpoint, keys: Sequence[WitnessKey], name: str) -> None:
        self.name = name
        self._endpoint = endpoint
        self._keys = keys
        self._held = 0
        self._failing = False

    async def cosign(
        self, note: str, size: int, log: Ed25519Verifier, prove: Prove, continues: Continues, seconds: float
    ) -> list[Signature]:
        """Returns the witness's signatures on `note`; none when it fails, which is told once.

        Refuses LOG_ROLLED_BACK when the witness shows a checkpoint, signed by this log's key, that the log does not
        continue. What the witness only says is not believed.
        """
        try:
            signatures = await self._ask(note, size, log, prove, continues, seconds)
        except LogRolledBack:
            raise
        except (Refusal, OSError) as error:
            reason = error.reason if isinstance(error, Refusal) else type(error).__name__
            if not self._failing:
                _log.warning("audit.witness_failed", extra={"peer": self.name, "reason": reason})
            self._failing = True
            return []
        if self._failing:
            _log.info("audit.witness_back", extra={"peer": self.name})
        self._failing = False
        return signatures

    async def compare(self, log: Ed25519Verifier, continues: Continues, seconds: float) -> None:
        """Refuses LOG_ROLLED_BACK as `cosign` does; WITNESS_UNUSABLE, or as the network does, when nothing is seen."""
        note = await self._endpoint.checkpoint(log.name, seconds)
        if note is None:
            return
        try:
            held = held_checkpoint(note, log)
        except Refusal as refusal:
            raise WitnessUnusable(
                "look into the witness: it shows what this log did not sign", what=refusal.reason
            ) from (None)
        if not await continues(held):
            raise LogRolledBack(
                "restore the newest state of the database; do not serve from this one", what=self.name, size=held.size
            )
        self._held = held.size

    async def _ask(
        self, note: str, size: int, log: Ed25519Verifier, prove: Prove, continues: Continues, seconds: float
    ) -> list[Signature]:
        old = min(self._held, size)
        for _ in range(_ROUNDS):
            request = format_addition(old, await prove(old, size), note)
            answer = await self._endpoint.add_checkpoint(request, seconds)
            if answer.status is Status.COSIGNED:
                self._held = size
                return self._verified(note, answer.body)
            held = parse_size(answer.body) if answer.status is Status.CONFLICT else None
            if held is None or held > size:
                # Either it lies, or it holds what this log signed and does not continue; only the latter is a reason.
                await self.compare(log, continues, seconds)
                raise WitnessUnusable("look into the witness's log", what=answer.status.name)
            old = held
        raise WitnessUnusable("look into the witness: it names one size after another", what="CONFLICT")

    def _verified(self, note: str, lines: str) -> list[Signature]:
        """Returns those of the answer's signatures that are the witness's own; refuses when one of them is wrong."""
        opened = open_note(f"{note.rpartition(chr(10) * 2)[0]}\n\n{lines}", self._keys)
        return list(opened.verified)


async def look(members: Sequence[Member], log: Ed25519Verifier, continues: Continues) -> int:
    """Compares the log with what every witness holds of it, and returns how many answered.

    Refuses LOG_ROLLED_BACK when one of them shows that the log was put back or forked.
    """
    results = await asyncio.gather(*(_look(member, log, continues) for member in members), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return sum(1 for result in results if result)


async def _look(member: Member, log: Ed25519Verifier, continues: Continues) -> bool:
    try:
        await member.compare(log, continues, _SEEN_SECONDS)
    except LogRolledBack:
        raise
    except (Refusal, OSError) as error:
        _log.warning("audit.witness_not_seen", extra={"peer": member.name, "error": type(error).__name__})
        return False
    return True
