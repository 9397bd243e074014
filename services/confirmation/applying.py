"""How a batch of envelopes that a lower tier sent becomes part of this node's state."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from services.confirmation.refusals import (
    ChangeMalformed,
    ChangeOfAnotherMunicipality,
    RecordUnknown,
    ResidentLiveElsewhere,
)
from services.confirmation.rules.admission import check_relay
from services.confirmation.rules.ledger import Ledger
from services.confirmation.rules.record import ReportedChange
from services.confirmation.store import PostgresChanges
from services.confirmation.wire import read_change
from services.foundation.clock import Clock
from services.foundation.db.engine import raw
from services.foundation.exchange.envelope import Opened
from services.foundation.exchange.messages import Accepted, Applied, Outcome
from services.foundation.identity import Tier
from services.foundation.refusals import Refusal

_LINE_CONTEXT = b"juki-line/v1\x00"
_WAIT_CONTEXT = b"juki-wait/v1\x00"
WAITING = (ResidentLiveElsewhere, RecordUnknown, ChangeOfAnotherMunicipality)
"""Refusals that another change may lift; the last, when the sender's own entry of the resident is still held."""


class Applier:
    """Applies municipalities' changes, from themselves at a prefecture, or relayed by prefectures at the agency.

    `prefecture` is this node's, two digits, or None at the agency. `key` is secret to the node: the lines and wait keys
    that the exchange stores are HMACs of resident codes under it, since a plain hash of eleven digits could be found by
    trying them all.
    """

    def __init__(self, clock: Clock, key: bytes, prefecture: str | None) -> None:
        self._clock = clock
        self._key = key
        self._prefecture = prefecture

    def line_of(self, origin: Opened) -> str:
        """Names the resident's line of order; refuses CHANGE_MALFORMED for what cannot be read."""
        if origin.change is None:
            raise ChangeMalformed("send a change", field="change", form="MISSING")
        return self._opaque(_LINE_CONTEXT, read_change(origin.change).about)

    async def apply(self, connection: AsyncConnection, accepted: Sequence[Accepted]) -> list[Outcome]:
        """Applies a batch in order inside the caller's transaction; answers one outcome for each, in order.

        The audit entry must be appended after this, last in the transaction: both hold locks until the commit.
        """
        changes = [self._read(one) for one in accepted]
        readable = [change for change in changes if isinstance(change, ReportedChange)]
        if not readable:
            return [change for change in changes if isinstance(change, Refusal)]
        store = PostgresChanges(await raw(connection))
        ledger = await store.load({code for change in readable for code in (change.about, change.resident_code.digits)})
        outcomes = [
            change if isinstance(change, Refusal) else self._apply_one(ledger, change, one)
            for change, one in zip(changes, accepted, strict=True)
        ]
        await store.write(ledger)
        return outcomes

    def _read(self, accepted: Accepted) -> ReportedChange | Refusal:
        """Reads the change and refuses what the way it came rules out."""
        if accepted.origin.change is None:
            return ChangeMalformed("send a change", field="change", form="MISSING")
        try:
            change = replace(read_change(accepted.origin.change), restates=accepted.origin.supersedes > 0)
            check_relay(change.municipality, self._prefecture or _relaying_prefecture(accepted))
        except Refusal as refusal:
            return refusal
        return change

    def _apply_one(self, ledger: Ledger, change: ReportedChange, accepted: Accepted) -> Outcome:
        try:
            settled = ledger.apply(change, _municipality_of(accepted), self._clock.now())
        except Refusal as refusal:
            if isinstance(refusal, WAITING):
                refusal.facts["wait_key"] = self.wait_key(ledger.present(change.about))
            return refusal
        if not settled.opens:
            return Applied()
        # What waits for a code that is given up is tried again too, and then waits for the one that followed.
        codes = {settled.record.resident_code, settled.renamed_from} - {""}
        return Applied(tuple(self.wait_key(one) for one in sorted(codes)))

    def wait_key(self, resident_code: str) -> str:
        """Names a resident for whose next change an envelope may wait."""
        return self._opaque(_WAIT_CONTEXT, resident_code)

    def _opaque(self, context: bytes, resident_code: str) -> str:
        return hmac.digest(self._key, context + resident_code.encode(), "sha256")[:16].hex()


def _relaying_prefecture(accepted: Accepted) -> str:
    tier, _, code = accepted.sender.partition("/")
    if tier != Tier.PREFECTURE:
        raise ChangeOfAnotherMunicipality("let the prefecture relay the change", sender=accepted.sender)
    return code


def _municipality_of(accepted: Accepted) -> str:
    """Returns the code of the municipality that signed the change."""
    tier, _, code = accepted.origin.sender.partition("/")
    return code if tier == Tier.MUNICIPAL else ""
