"""How a node puts messages on its stream, in the transaction of the act that they report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from services.foundation.db.engine import DriverConnection, raw
from services.foundation.exchange.envelope import EnvelopeSigner, Opened, Sealed, open_envelope

# The row lock lasts until the commit: sequences follow the order of commits, and a reader never sees a gap.
_LOCK_HEAD = "SELECT sequence, hash FROM public.outbox_head FOR UPDATE"
# The certificate is kept with the first envelope signed under it, so that a neighbour can be told who signed that one
# also when the certificate has been made anew since.
_INSERT = """
WITH moved AS (UPDATE public.outbox_head SET sequence = $7, hash = $8), kept AS (
    INSERT INTO public.exchange_signer (hash, node, certificate, issuer) VALUES ($9, $10, $11, $12)
    ON CONFLICT DO NOTHING
)
INSERT INTO public.outbox (sequence, envelope, body_hash, origin_sender, origin_sequence, traceparent)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::bigint[], $6::text[])
"""
_FIND_RELAYED = """
SELECT origin_sender, origin_sequence, max(sequence) AS sequence FROM public.outbox
WHERE (origin_sender, origin_sequence) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))
GROUP BY origin_sender, origin_sequence
"""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to send: a change of this node's own, or an envelope that it received and passes on."""

    change: bytes | None = field(default=None, repr=False)
    """Serialized ChangeEvent."""
    relayed: bytes | None = field(default=None, repr=False)
    """Serialized Envelope, as received."""
    traceparent: str = ""
    """W3C trace context of the act; empty when it is not traced."""
    supersedes: int = 0
    """Own sequence of a held change whose place this takes; 0 for none. Of a relayed envelope it is worked out."""


class Outbox:
    """The stream that this node sends, signed by `signer`."""

    def __init__(self, signer: EnvelopeSigner) -> None:
        self.signer = signer
        self.appended = asyncio.Event()
        """Set by `wake`; senders clear it."""

    async def append(self, connection: AsyncConnection, messages: Sequence[OutgoingMessage]) -> list[int]:
        """Numbers, links, signs and stores `messages` in the caller's transaction; returns their sequences.

        Locks the head of the stream until the commit, so call it late in the transaction, before the audit entry.
        Refuses ENVELOPE_MALFORMED.
        """
        if not messages:
            return []
        driver = await raw(connection)
        origins = [open_envelope(each.relayed) if each.relayed is not None else None for each in messages]
        head = await driver.fetchrow(_LOCK_HEAD)
        if head is None:
            raise RuntimeError("the outbox has lost its head row")
        replaced = await _relayed_places(driver, origins)
        sealed = self._seal(head["sequence"], head["hash"], messages, origins, replaced)
        await driver.execute(
            _INSERT,
            [each.sequence for each in sealed],
            [each.envelope for each in sealed],
            [each.body_hash for each in sealed],
            [origin.sender if origin else None for origin in origins],
            [origin.sequence if origin else None for origin in origins],
            [message.traceparent for message in messages],
            sealed[-1].sequence,
            sealed[-1].body_hash,
            self.signer.signer_hash,
            self.signer.sender,
            *self.signer.certificates[:2],
        )
        return [each.sequence for each in sealed]

    def wake(self) -> None:
        """Tells this process's senders, after the commit, that there is something to send."""
        self.appended.set()

    def _seal(
        self,
        sequence: int,
        body_hash: bytes,
        messages: Sequence[OutgoingMessage],
        origins: Sequence[Opened | None],
        replaced: Mapping[tuple[str, int], int],
    ) -> list[Sealed]:
        sealed = []
        places = dict(replaced)
        for message, origin in zip(messages, origins, strict=True):
            supersedes = message.supersedes
            if origin is not None:
                supersedes = places.get((origin.sender, origin.supersedes), 0)
                places[origin.sender, origin.sequence] = sequence + 1
            one = self.signer.seal(
                sequence + 1, body_hash, change=message.change, relayed=message.relayed, supersedes=supersedes
            )
            sequence, body_hash = one.sequence, one.body_hash
            sealed.append(one)
        return sealed


async def _relayed_places(driver: DriverConnection, origins: Sequence[Opened | None]) -> dict[tuple[str, int], int]:
    """Returns where this stream has the envelopes that relayed corrections supersede, by origin and its sequence.

    A correction may concern an envelope that this node applied and the next one could not; then it must take that
    one's place there too.
    """
    wanted = [origin for origin in origins if origin is not None and origin.supersedes]
    if not wanted:
        return {}
    rows = await driver.fetch(
        _FIND_RELAYED, [origin.sender for origin in wanted], [origin.supersedes for origin in wanted]
    )
    return {(row["origin_sender"], row["origin_sequence"]): row["sequence"] for row in rows}
