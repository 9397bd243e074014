"""The register's tables: residents and households, their histories, and resident codes."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.sql import func

metadata = MetaData()

_PROTECTED = "Personal data: the node's own database, its application role and its owner alone."
_LIVE = text("state = 'LIVE'")


def _folded(name: str, what: str) -> Column[str]:
    """Makes a column for comparison, ordered by code point so that an index serves searches for a beginning."""
    return Column(name, Text(collation="C"), nullable=False, comment=f"{what}, folded for search. {_PROTECTED}")


household = Table(
    "household",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False, comment="Number of the current row of its history; only grows."),
    Column("head", Uuid, comment="Resident who is the head; null once nobody is in the household."),
    Column("address", Text, nullable=False, comment=_PROTECTED),
)

household_revision = Table(
    "household_revision",
    metadata,
    Column("household", Uuid, ForeignKey("household.id"), primary_key=True),
    Column("number", Integer, primary_key=True, comment="From 1 without gaps; rows are never changed or removed."),
    Column("head", Uuid),
    Column("address", Text, nullable=False, comment=_PROTECTED),
    Column("reason", Text, nullable=False),
    Column("event_on", Date, nullable=False),
    Column("processed_at", DateTime(timezone=True), nullable=False),
    Column("act", Uuid, nullable=False, comment="Drawn for the act; its rows share it."),
)

resident = Table(
    "resident",
    metadata,
    Column("id", Uuid, primary_key=True, comment="Random; says nothing of the person."),
    Column("revision", Integer, nullable=False, comment="Number of the current row of the history; only grows."),
    Column("state", Text, nullable=False),
    Column("household", Uuid, ForeignKey("household.id"), nullable=False, index=True),
    Column("resident_code", Text, nullable=False, comment=f"Eleven digits. {_PROTECTED} Never in names, logs, events."),
    _folded("name_folded", "Name"),
    _folded("kana_folded", "Reading"),
    _folded("address_folded", "Address"),
    Column("birth_date", Text(collation="C"), nullable=False, comment=f"ISO 8601, as far as known. {_PROTECTED}"),
    Column("sex", SmallInteger, nullable=False, comment=f"JIS X 0303. {_PROTECTED}"),
    CheckConstraint("state IN ('LIVE', 'REMOVED')", name="state_known"),
    Index("resident_live_code", "resident_code", unique=True, postgresql_where=_LIVE),
    Index("resident_by_name", "name_folded", "birth_date"),
    Index("resident_by_kana", "kana_folded", "id"),
    Index("resident_by_address", "address_folded", "birth_date"),
)
"""The newest row of each resident, as far as it is searched by; the content is in `resident_revision`."""

resident_revision = Table(
    "resident_revision",
    metadata,
    Column("resident", Uuid, ForeignKey("resident.id"), primary_key=True),
    Column("number", Integer, primary_key=True, comment="From 1 without gaps; rows are never changed or removed."),
    Column("state", Text, nullable=False),
    Column("resident_code", Text, nullable=False, comment=f"Eleven digits. {_PROTECTED} Never in names, logs, events."),
    Column("name", Text, nullable=False, comment=f"As it was entered. {_PROTECTED}"),
    Column("kana", Text, nullable=False, comment=f"As it was entered. {_PROTECTED}"),
    Column("birth_date", Text, nullable=False, comment=f"ISO 8601, as far as known. {_PROTECTED}"),
    Column("sex", SmallInteger, nullable=False, comment=f"JIS X 0303. {_PROTECTED}"),
    Column("address", Text, nullable=False, comment=f"As it was entered. {_PROTECTED}"),
    Column("household", Uuid, ForeignKey("household.id"), nullable=False),
    Column("relation", Text, nullable=False, comment=_PROTECTED),
    Column("resident_since", Date, nullable=False, comment=_PROTECTED),
    Column("former_address", Text, comment=_PROTECTED),
    Column("destination_address", Text, comment=_PROTECTED),
    Column("reason", Text, nullable=False),
    Column("event_on", Date, nullable=False, comment="Day of the event."),
    Column("notified_on", Date, comment="Day of the notification; null for an act by office."),
    Column("processed_on", Date, nullable=False, comment="Day of the processing, in Japan."),
    Column("processed_at", DateTime(timezone=True), nullable=False),
    Column("act", Uuid, nullable=False, index=True, comment="Drawn for the act; its rows share it."),
    Column("ground", Text, nullable=False, comment="Ground of an act by office; empty for others."),
    Column("cancels", Integer, comment="Number of the row that this one cancels."),
)

resident_code_history = Table(
    "resident_code_history",
    metadata,
    Column(
        "resident_code",
        Text,
        primary_key=True,
        comment=f"Eleven digits: every code that a resident has or had here, so that none serves twice. {_PROTECTED}",
    ),
    Column("resident", Uuid, ForeignKey("resident.id"), nullable=False, index=True),
    Column("since", DateTime(timezone=True), nullable=False),
)

code_pool = Table(
    "code_pool",
    metadata,
    Column(
        "resident_code",
        Text,
        primary_key=True,
        comment="Eleven digits, allotted by the agency. Secret until drawn: the application role and the owner alone.",
    ),
    Column("draw_order", Uuid, nullable=False, comment="Random: the order of drawing tells nothing of the allotment."),
    Column("drawn_at", DateTime(timezone=True), comment="When it was given out; set once."),
    Index("code_pool_free", "draw_order", postgresql_where=text("drawn_at IS NULL")),
)

code_allotment = Table(
    "code_allotment",
    metadata,
    Column("request_id", Uuid, primary_key=True, comment="Kept before the agency is asked, so that no answer is lost."),
    Column("count", Integer, nullable=False, comment="How many codes are asked for; nothing secret."),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("received", Boolean, nullable=False, server_default=text("false")),
)

APPEND_ONLY = ("resident_revision", "household_revision", "resident_code_history")
"""Tables whose rows nobody changes or removes."""
