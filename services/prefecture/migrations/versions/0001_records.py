"""Makes the tables of the rooms that a prefecture stands on; it has none of its own."""

from __future__ import annotations

from alembic import op

from services.confirmation.tables import create_confirmation
from services.foundation.audit.table import create_audit
from services.foundation.db.migrate import app_role
from services.foundation.db.replies import create_replies
from services.foundation.exchange.tables import create_exchange

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates everything."""
    role = app_role()
    for create in (create_audit, create_replies, create_exchange, create_confirmation):
        create(op.execute, role)
