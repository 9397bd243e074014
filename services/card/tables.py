"""What a card node keeps: cards by number, batches that were recalled, and acts that have begun."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Index, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.sql import func

metadata = MetaData()

card = Table(
    "card",
    metadata,
    Column("number", Text(collation="C"), primary_key=True, comment="Twenty hexadecimal digits, given by the maker."),
    Column(
        "holder",
        Text,
        nullable=False,
        comment="Random name of a record at the municipality, `residents/{uuid}`; only there does it lead to a person.",
    ),
    Column("batch", Text(collation="C"), nullable=False, comment="Empty for none."),
    Column("state", Text, nullable=False, comment="As this node saw it last."),
    Column("issued_for", Text, nullable=False, comment="Caller and request id of the issue: caller, a space, the id."),
    Column("unfinished", Boolean, nullable=False, comment="Whether the issue has not come to its last step."),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state IN ('ISSUED', 'PERSONALISED', 'ACTIVE', 'LOCKED', 'TERMINATED')", name="state_known"),
    CheckConstraint("number ~ '^[0-9A-F]{20}$'", name="number_form"),
    Index("card_by_batch", "batch", "number"),
    Index("card_of_issue", "issued_for", unique=True, postgresql_where=text("unfinished")),
)

recalled_batch = Table(
    "recalled_batch",
    metadata,
    Column("batch", Text(collation="C"), primary_key=True),
    Column("recalled_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

act_begun = Table(
    "act_begun",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("request_id", Text, primary_key=True, comment="An act that is in the log and may have reached the card."),
    Column("request_hash", LargeBinary, nullable=False, comment="SHA-256 of the request without its PINs."),
    Column("card", Text, nullable=False, comment="Number of the card; one that has been ended does not tell it."),
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
