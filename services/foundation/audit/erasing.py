"""Erasing salts by law: what entries committed to becomes unopenable for ever, and the log stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import AuditLog, Connection, Receipt
from services.foundation.clock import Clock
from services.foundation.identity import NodeId

ACTION = "ERASE_SALTS"
_ERASE = "SELECT count(*) FILTER (WHERE public.audit_erase_salt(seq)) FROM unnest($1::bigint[]) AS seq"


@dataclass(frozen=True, slots=True)
class Erasure:
    """How many salts were erased, of how many asked for, and where that is recorded."""

    erased: int
    asked: int
    receipt: Receipt


async def erase(
    connection: Connection, log: AuditLog, node: NodeId, clock: Clock, seqs: Sequence[int], case: str
) -> Erasure:
    """Erases the salts of the entries `seqs`, and records it in the same transaction under the case number.

    The entry counts what was erased and commits to which; salts erased before are not counted.
    """
    async with connection.transaction():
        erased: int = await connection.fetchval(_ERASE, list(seqs))
        entry = AuditEntry(
            node=node.name,
            time=clock.now(),
            request_id=str(uuid4()),
            caller=node.uri,
            method="",
            action=ACTION,
            case=case,
            count=erased,
            request=" ".join(str(seq) for seq in seqs).encode(),
        )
        (receipt,) = await log.append(connection, [entry])
    return Erasure(erased, len(seqs), receipt)
