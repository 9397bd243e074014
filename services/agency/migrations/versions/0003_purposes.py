"""Makes the tables of adopted purposes and of what was asked under them."""

from __future__ import annotations

from alembic import op

from services.confirmation.tables import create_purposes
from services.foundation.db.migrate import app_role

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Creates everything."""
    create_purposes(op.execute, app_role())
