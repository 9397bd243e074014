"""What an act finds: the households and records it is about, as they stand while it holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.municipal import refusals
from services.municipal.rules.record import Change, Record, Stamp
from services.vocabulary.change import ChangeReason
from services.vocabulary.text import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A resident to act upon, as the caller saw it."""

    resident: UUID
    etag: str
    relation: str = ""
    """Relation to the head of the household entered; empty keeps what it is."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Household:
    """One row of a household's history (世帯); it has ended when it has no head."""

    id: UUID
    revision: int
    """Number of the row, from 1; 0 before the first."""
    address: Address
    head: UUID | None
    stamp: Stamp | None = None
    reason: ChangeReason | None = None

    def __repr__(self) -> str:
        return f"Household({self.id}, {self.revision})"


@dataclass(frozen=True, slots=True)
class Decision:
    """What an act writes: rows of residents, those it is about first, and rows of households."""

    changes: Sequence[Change]
    households: Sequence[Household]


@dataclass(frozen=True, slots=True)
class Situation:
    """The records and households that an act holds: its targets, and all live members of its households."""

    records: Mapping[UUID, Record]
    households: Mapping[UUID, Household] = field(default_factory=dict)

    def target(self, target: Target) -> Record:
        """Returns the live record of `target`; refuses RESIDENT_NOT_FOUND, RECORD_CHANGED, RECORD_REMOVED."""
        record = self.seen(target)
        if not record.is_live:
            raise refusals.RecordRemoved("cancel the removal first, if it was wrong")
        return record

    def seen(self, target: Target) -> Record:
        """Returns the record of `target`, live or not; refuses RESIDENT_NOT_FOUND, RECORD_CHANGED."""
        record = self.records.get(target.resident)
        if record is None:
            raise refusals.ResidentNotFound("search for the resident by code or attributes")
        if record.etag != target.etag:
            raise refusals.RecordChanged("read the record again and decide anew", revision=record.revision)
        return record

    def targets(self, targets: Sequence[Target]) -> list[Record]:
        """Returns the live records of `targets`; refuses LISTED_TWICE besides what `target` refuses."""
        if len({one.resident for one in targets}) < len(targets):
            raise refusals.ListedTwice("name each resident once")
        return [self.target(one) for one in targets]

    def household(self, household: UUID) -> Household:
        """Returns a household that somebody is in; refuses HOUSEHOLD_NOT_FOUND."""
        found = self.households.get(household)
        if found is None or found.head is None:
            raise refusals.HouseholdNotFound("search for a member and take the household of the record")
        return found

    def members(self, household: UUID) -> list[Record]:
        """Returns the live members of a household, the head first."""
        members = [one for one in self.records.values() if one.is_live and one.household == household]
        return sorted(members, key=lambda one: (not one.is_head, one.resident))

    def settle(self, changes: Sequence[Change], reason: ChangeReason, stamp: Stamp, *new: Household) -> Decision:
        """Completes `changes` with the rows of the households whose head or address they change.

        A household's head is the one live member with that relation, and its address the one they share. Refuses
        HEAD_TAKEN, HEAD_LEFT_BEHIND and ADDRESS_DIFFERS where the changes would leave a household otherwise.
        """
        records = {**self.records, **{change.after.resident: change.after for change in changes}}
        households = {**self.households, **{one.id: one for one in new}}
        after = Situation(records, households)
        touched = _touched(changes)
        rows = [_row_after(households[one], after.members(one), reason, stamp) for one in sorted(touched)]
        return Decision(changes, [row for row in rows if row is not None])


def _touched(changes: Iterable[Change]) -> set[UUID]:
    after = {change.after.household for change in changes}
    return after | {change.before.household for change in changes if change.before is not None}


def _row_after(before: Household, members: list[Record], reason: ChangeReason, stamp: Stamp) -> Household | None:
    """Returns the household's next row, or None when nothing of it changes."""
    heads = [one.resident for one in members if one.is_head]
    if len(heads) > 1:
        raise refusals.HeadTaken("give everybody but the head a relation to the head")
    if members and not heads:
        raise refusals.HeadLeftBehind("name a new head for those who stay")
    addresses = {one.attributes.address.folded for one in members}
    if len(addresses) > 1:
        raise refusals.AddressDiffers("move all members of a household, or make a household of those who move")
    address = members[0].attributes.address if members else before.address
    head = heads[0] if heads else None
    if before.revision and (head, address) == (before.head, before.address):
        return None
    return replace(before, revision=before.revision + 1, head=head, address=address, stamp=stamp, reason=reason)
