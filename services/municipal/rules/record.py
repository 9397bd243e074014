"""What a row of the register says of a resident, and how the next row follows from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeKind, ChangeReason, effect_of
from services.vocabulary.dates import EventDates
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.text import Address, Kana

HEAD = "世帯主"
"""The relation that marks the head of a household; exactly one live member has it."""


class State(StrEnum):
    """What a resident record is."""

    LIVE = "LIVE"
    """The person lives here."""
    REMOVED = "REMOVED"
    """Moved out, died, or removed by office."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Which act writes a row, and the days of the event, the notification and the processing."""

    act: UUID
    """Drawn for the act; its rows share it."""
    dates: EventDates
    processed_at: datetime
    ground: str = ""
    """Ground of an act by office; never a name."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Record:
    """One row of a resident record's history (住民票): all that the register says of a person after one event."""

    resident: UUID
    revision: int
    """Number of the row (履歴番号), from 1 without gaps."""
    state: State
    code: ResidentCode
    attributes: FourAttributes
    kana: Kana
    household: UUID
    relation: str
    resident_since: date
    """Day on which the person became a resident here (住民となった年月日)."""
    former_address: Address | None = None
    destination_address: Address | None = None
    reason: ChangeReason
    stamp: Stamp
    cancels: int | None = None
    """Number of the row that this one cancels."""

    @property
    def etag(self) -> str:
        """Sixteen hexadecimal digits that change with every row; another record's never fit."""
        return hashlib.sha256(f"{self.resident}/{self.revision}".encode()).hexdigest()[:16]

    @property
    def is_live(self) -> bool:
        """True while the person lives here."""
        return self.state is State.LIVE

    @property
    def is_head(self) -> bool:
        """True for the head of the household."""
        return self.relation == HEAD

    def __repr__(self) -> str:
        return f"Record({self.resident}, {self.revision})"


@dataclass(frozen=True, slots=True)
class Change:
    """A row and the one before it, which a first entry has not."""

    before: Record | None
    after: Record

    @property
    def goes_up(self) -> bool:
        """True when the prefecture is notified: the reason says so, and what it would hold of the person changes."""
        effect = effect_of(self.after.reason)
        if not effect.goes_up:
            return False
        if effect.kind is not ChangeKind.CORRECTION or self.before is None:
            return True
        return self.before.attributes != self.after.attributes


def follow(before: Record, reason: ChangeReason, stamp: Stamp, **values: Any) -> Change:
    """Makes the row after `before`, with `values` changed."""
    after = replace(before, revision=before.revision + 1, reason=reason, stamp=stamp, cancels=None)
    return Change(before, replace(after, **values))
