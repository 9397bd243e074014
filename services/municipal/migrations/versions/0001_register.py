"""Makes the register, its histories, the code pool, and the tables of the rooms that the node stands on."""

from __future__ import annotations

from alembic import op

from services.foundation.audit.table import create_audit
from services.foundation.db.grants import grant_table
from services.foundation.db.migrate import app_role
from services.foundation.db.replies import create_replies
from services.foundation.exchange.tables import create_exchange
from services.municipal.tables import APPEND_ONLY, metadata

revision = "0001"
down_revision = None

_GRANTS = {
    "household": ("SELECT", "INSERT", "UPDATE (revision, head, address)"),
    "household_revision": ("SELECT", "INSERT"),
    "resident": (
        "SELECT",
        "INSERT",
        "UPDATE (revision, state, household, resident_code, name_folded, kana_folded, address_folded, birth_date, sex)",
    ),
    "resident_revision": ("SELECT", "INSERT"),
    "resident_code_history": ("SELECT", "INSERT"),
    "code_pool": ("SELECT", "INSERT", "UPDATE (drawn_at)"),
    "code_allotment": ("SELECT", "INSERT", "UPDATE (received)"),
}

_REFUSE_CHANGE = """
CREATE FUNCTION public.register_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$body$
"""
_REFUSE_UNDRAWING = """
CREATE FUNCTION public.code_pool_refuse_undrawing() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF OLD.drawn_at IS NOT NULL THEN
        RAISE EXCEPTION 'a drawn code stays drawn' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$body$
"""


def upgrade() -> None:
    """Creates everything."""
    role = app_role()
    create_audit(op.execute, role)
    create_replies(op.execute, role)
    create_exchange(op.execute, role)
    metadata.create_all(op.get_bind())
    for table, privileges in _GRANTS.items():
        grant_table(op.execute, table, role, privileges)
    op.execute(_REFUSE_CHANGE)
    for table in APPEND_ONLY:
        _guard(table, "BEFORE UPDATE OR DELETE OR TRUNCATE", "STATEMENT", "register_refuse_change")
    op.execute(_REFUSE_UNDRAWING)
    _guard("code_pool", "BEFORE UPDATE", "ROW", "code_pool_refuse_undrawing")


def _guard(table: str, events: str, each: str, function: str) -> None:
    """Keeps a table as it is from every role, the owner's too, and in every replication mode."""
    op.execute(
        f"CREATE TRIGGER guarded {events} ON public.{table} FOR EACH {each} EXECUTE FUNCTION public.{function}()"
    )
    op.execute(f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER guarded")
