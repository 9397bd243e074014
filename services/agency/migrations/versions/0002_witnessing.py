"""Makes the tables of witnessing: others' logs at this node, and this node's log at others."""

from __future__ import annotations

from alembic import op

from services.foundation.db.migrate import app_role
from services.foundation.witness.table import create_witnessing

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Creates everything."""
    create_witnessing(op.execute, app_role())
