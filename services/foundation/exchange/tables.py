"""The tables of a node's streams, made by its first migration, and what its application may do with them."""

from __future__ import annotations

from collections.abc import Callable

from services.foundation.db.grants import grant_table

_TABLES = (
    """
    CREATE TABLE public.exchange_signer (
        hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
        node text NOT NULL,
        certificate bytea NOT NULL,
        issuer bytea NOT NULL
    )
    """,
    """
    CREATE TABLE public.exchange_alarm (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        reason text NOT NULL,
        sender text NOT NULL,
        sequence bigint NOT NULL,
        kept_hash bytea NOT NULL,
        refused_hash bytea NOT NULL,
        raised_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (reason, sender, sequence, refused_hash)
    )
    """,
    """
    CREATE TABLE public.outbox (
        sequence bigint PRIMARY KEY CHECK (sequence >= 1),
        envelope bytea NOT NULL,
        body_hash bytea NOT NULL CHECK (octet_length(body_hash) = 32),
        origin_sender text,
        origin_sequence bigint,
        traceparent text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX outbox_origin ON public.outbox (origin_sender, origin_sequence) WHERE origin_sender IS NOT NULL",
    """
    CREATE TABLE public.outbox_head (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        sequence bigint NOT NULL,
        hash bytea NOT NULL CHECK (octet_length(hash) = 32)
    ) WITH (fillfactor = 10)
    """,
    "INSERT INTO public.outbox_head (sequence, hash) VALUES (0, decode(repeat('00', 32), 'hex'))",
    """
    CREATE TABLE public.outbox_cursor (
        peer text PRIMARY KEY,
        acknowledged bigint NOT NULL,
        moved_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE public.inbox (
        sender text NOT NULL,
        sequence bigint NOT NULL CHECK (sequence >= 1),
        envelope bytea NOT NULL,
        body_hash bytea NOT NULL CHECK (octet_length(body_hash) = 32),
        origin_sender text NOT NULL,
        origin_sequence bigint NOT NULL,
        origin_hash bytea NOT NULL,
        line text NOT NULL,
        place bigint NOT NULL,
        state text NOT NULL CHECK (state IN ('APPLIED', 'QUARANTINED', 'WAITING', 'SUPERSEDED')),
        reason text NOT NULL,
        wait_key text NOT NULL,
        traceparent text NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (sender, sequence)
    )
    """,
    """
    CREATE INDEX inbox_held ON public.inbox (sender, line, place) WHERE state IN ('QUARANTINED', 'WAITING')
    """,
    "CREATE INDEX inbox_wait_key ON public.inbox (wait_key) WHERE state = 'QUARANTINED' AND wait_key <> ''",
    """
    CREATE INDEX inbox_origin ON public.inbox (origin_sender, origin_sequence) WHERE origin_sender <> sender
    """,
    """
    CREATE TABLE public.inbox_cursor (
        sender text PRIMARY KEY,
        sequence bigint NOT NULL,
        hash bytea NOT NULL CHECK (octet_length(hash) = 32),
        moved_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)
    """,
)

# Nothing is deleted, and nothing that was signed is changed: what a neighbour acknowledged may have to be sent again
# after it was restored from a backup, and upper tiers derive their state again from the envelopes.
_GRANTS = {
    "exchange_signer": ("SELECT", "INSERT"),
    "exchange_alarm": ("SELECT", "INSERT"),
    "outbox": ("SELECT", "INSERT"),
    "outbox_head": ("SELECT", "UPDATE (sequence, hash)"),
    "outbox_cursor": ("SELECT", "INSERT", "UPDATE (acknowledged, moved_at)"),
    "inbox": ("SELECT", "INSERT", "UPDATE (place, state, reason, wait_key)"),
    "inbox_cursor": ("SELECT", "INSERT", "UPDATE (sequence, hash, moved_at)"),
}


def create_exchange(execute: Callable[[str], object], app_role: str) -> None:
    """Creates the exchange's tables and grants, one statement a call of `execute` (Alembic's `op.execute`)."""
    for statement in _TABLES:
        execute(statement)
    for table, privileges in _GRANTS.items():
        grant_table(execute, table, app_role, privileges)
