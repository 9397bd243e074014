"""What a receiver does with an envelope, decided from facts alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.foundation.exchange.envelope import NO_HASH, Opened
from services.foundation.exchange.refusals import Equivocation, HashLinkBroken, SequenceGap, SupersedesNothing


class State(StrEnum):
    """What became of a received envelope."""

    APPLIED = "APPLIED"
    """Its message is in the receiver's state; final."""
    QUARANTINED = "QUARANTINED"
    """Its message could not be applied; it holds back its line until it is retried or superseded."""
    WAITING = "WAITING"
    """It stands behind a quarantined envelope of its line."""
    SUPERSEDED = "SUPERSEDED"
    """Another envelope took its place, or it repeats one; final."""


class Verdict(StrEnum):
    """What a place in the stream means for an envelope that is otherwise in order."""

    NEXT = "NEXT"
    """It continues the stream."""
    DUPLICATE = "DUPLICATE"
    """It was received before."""


class Placing(StrEnum):
    """How an envelope joins its line."""

    TRY = "TRY"
    """Nothing is before it: apply it."""
    HOLD = "HOLD"
    """Something before it is held: wait."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a sender's stream was received: the last sequence without a gap, and the hash of that body."""

    sequence: int = 0
    hash: bytes = NO_HASH

    def after(self, opened: Opened) -> Cursor:
        """Returns the cursor once `opened` is received."""
        return Cursor(opened.sequence, opened.body_hash)


@dataclass(frozen=True, slots=True)
class Target:
    """The envelope that a correction names: its state, its line, its place in the line, and its origin."""

    sequence: int
    state: State
    line: str
    place: int
    origin: str


@dataclass(frozen=True, slots=True)
class Correction:
    """Where a correction stands: how it joins its line, at which place, and whether the named envelope gives way."""

    placing: Placing
    place: int
    replaces: bool


def judge(cursor: Cursor, opened: Opened, kept_hash: bytes | None) -> Verdict:
    """Decides on an envelope by its place; `kept_hash` is of the body received at that sequence, if one was.

    Refuses SEQUENCE_GAP with the sequence expected, HASH_LINK_BROKEN, and EQUIVOCATION.
    """
    if opened.sequence <= cursor.sequence:
        if kept_hash != opened.body_hash:
            raise Equivocation(
                "send the envelope that was sent before at this sequence",
                opened.sender,
                opened.sequence,
                kept_hash or NO_HASH,
                opened.body_hash,
            )
        return Verdict.DUPLICATE
    if opened.sequence > cursor.sequence + 1:
        raise SequenceGap("go on from the sequence expected", expected=cursor.sequence + 1)
    if opened.previous_hash != cursor.hash:
        raise HashLinkBroken(
            "link the envelope to the one before it", opened.sender, opened.sequence, cursor.hash, opened.body_hash
        )
    return Verdict.NEXT


def place_plain(sequence: int, held_places: list[int]) -> Placing:
    """Decides how an envelope joins a line where the envelopes at `held_places` are quarantined or wait."""
    return Placing.HOLD if any(place < sequence for place in held_places) else Placing.TRY


def place_correction(sequence: int, line: str, origin: str, target: Target, held_places: list[int]) -> Correction:
    """Decides where an envelope stands that supersedes `target`; `held_places` are those of its own line.

    In the target's line it takes the target's place. In another, as when the resident code itself was wrong, the
    target gives way and the correction stands where it came. Where the target was applied here, though not further
    on, or was replaced before, the correction is an envelope like others. Refuses SUPERSEDES_NOTHING when the target
    belongs to another origin.
    """
    if target.origin != origin:
        raise SupersedesNothing("supersede an envelope of your own", supersedes=target.sequence)
    if target.state in (State.APPLIED, State.SUPERSEDED):
        return Correction(place_plain(sequence, held_places), sequence, replaces=False)
    place = target.place if target.line == line else sequence
    others = [held for held in held_places if held != target.place or target.line != line]
    return Correction(place_plain(place, others), place, replaces=True)
