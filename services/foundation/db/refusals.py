"""Every reason for which the store refuses, beside STORE_UNREACHABLE and REQUEST_ID_REUSED, which every tier knows."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class RaceLost(Refusal):
    """Another transaction changed the same rows first; nothing of this one was kept."""

    kind = Kind.STALE
    reason = "RACE_LOST"


class DatabaseNotDurable(Refusal):
    """The database may lose what it has confirmed: `setting` of its server is off."""

    kind = Kind.WRONG_STATE
    reason = "DATABASE_NOT_DURABLE"
