"""The agency's own tables: which resident codes it has allotted, and to whom."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, Table, Text
from sqlalchemy.sql import func

metadata = MetaData()

allotted_code = Table(
    "allotted_code",
    metadata,
    Column(
        "resident_code",
        Text,
        primary_key=True,
        comment="Eleven digits; never removed, so a code is allotted once for all time. "
        "The application role may insert and read, and nothing else.",
    ),
    Column("municipality", Text, nullable=False, comment="Short name of the node that may give the code out."),
    Column("allotted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
