"""What the receiving side keeps, as the rules see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.foundation.exchange.refusals import Evidence
from services.foundation.exchange.rules import Cursor, State
from services.foundation.exchange.signers import SignerStore


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A received envelope and what became of it."""

    sender: str
    sequence: int
    envelope: bytes = field(repr=False)
    body_hash: bytes
    origin_sender: str
    origin_sequence: int
    origin_hash: bytes
    line: str
    """Empty when the message could not be read: nothing waits behind it."""
    place: int
    """Where it stands in its line: its sequence, or that of the envelope whose place it took."""
    state: State
    reason: str
    """Why it is not applied; empty when it is."""
    wait_key: str
    """What would let it be applied; empty when that is not known."""
    traceparent: str


class InboxStore(SignerStore, Protocol):
    """One transaction on what was received; everything in it happens, or nothing."""

    async def lock(self) -> None:
        """Keeps every other receiving transaction of this node waiting until this one ends."""
        ...

    async def cursor(self, sender: str) -> Cursor:
        """Returns how far the sender's stream was received."""
        ...

    async def move_cursor(self, sender: str, cursor: Cursor) -> None:
        """Sets how far the sender's stream was received."""
        ...

    async def kept_hashes(self, sender: str, sequences: Sequence[int]) -> Mapping[int, bytes]:
        """Returns the hashes of the bodies received at these sequences."""
        ...

    async def relayed_hashes(self, origins: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], bytes]:
        """Returns the hashes of the bodies received, inside others, of these origins at these of their sequences.

        Those held for a reason in NOT_KEPT do not count: nobody knows whose they are, or another was there before.
        """
        ...

    async def held_places(self, sender: str, lines: Sequence[str]) -> Mapping[str, list[int]]:
        """Returns, for each of these lines that is held, the places of its quarantined and waiting envelopes."""
        ...

    async def held_in_line(self, sender: str, line: str) -> Sequence[InboxRow]:
        """Returns the quarantined and waiting envelopes of a line, in the order of their places."""
        ...

    async def find(self, sender: str, sequence: int) -> InboxRow | None:
        """Returns what was received at this place of the sender's stream."""
        ...

    async def waiting_for(self, keys: Sequence[str]) -> Sequence[InboxRow]:
        """Returns the quarantined envelopes of any sender that wait for one of these keys, first received first."""
        ...

    async def add(self, rows: Sequence[InboxRow]) -> None:
        """Keeps newly received envelopes."""
        ...

    async def settle(self, rows: Sequence[InboxRow]) -> None:
        """Writes place, state, reason and wait key of envelopes that were kept before."""
        ...

    async def raise_alarm(self, evidence: Evidence) -> None:
        """Keeps an alarm; the same one is kept once."""
        ...
