"""Which purposes table is in force at a node: adopted by a signed order, kept, and the same as the other tier's."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.confirmation.pairwise import Pairwise
from services.confirmation.purposes import Purposes, parse_table
from services.confirmation.purposes_store import Kept, adopt, adopted, is_nonce_used, used_on
from services.confirmation.refusals import (
    PurposesNotReady,
    PurposesOrderRefused,
    PurposesTableRefused,
    PurposesVersionDiffers,
)
from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.purposes import PurposeTable
from services.confirmation.rules.quota import Meter
from services.foundation.audit.entry import AuditEntry
from services.foundation.audit.log import AuditLog
from services.foundation.clock import Clock
from services.foundation.db.engine import Database, raw
from services.foundation.orders import Administrator, Order, OrderRefused, load_administrators, open_order
from services.foundation.refusals import Refusal

TABLE_FILE = "table.json"
ORDER_FILE = "order.note"
ACTION = "ADOPT_PURPOSES"
"""Action of the order."""

_METHOD = "purposes/adopt"
"""What the audit log names in place of a method: no call brings a table."""
_NOT_YET = "NOT_YET"
_READY_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Adopted:
    """A table whose order verified."""

    order: Order
    note: str
    purposes: Purposes

    @classmethod
    def verified(cls, kept: Kept, administrators: Sequence[Administrator]) -> Adopted:
        """Verifies order and table; refuses PURPOSES_ORDER_REFUSED and PURPOSES_TABLE_REFUSED."""
        try:
            order = open_order(kept.note, administrators, ACTION)
        except OrderRefused as refusal:
            raise PurposesOrderRefused(refusal.advice, **refusal.facts) from None
        if order.target != f"sha256:{hashlib.sha256(kept.body).hexdigest()}":
            raise PurposesOrderRefused("bring the table that the order is about", form="OTHER_TABLE")
        return cls(order, kept.note, parse_table(kept.body))

    def same_as(self, number: int, version: str) -> bool:
        """Tells whether an order of this number for a table of this version is this one."""
        return (self.order.number, self.purposes.version) == (number, version)


class AdoptedPurposes:
    """The purposes of one node.

    `run` takes up what was adopted before, then whatever newer order the directory brings, each with its entry in the
    audit log in the same transaction. A file that is refused changes nothing while the node runs, and is recorded; a
    node does not start over one.
    """

    def __init__(
        self,
        directory: Path,
        administrators: Path,
        database: Database,
        log: AuditLog,
        clock: Clock,
        pairwise: Pairwise,
        *,
        reload: timedelta = timedelta(seconds=5),
        grace: timedelta = timedelta(seconds=300),
    ) -> None:
        self.meter = Meter()
        self._directory = directory
        self._administrators = administrators
        self._database = database
        self._log = log
        self._clock = clock
        self._pairwise = pairwise
        self._reload = reload
        self._grace = grace
        self._known: list[Adopted] = []
        self._present: tuple[Adopted, PurposeTable] | None = None
        self._seen: Kept | None = None
        self._told = ""
        self._differs_since: datetime | None = None
        self._ready = asyncio.Event()

    @property
    def newest(self) -> Adopted:
        """The newest adopted table, in force already or not; refuses PURPOSES_NOT_READY."""
        if not self._known:
            raise _not_ready()
        return self._known[-1]

    async def ready(self) -> None:
        """Waits for the first table; refuses PURPOSES_NOT_READY after a while."""
        if self._ready.is_set():
            return
        try:
            await asyncio.wait_for(self._ready.wait(), _READY_SECONDS)
        except TimeoutError:
            raise _not_ready() from None

    def current(self) -> PurposeTable:
        """Returns the table in force; refuses PURPOSES_NOT_READY."""
        today = self._clock.now().astimezone(JAPAN).date()
        for one in reversed(self._known):
            if one.order.effective_from <= today:
                if self._present is None or self._present[0] is not one:
                    self._present = (one, one.purposes.at(self._log.node.name, one.order.number))
                return self._present[1]
        raise _not_ready()

    def in_force(self) -> PurposeTable:
        """Returns the table to answer by; refuses PURPOSES_NOT_READY and PURPOSES_VERSION_DIFFERS."""
        if self._differs_since is not None and self._clock.now() - self._differs_since > self._grace:
            raise PurposesVersionDiffers("bring both tiers the same table", number=self.newest.order.number)
        return self.current()

    def compared(self, number: int, version: str) -> None:
        """Notes which table the tier above holds; from the first difference on the grace runs."""
        if self.newest.same_as(number, version):
            self._differs_since = None
        elif self._differs_since is None:
            self._differs_since = self._clock.now()
            _log.error("purposes.version_differs", extra={"sequence": self.newest.order.number, "expected": number})

    def shown(self, note: str) -> None:
        """Looks at the order that a tier below holds; if it is newer than this node's and holds, the grace runs.

        Whoever asks cannot stop this node but with an order that administrators signed. Refuses PURPOSES_ORDER_REFUSED.
        """
        if note == self.newest.note:
            return
        try:
            order = open_order(note, load_administrators(self._administrators), ACTION)
        except OrderRefused as refusal:
            raise PurposesOrderRefused(refusal.advice, **refusal.facts) from None
        if order.number > self.newest.order.number:
            self.compared(order.number, order.target.removeprefix("sha256:"))

    async def run(self) -> None:
        """Takes up what was adopted, then looks for newer orders until it is cancelled.

        Refuses PURPOSES_ORDER_REFUSED and PURPOSES_TABLE_REFUSED for what lies in the directory at the start.
        """
        await self._take_up()
        self._seen = await self._read()
        await self._adopt(self._seen)
        self._ready.set()
        while True:
            await asyncio.sleep(self._reload.total_seconds())
            await self._look()

    async def _look(self) -> None:
        """Adopts what is new; what is refused is recorded once, and what may yet hold is tried again."""
        found = None
        try:
            found = await self._read()
            if found != self._seen:
                await self._adopt(found)
            self._seen, self._told = found, ""
        except (PurposesOrderRefused, PurposesTableRefused) as refusal:
            form = refusal.facts.get("form", "")
            if form != _NOT_YET:
                await self._tell_refused(refusal, found)
        except Refusal as refusal:
            _log.error("purposes.not_adopted", extra={"reason": refusal.reason})

    async def _tell_refused(self, refusal: Refusal, found: Kept | None) -> None:
        told = f"{refusal.reason} {refusal.facts}"
        if told == self._told and found is None:
            return
        _log.error("purposes.not_adopted", extra={"reason": refusal.reason, "kind": refusal.facts.get("form", "")})
        note = "" if found is None else found.note
        try:
            async with self._database.lane() as lane:
                entry = self._entry(self.newest.order, note, f"REFUSED:{refusal.reason}")
                await self._log.append(lane.connection, [entry])
        except Refusal as failure:
            # Not on record yet, so it is not seen yet: the next look comes to the same.
            _log.error("purposes.not_adopted", extra={"reason": failure.reason})
            return
        self._told = told
        self._seen = found or self._seen

    async def _take_up(self) -> None:
        administrators = load_administrators(self._administrators)
        today = self._clock.now().astimezone(JAPAN).date()
        async with self._database.lane() as lane:
            kept = await adopted(lane.connection)
            self.meter.restore(today, await used_on(lane.connection, today))
        # Tables before the one in force are history: their administrators may have left since.
        for one in reversed(kept):
            known = Adopted.verified(one, administrators)
            self._known.insert(0, known)
            if known.order.effective_from <= today:
                break
        await self._prepare()

    async def _read(self) -> Kept:
        return await asyncio.to_thread(read_kept, self._directory)

    async def _adopt(self, found: Kept) -> None:
        if self._known and found.note == self._known[-1].note:
            return
        new = Adopted.verified(found, load_administrators(self._administrators))
        if self._known and new.order.number <= self._known[-1].order.number:
            raise PurposesOrderRefused(
                "bring a newer order than the one in force", form="OLDER", number=self._known[-1].order.number
            )
        try:
            new.order.check_timely(self._clock.now())
        except OrderRefused as refusal:
            raise PurposesOrderRefused(refusal.advice, **refusal.facts) from None
        async with self._database.begin() as transaction:
            connection = await raw(transaction)
            if await is_nonce_used(connection, new.order.nonce):
                raise PurposesOrderRefused("sign an order with a nonce of its own", form="REPLAYED")
            await adopt(connection, new.order.number, new.order.nonce, found)
            await self._log.append(connection, [self._entry(new.order, new.note)])
        # If the node dies here, the table is adopted and on record; the next start takes it up.
        self._known.append(new)
        self._differs_since = None
        await self._prepare()
        _log.info("purposes.adopted", extra={"sequence": new.order.number, "version": new.purposes.version})

    async def _prepare(self) -> None:
        grants = [grant for one in self._known for grant in one.purposes.at(self._log.node.name).grants.values()]
        await asyncio.to_thread(self._pairwise.prepare, grants)

    def _entry(self, order: Order, note: str, result: str = "ALLOW") -> AuditEntry:
        return AuditEntry(
            node=self._log.node.name,
            time=self._clock.now().astimezone(UTC),
            request_id=order.nonce,
            caller=self._log.node.uri,
            method=_METHOD,
            action="PURPOSES_ADOPTED",
            result=result,
            case=f"purposes/{order.number}",
            count=1 if result == "ALLOW" else 0,
            assertion=hashlib.sha256(note.encode()).hexdigest(),
        )


def read_kept(directory: Path) -> Kept:
    """Reads a table and its order; refuses PURPOSES_TABLE_REFUSED for a file that is not there."""
    try:
        return Kept((directory / ORDER_FILE).read_text("utf-8"), (directory / TABLE_FILE).read_bytes())
    except (OSError, UnicodeDecodeError):
        files = f"{TABLE_FILE} {ORDER_FILE}"
        raise PurposesTableRefused("put table and order there: `python -m tools.purposes`", file=files) from None


def _not_ready() -> PurposesNotReady:
    return PurposesNotReady("ask again in a moment, or adopt a table that is in force")
