"""Identity-confirmation information in memory, as plain as can be: what the store in PostgreSQL is held against."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.ledger import Ledger
from services.confirmation.rules.matching import Candidate
from services.confirmation.rules.record import FormerPair, Record, standing_on
from services.confirmation.store import CANDIDATES_LIMIT, ByCodes, HistoryLine
from services.foundation.clock import Clock
from services.vocabulary.attributes import FourAttributes


class MemoryIdentity:
    """Both of the store's protocols over dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, Record] = {}
        self._aliases: dict[str, str] = {}
        self._formers: dict[str, set[FormerPair]] = {}
        self._lines: list[HistoryLine] = []

    async def load(self, codes: Collection[str]) -> Ledger:
        return Ledger(self._records, self._aliases)

    async def write(self, ledger: Ledger) -> None:
        self._records, self._aliases = dict(ledger.records), dict(ledger.aliases)
        for one in ledger.renames:
            self._formers.setdefault(one.present, set()).update(self._formers.pop(one.former, ()))
        for code, pairs in ledger.formers.items():
            self._formers.setdefault(code, set()).update(pairs)
        for row in ledger.rows:
            line = HistoryLine(len(self._lines) + 1, row.resident_code, row.reason.value, row.event_date, [*row.items])
            self._lines.append(line)

    async def by_codes(self, codes: Collection[str]) -> ByCodes:
        records = {code: self._standing(self._records[code]) for code in codes if code in self._records}
        return ByCodes(records, frozenset(set(codes) & set(self._aliases)))

    async def by_attributes(self, asked: Sequence[FourAttributes]) -> list[list[Candidate]]:
        return [self._candidates(one)[:CANDIDATES_LIMIT] for one in asked]

    async def changes(self, codes: Collection[str], since: int, limit: int) -> list[HistoryLine]:
        return [line for line in self._lines if line.resident_code in codes and line.position > since][:limit]

    def _candidates(self, asked: FourAttributes) -> list[Candidate]:
        pair = FormerPair(asked.name.folded, asked.address.folded)
        found = []
        for code, record in sorted(self._records.items()):
            if (record.held.birth_date, record.held.sex) == (asked.birth_date.iso(), int(asked.sex)):
                formerly = pair in self._formers.get(code, ())
                if formerly or record.held.name_folded == asked.name.folded:
                    found.append(Candidate(self._standing(record), formerly))
        return found

    def _standing(self, record: Record) -> Record:
        return standing_on(record, self._clock.now().astimezone(JAPAN).date())
