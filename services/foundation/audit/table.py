"""The tables of the audit log, made by each tier's first migration, and what keeps them append-only.

The owner role owns everything; the application role may read and may call three functions, nothing more. The functions
run with the owner's rights under a pinned search path. The triggers fire for every role and in every replication mode;
a superuser can still drop them, which is what checkpoints in other hands are for.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_TABLES = (
    """
    CREATE TABLE public.audit_head (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        size bigint NOT NULL CHECK (size >= 0)
    ) WITH (fillfactor = 10)
    """,
    "INSERT INTO public.audit_head (size) VALUES (0)",
    """
    CREATE TABLE public.audit_entry (
        seq bigint PRIMARY KEY CHECK (seq >= 0),
        body bytea NOT NULL CHECK (octet_length(body) BETWEEN 2 AND 4096),
        written_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE public.audit_salt (
        seq bigint PRIMARY KEY,
        sealed bytea NOT NULL
    )
    """,
    """
    CREATE TABLE public.audit_checkpoint (
        size bigint PRIMARY KEY CHECK (size >= 0),
        note text NOT NULL,
        published_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)

_FUNCTIONS = (
    """
    CREATE FUNCTION public.audit_append(heads bytea[], tails bytea[], salts bytea[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    DECLARE
        added CONSTANT integer NOT NULL DEFAULT cardinality(heads);
        first bigint;
    BEGIN
        IF added = 0 OR cardinality(tails) <> added OR cardinality(salts) <> added THEN
            RAISE EXCEPTION 'heads, tails and salts must be as many, and at least one'
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        UPDATE public.audit_head SET size = size + added RETURNING size - added INTO STRICT first;
        WITH given AS (
            SELECT first + place - 1 AS seq, head, tail, salt
            FROM unnest(heads, tails, salts) WITH ORDINALITY AS given (head, tail, salt, place)
        ), kept AS (
            INSERT INTO public.audit_salt (seq, sealed) SELECT seq, salt FROM given
        )
        INSERT INTO public.audit_entry (seq, body)
        SELECT seq, head || convert_to(CAST(seq AS text), 'UTF8') || tail FROM given ORDER BY seq;
        RETURN first;
    END
    $body$
    """,
    """
    CREATE FUNCTION public.audit_publish(new_size bigint, new_note text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    DECLARE
        entries bigint;
        published bigint;
    BEGIN
        -- Publications come one after another; appends do not wait for them.
        LOCK TABLE public.audit_checkpoint IN SHARE ROW EXCLUSIVE MODE;
        SELECT size INTO STRICT entries FROM public.audit_head;
        SELECT coalesce(max(size), -1) INTO published FROM public.audit_checkpoint;
        IF new_size <= published OR new_size > entries THEN
            RAISE EXCEPTION 'a checkpoint of size % does not follow size % of % entries', new_size, published, entries
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        INSERT INTO public.audit_checkpoint (size, note) VALUES (new_size, new_note);
    END
    $body$
    """,
    """
    CREATE FUNCTION public.audit_erase_salt(of_seq bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    BEGIN
        DELETE FROM public.audit_salt WHERE seq = of_seq;
        RETURN FOUND;
    END
    $body$
    """,
    """
    CREATE FUNCTION public.audit_refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
    BEGIN
        RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END
    $body$
    """,
    """
    CREATE FUNCTION public.audit_refuse_shrinking() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
    BEGIN
        IF NEW.size < OLD.size THEN
            RAISE EXCEPTION 'the audit log does not shrink' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END
    $body$
    """,
)

_CALLABLE = (
    "public.audit_append(bytea[], bytea[], bytea[])",
    "public.audit_publish(bigint, text)",
    "public.audit_erase_salt(bigint)",
)
_READABLE = ("audit_head", "audit_entry", "audit_salt", "audit_checkpoint")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def create_audit(execute: Callable[[str], object], app_role: str) -> None:
    """Creates the audit log's tables, functions, triggers and grants, one statement a call of `execute`.

    `execute` is Alembic's `op.execute`, run by the owner; `app_role` is an existing role.
    """
    if _IDENTIFIER.fullmatch(app_role) is None:
        raise ValueError(f"{app_role!r} is not a plain lower-case role name")
    for statement in (*_TABLES, *_FUNCTIONS, *_guards(), *_grants(app_role)):
        execute(statement)


def _guards() -> list[str]:
    refuse = "FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change()"
    shrink = "FOR EACH ROW EXECUTE FUNCTION public.audit_refuse_shrinking()"
    guards = []
    for table, events in (
        ("audit_entry", "UPDATE OR DELETE OR TRUNCATE"),
        ("audit_checkpoint", "UPDATE OR DELETE OR TRUNCATE"),
        ("audit_head", "DELETE OR TRUNCATE"),
        ("audit_salt", "UPDATE OR TRUNCATE"),
    ):
        guards += [
            f"CREATE TRIGGER append_only BEFORE {events} ON public.{table} {refuse}",
            f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER append_only",
        ]
    guards += [
        f"CREATE TRIGGER never_smaller BEFORE UPDATE ON public.audit_head {shrink}",
        "ALTER TABLE public.audit_head ENABLE ALWAYS TRIGGER never_smaller",
    ]
    return guards


def _grants(app_role: str) -> list[str]:
    grants = [f"GRANT USAGE ON SCHEMA public TO {app_role}"]
    for table in _READABLE:
        grants += [f"REVOKE ALL ON public.{table} FROM PUBLIC", f"GRANT SELECT ON public.{table} TO {app_role}"]
    for function in _CALLABLE:
        grants += [
            f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {function} TO {app_role}",
        ]
    return grants
