"""Makes the list of cards, and the tables of the rooms that the node stands on."""

from __future__ import annotations

from alembic import op

from services.card.tables import metadata
from services.foundation.audit.table import create_audit
from services.foundation.db.grants import grant_table
from services.foundation.db.migrate import app_role
from services.foundation.db.replies import create_replies

revision = "0001"
down_revision = None

_GRANTS = {
    "card": ("SELECT", "INSERT", "UPDATE (state, unfinished, changed_at)"),
    "recalled_batch": ("SELECT", "INSERT"),
    "act_begun": ("SELECT", "INSERT", "DELETE"),
}


def upgrade() -> None:
    """Creates everything."""
    role = app_role()
    create_audit(op.execute, role)
    create_replies(op.execute, role)
    metadata.create_all(op.get_bind())
    for table, privileges in _GRANTS.items():
        grant_table(op.execute, table, role, privileges)
