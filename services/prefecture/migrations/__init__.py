"""Alembic migrations of this tier."""
