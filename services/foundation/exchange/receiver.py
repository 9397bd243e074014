"""How envelopes that arrive are applied, held and released; takes a store, so that it runs without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.foundation.exchange.arrivals import Arrival, Gatekeeper
from services.foundation.exchange.inbox_store import InboxRow, InboxStore
from services.foundation.exchange.messages import Accepted, Applied, Apply, Held, Outcome, ReceiveResult
from services.foundation.exchange.refusals import (
    UNTRUSTED,
    AlarmingRefusal,
    BehindQuarantined,
    EnvelopeNotHeld,
    Equivocation,
    RelayedBefore,
    SupersedesNothing,
)
from services.foundation.exchange.rules import (
    Correction,
    Cursor,
    Placing,
    State,
    Target,
    Verdict,
    judge,
    place_correction,
    place_plain,
)
from services.foundation.refusals import Refusal

HELD = (State.QUARANTINED, State.WAITING)
"""The states of an envelope that was received and not applied, and still may be."""

_SUPERSEDED = "SUPERSEDED"


class Receiver:
    """The work of one receiving transaction, on a store bound to it; use once."""

    def __init__(self, store: InboxStore, gatekeeper: Gatekeeper, apply: Apply) -> None:
        self._store = store
        self._gatekeeper = gatekeeper
        self._apply = apply
        self._run: list[Arrival] = []
        self._pending: list[InboxRow] = []
        self._held_places: dict[str, list[int]] = {}
        self._applied: list[Accepted] = []
        self._keys: list[str] = []
        self._held: dict[tuple[str, int], Held] = {}

    async def receive(self, sender: str, arrivals: Sequence[Arrival]) -> ReceiveResult:
        """Applies what is new of verified arrivals, each once and in the order of its line.

        Refuses the call, with nothing kept, with SEQUENCE_GAP, HASH_LINK_BROKEN or EQUIVOCATION.
        """
        await self._store.lock()
        cursor = await self._store.cursor(sender)
        fresh = await self._fresh(sender, cursor, arrivals)
        if fresh:
            await self._take(sender, fresh)
            cursor = cursor.after(fresh[-1].outer)
            await self._store.move_cursor(sender, cursor)
            await self._wake()
        here = {arrival.outer.sequence for arrival in fresh}
        held = tuple(held for key, held in self._held.items() if key[0] == sender and key[1] in here)
        return ReceiveResult(cursor, tuple(self._applied), held, len(arrivals) - len(fresh))

    async def retry(self, sender: str, sequence: int) -> ReceiveResult:
        """Tries a held envelope's line again from its head; refuses ENVELOPE_NOT_HELD."""
        await self._store.lock()
        row = await self._store.find(sender, sequence)
        if row is None or row.state not in HELD:
            raise EnvelopeNotHeld("list what is held", sender=sender, sequence=sequence)
        await self._release(row)
        await self._wake()
        rest = await self._store.held_in_line(sender, row.line) if row.line else ()
        held = tuple(_held(each) for each in rest) or tuple(self._held.values())
        return ReceiveResult(await self._store.cursor(sender), tuple(self._applied), held, 0)

    async def wake(self, keys: Sequence[str]) -> ReceiveResult:
        """Tries the envelopes again, of whatever sender, that wait for one of these keys."""
        await self._store.lock()
        self._keys.extend(keys)
        await self._wake()
        return ReceiveResult(Cursor(), tuple(self._applied), tuple(self._held.values()), 0)

    async def _fresh(self, sender: str, cursor: Cursor, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Returns the arrivals that continue the stream."""
        old = [arrival.outer.sequence for arrival in arrivals if arrival.outer.sequence <= cursor.sequence]
        kept = dict(await self._store.kept_hashes(sender, old)) if old else {}
        fresh = []
        for arrival in arrivals:
            outer = arrival.outer
            if judge(cursor, outer, kept.get(outer.sequence)) is Verdict.NEXT:
                fresh.append(arrival)
                cursor = cursor.after(outer)
                kept[outer.sequence] = outer.body_hash
        return fresh

    async def _take(self, sender: str, fresh: Sequence[Arrival]) -> None:
        lines = sorted({arrival.line for arrival in fresh if arrival.line})
        self._held_places = {line: list(places) for line, places in (await self._held_of(sender, lines)).items()}
        relayed = [_origin(arrival) for arrival in fresh if arrival.origin is not arrival.outer]
        known = dict(await self._store.relayed_hashes(relayed)) if relayed else {}
        for arrival in fresh:
            before = known.get(_origin(arrival))
            if arrival.origin is not arrival.outer and arrival.fault is None:
                known.setdefault(_origin(arrival), arrival.origin.body_hash)
            await self._take_one(sender, arrival, before)
        await self._flush()
        await self._keep_pending()

    async def _take_one(self, sender: str, arrival: Arrival, relayed_before: bytes | None) -> None:
        """Gives one arrival its place: applied with the run that collects, held, or skipped."""
        outer, line = arrival.outer, arrival.line
        if arrival.fault is not None:
            await self._quarantine(arrival, arrival.fault)
        elif relayed_before == arrival.origin.body_hash:
            self._keep(_row(arrival, State.SUPERSEDED, RelayedBefore.reason))
        elif relayed_before is not None:
            await self._quarantine(arrival, _equivocation(arrival, relayed_before))
        elif outer.supersedes:
            await self._flush()
            await self._keep_pending()
            await self._correct(sender, arrival)
        else:
            if any(waiting.line == line for waiting in self._run):
                await self._flush()
            if place_plain(outer.sequence, self._held_places.get(line, [])) is Placing.HOLD:
                self._keep(_row(arrival, State.WAITING, BehindQuarantined.reason))
            else:
                self._run.append(arrival)

    async def _flush(self) -> None:
        """Applies the run: neighbours in the stream, no two of one line."""
        run, self._run = self._run, []
        if not run:
            return
        for arrival, outcome in zip(run, await self._outcomes(run), strict=True):
            self._keep(self._settled(_row(arrival, State.WAITING, ""), outcome))

    async def _correct(self, sender: str, arrival: Arrival) -> None:
        """Lets a correction take the place of the envelope that it supersedes, and releases what waited behind that."""
        target = await self._store.find(sender, arrival.outer.supersedes)
        if target is None:
            raise RuntimeError("the inbox has a gap below its cursor")
        try:
            correction = self._placed(arrival, target)
        except SupersedesNothing as refusal:
            await self._quarantine(arrival, refusal)
            return
        if correction.replaces:
            await self._settle(replace(target, state=State.SUPERSEDED, reason=_SUPERSEDED, wait_key=""))
        row = replace(_row(arrival, State.WAITING, BehindQuarantined.reason), place=correction.place)
        self._keep(row)
        await self._keep_pending()
        if correction.placing is Placing.TRY:
            await self._release(row)
        if correction.replaces and target.line and target.line != row.line:
            await self._release(target)
        lines = [line for line in (row.line, target.line) if line]
        held = await self._held_of(sender, lines)
        self._held_places.update({line: list(held.get(line, [])) for line in lines})

    def _placed(self, arrival: Arrival, target: InboxRow) -> Correction:
        return place_correction(
            arrival.outer.sequence,
            arrival.line,
            arrival.origin.sender,
            Target(target.sequence, target.state, target.line, target.place, target.origin_sender),
            self._held_places.get(arrival.line, []),
        )

    async def _wake(self) -> None:
        """Tries again what waits for the keys that were made true, until nothing more comes of it."""
        while self._keys:
            keys, self._keys = sorted(set(self._keys)), []
            for row in await self._store.waiting_for(keys):
                await self._release(row)

    async def _release(self, row: InboxRow) -> None:
        """Applies the held envelopes of `row`'s line in order, until one is refused."""
        if row.line:
            line = await self._store.held_in_line(row.sender, row.line)
        else:
            present = await self._store.find(row.sender, row.sequence)
            line = [present] if present is not None and present.state in HELD else []
        for held in line:
            settled = await self._retried(held)
            await self._settle(settled)
            if settled.state in HELD:
                return

    async def _retried(self, held: InboxRow) -> InboxRow:
        """Applies a held envelope whose turn it is, and returns its row with what became of it."""
        arrival = await self._gatekeeper.reopen(self._store, held)
        if arrival.fault is None and arrival.origin is not arrival.outer:
            kept = (await self._store.relayed_hashes([_origin(arrival)])).get(_origin(arrival))
            if kept is not None and kept != arrival.origin.body_hash:
                return self._settled(held, _equivocation(arrival, kept))
            if kept is not None and held.reason in UNTRUSTED:
                # It came again, and was trusted, while this one was not.
                return replace(held, state=State.SUPERSEDED, reason=RelayedBefore.reason, wait_key="")
        outcome = arrival.fault or (await self._outcomes([arrival]))[0]
        return self._settled(held, outcome)

    async def _outcomes(self, arrivals: Sequence[Arrival]) -> Sequence[Outcome]:
        accepted = [
            Accepted(each.outer.sender, each.outer.sequence, each.origin, each.line, each.traceparent)
            for each in arrivals
        ]
        outcomes = await self._apply(accepted)
        if len(outcomes) != len(accepted):
            raise RuntimeError("the tier must answer one outcome for each envelope")
        for one, outcome in zip(accepted, outcomes, strict=True):
            if isinstance(outcome, Applied):
                self._applied.append(one)
                self._keys.extend(outcome.keys)
        return outcomes

    def _settled(self, row: InboxRow, outcome: Outcome) -> InboxRow:
        if isinstance(outcome, Applied):
            return replace(row, state=State.APPLIED, reason="", wait_key="")
        wait_key = outcome.facts.get("wait_key", "")
        return replace(row, state=State.QUARANTINED, reason=outcome.reason, wait_key=wait_key)

    async def _quarantine(self, arrival: Arrival, refusal: Refusal) -> None:
        if isinstance(refusal, AlarmingRefusal):
            await self._store.raise_alarm(refusal.evidence)
        self._keep(self._settled(_row(arrival, State.WAITING, ""), refusal))

    def _keep(self, row: InboxRow) -> None:
        self._pending.append(row)
        self._note(row)
        if row.state in HELD and row.line:
            self._held_places.setdefault(row.line, []).append(row.place)

    async def _keep_pending(self) -> None:
        rows, self._pending = self._pending, []
        if rows:
            await self._store.add(rows)

    async def _settle(self, row: InboxRow) -> None:
        await self._store.settle([row])
        self._note(row)

    def _note(self, row: InboxRow) -> None:
        self._held.pop((row.sender, row.sequence), None)
        if row.state in HELD:
            self._held[row.sender, row.sequence] = _held(row)

    async def _held_of(self, sender: str, lines: Sequence[str]) -> dict[str, list[int]]:
        return dict(await self._store.held_places(sender, lines)) if lines else {}


def _origin(arrival: Arrival) -> tuple[str, int]:
    return (arrival.origin.sender, arrival.origin.sequence)


def _equivocation(arrival: Arrival, kept_hash: bytes) -> Equivocation:
    origin = arrival.origin
    return Equivocation(
        "relay the envelope that was relayed before", origin.sender, origin.sequence, kept_hash, origin.body_hash
    )


def _held(row: InboxRow) -> Held:
    return Held(row.sender, row.sequence, row.reason)


def _row(arrival: Arrival, state: State, reason: str) -> InboxRow:
    outer, origin = arrival.outer, arrival.origin
    return InboxRow(
        sender=outer.sender,
        sequence=outer.sequence,
        envelope=outer.envelope,
        body_hash=outer.body_hash,
        origin_sender=origin.sender,
        origin_sequence=origin.sequence,
        origin_hash=origin.body_hash,
        line=arrival.line,
        place=outer.sequence,
        state=state,
        reason=reason,
        wait_key="",
        traceparent=arrival.traceparent,
    )
