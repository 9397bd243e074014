"""The tables of witnessing: what this node holds of others' logs, and what others cosigned of its own."""

from __future__ import annotations

from collections.abc import Callable

from services.foundation.db.grants import grant_table

_STATEMENTS = (
    """
    CREATE TABLE public.witness_checkpoint (
        origin text PRIMARY KEY CHECK (octet_length(origin) BETWEEN 1 AND 255),
        size bigint NOT NULL CHECK (size >= 0),
        root_hash bytea NOT NULL CHECK (octet_length(root_hash) = 32),
        note text NOT NULL,
        cosigned_at bigint NOT NULL
    )
    """,
    """
    CREATE TABLE public.witness_evidence (
        origin text NOT NULL,
        size bigint NOT NULL,
        root_hash bytea NOT NULL,
        request text NOT NULL,
        kept_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (origin, size, root_hash)
    )
    """,
    """
    CREATE TABLE public.audit_cosigned (
        size bigint PRIMARY KEY,
        note text NOT NULL,
        witnessed_at bigint NOT NULL
    )
    """,
    """
    CREATE FUNCTION public.witness_advance(
        of_origin text, old_size bigint, old_time bigint,
        new_size bigint, new_root bytea, new_note text, new_time bigint
    ) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    BEGIN
        -- Nothing held is size -1. The row's lock makes the check and the change one.
        IF old_size = -1 THEN
            INSERT INTO public.witness_checkpoint VALUES (of_origin, new_size, new_root, new_note, new_time)
            ON CONFLICT DO NOTHING;
        ELSE
            UPDATE public.witness_checkpoint
            SET size = new_size, root_hash = new_root, note = new_note, cosigned_at = new_time
            WHERE origin = of_origin AND size = old_size AND cosigned_at = old_time
                AND (new_size > size OR new_size = size AND new_root = root_hash) AND new_time >= cosigned_at;
        END IF;
        RETURN FOUND;
    END
    $body$
    """,
    """
    CREATE FUNCTION public.witness_keep_evidence(of_origin text, of_size bigint, of_root bytea, of_request text)
    RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        -- A thousand checkpoints show no more than a few do.
        INSERT INTO public.witness_evidence (origin, size, root_hash, request)
        SELECT of_origin, of_size, of_root, of_request
        WHERE (SELECT count(*) FROM public.witness_evidence WHERE origin = of_origin) < 1000
        ON CONFLICT DO NOTHING
    $body$
    """,
    """
    CREATE FUNCTION public.audit_cosign(of_size bigint, new_note text, at bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        INSERT INTO public.audit_cosigned (size, note, witnessed_at)
        SELECT size, new_note, at FROM public.audit_checkpoint WHERE size = of_size
        ON CONFLICT (size) DO UPDATE SET note = excluded.note, witnessed_at = excluded.witnessed_at
        WHERE excluded.witnessed_at >= audit_cosigned.witnessed_at
    $body$
    """,
)
_FUNCTIONS = (
    "public.witness_advance(text, bigint, bigint, bigint, bytea, text, bigint)",
    "public.witness_keep_evidence(text, bigint, bytea, text)",
    "public.audit_cosign(bigint, text, bigint)",
)


def create_witnessing(execute: Callable[[str], object], app_role: str) -> None:
    """Creates the tables and functions of witnessing, one statement a call of `execute`, which the owner runs."""
    for statement in _STATEMENTS:
        execute(statement)
    for table in ("witness_checkpoint", "witness_evidence", "audit_cosigned"):
        grant_table(execute, table, app_role, ("SELECT",))
    for function in _FUNCTIONS:
        execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        execute(f"GRANT EXECUTE ON FUNCTION {function} TO {app_role}")
