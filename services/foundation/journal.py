"""How a node writes down what a call did: audit entries made from the call being answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from juki.common.v1.receipt_pb2 import AuditReceipt
from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import AuditLog, Receipt
from services.foundation.batching import Batcher
from services.foundation.clock import Clock
from services.foundation.db.engine import Database, raw
from services.foundation.refusals import Refusal
from services.foundation.rpc.call import Call, current_call

_LANES = 2
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the caller acts or asks: the statutory affair and the case number, as the request names them."""

    affair: str | None = None
    case: str | None = None


class Journal:
    """Writes audit entries for one node's calls, in the caller's transaction or, for look-ups, in shared ones."""

    def __init__(self, log: AuditLog, database: Database, clock: Clock) -> None:
        self._log = log
        self._database = database
        self._clock = clock
        self._alone: Batcher[AuditEntry, Receipt] = Batcher(self._flush, lanes=_LANES, limit=_BATCH)

    def entry(
        self,
        action: str,
        *,
        subject: str | None = None,
        fields: tuple[str, ...] = (),
        count: int = 1,
        reason: Reason = Reason(),
        call: Call | None = None,
        result: str = "ALLOW",
        request: bytes | None = None,
        response: bytes | None = None,
    ) -> AuditEntry:
        """Makes the entry that says that `call`, the one being answered when None, did `action` to `subject`.

        It commits to `request`, the call's own when None; give the subject's part where a call is large.
        """
        call = call or current_call()
        return AuditEntry(
            node=self._log.node.name,
            time=self._clock.now(),
            request_id=call.request_id,
            caller=call.peer.uri,
            method=call.method,
            action=action,
            result=result,
            affair=reason.affair,
            case=reason.case,
            fields=fields,
            count=count,
            tls_version=call.tls_version,
            tls_group=call.tls_group,
            subject=subject,
            request=request if request is not None else call.request or None,
            response=response,
        )

    async def record(self, connection: AsyncConnection, entries: Sequence[AuditEntry]) -> list[Receipt]:
        """Appends `entries` in the caller's transaction, as its last act but for the stored reply."""
        return await self._log.append(await raw(connection), entries)

    async def record_alone(self, entry: AuditEntry) -> Receipt:
        """Makes `entry` durable in a transaction shared with whatever else waits, and returns its receipt."""
        return await self._alone.submit(entry)

    async def record_refusal(self, call: Call, refusal: Refusal) -> None:
        """Makes it durable that `call` was refused; the gate awaits this before it answers."""
        reason = Reason(refusal.facts.get("affair"), refusal.facts.get("case"))
        await self.record_alone(
            self.entry("REFUSE", call=call, count=0, reason=reason, result=f"REFUSED:{refusal.reason}")
        )

    async def close(self) -> None:
        """Writes what waits and takes no more."""
        await self._alone.close()

    async def _flush(self, entries: list[AuditEntry]) -> list[Receipt]:
        async with self._database.lane() as lane:
            return await self._log.append(lane.connection, entries)


def receipt_message(receipt: Receipt) -> AuditReceipt:
    """Returns the receipt as it goes over the wire."""
    return AuditReceipt(origin=receipt.origin, index=receipt.index, leaf_hash=receipt.leaf_hash)
