"""Applying changes one after another to records held in memory, and keeping what they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from services.confirmation.rules.apply import ChangeRow, Found, Settled, apply
from services.confirmation.rules.record import FormerPair, Record, ReportedChange
from services.vocabulary.change import ChangeKind, effect_of


class Rename(NamedTuple):
    """A code given up, the one that followed it, and the one under which the record is now."""

    former: str
    following: str
    present: str

    def __repr__(self) -> str:
        return "Rename(***)"


class Ledger:
    """The records that a batch of changes is about; whatever they name must have been loaded.

    A change that is refused leaves no trace.
    """

    def __init__(self, records: Mapping[str, Record], aliases: Mapping[str, str]) -> None:
        self.records = dict(records)
        """By present code."""
        self.aliases = dict(aliases)
        """From a code given up to the one that followed."""
        self.changed: set[str] = set()
        """Codes of records to be written."""
        self.renames: list[Rename] = []
        """Codes given up in this batch, in order."""
        self.formers: dict[str, set[FormerPair]] = {}
        """Names and addresses that no longer are, by present code."""
        self.rows: list[ChangeRow] = []
        """Lines for the change history, in order."""

    def apply(self, change: ReportedChange, sender: str, now: datetime) -> Settled:
        """Applies a change of the municipality `sender`; raises a `ChangeRefused`."""
        settled = apply(self.found(change), change, sender, now)
        if settled.renamed_from:
            self._rename(settled.renamed_from, change.resident_code.digits, settled.record.resident_code)
        code = settled.record.resident_code
        self.records[code] = settled.record
        self.changed.add(code)
        if settled.former is not None:
            self.formers.setdefault(code, set()).add(settled.former)
        self.rows += settled.rows
        return settled

    def found(self, change: ReportedChange) -> Found:
        """Gathers what is held under the codes that `change` names."""
        present = self.present(change.about)
        taker = None
        if effect_of(change.reason).kind is ChangeKind.CODE and change.former_resident_code is not None:
            taker = self.records.get(self.present(change.resident_code.digits))
        return Found(self.records.get(present), present != change.about, taker)

    def present(self, code: str) -> str:
        """Follows a code that was given up to the present one."""
        while (following := self.aliases.get(code)) is not None:
            code = following
        return code

    def _rename(self, former: str, following: str, present: str) -> None:
        del self.records[former]
        self.changed.discard(former)
        self.aliases[former] = following
        self.renames.append(Rename(former, following, present))
        self.formers.setdefault(present, set()).update(self.formers.pop(former, ()))
