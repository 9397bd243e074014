"""Which items an answer carries: those that the purpose grants, and no other."""

from __future__ import annotations

from dataclasses import dataclass

from services.confirmation.rules.matching import Finding
from services.confirmation.rules.purposes import Item
from services.confirmation.rules.record import Record, State

_ABOUT_THE_PERSON = frozenset({Item.NAME, Item.BIRTH_DATE, Item.SEX, Item.ADDRESS, Item.RESIDENT_CODE})


@dataclass(frozen=True, slots=True)
class Release:
    """A finding with the items that go out with it."""

    finding: Finding
    items: frozenset[Item] = frozenset()
    """Items whose values are told; always empty when nobody was identified."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the items released, sorted, for the audit entry."""
        return tuple(sorted(self.items))


def release(finding: Finding, granted: frozenset[Item]) -> Release:
    """Returns what of `finding` goes out under a purpose that grants these items.

    Of a record that was removed, only that and when is told: it should not have been there.
    """
    record = finding.record
    if record is None:
        return Release(finding)
    return Release(finding, granted & _tellable(record))


def _tellable(record: Record) -> frozenset[Item]:
    change = frozenset({Item.CHANGE})
    return change if record.state is State.REMOVED else _ABOUT_THE_PERSON | change
