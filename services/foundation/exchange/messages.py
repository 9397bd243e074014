"""What passes between the exchange and the tier that uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from services.foundation.exchange.envelope import Opened
from services.foundation.exchange.rules import Cursor
from services.foundation.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Delivery:
    """An envelope under way, serialized, and the W3C trace context of the act that made it."""

    envelope: bytes = field(repr=False)
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A verified envelope whose turn on its line it is."""

    sender: str
    """Short name of the peer that delivered it."""
    sequence: int
    """Place in that peer's stream."""
    origin: Opened
    """The innermost envelope, signed by the node whose change it reports."""
    line: str
    """The line of order that the tier gave it; holds no personal data in clear."""
    traceparent: str
    """Trace context to go on with, also in what is relayed."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The tier has applied an envelope; envelopes of any sender that wait for one of `keys` are tried again."""

    keys: tuple[str, ...] = ()


Outcome: TypeAlias = Applied | Refusal
"""What a tier answers for one envelope.

A refusal quarantines it; the fact `wait_key`, if it has one, names what would let it be applied, without personal data
in clear.
"""

Apply: TypeAlias = Callable[[Sequence[Accepted]], Awaitable[Sequence[Outcome]]]
"""Applies envelopes in order, no two of one line, and answers one outcome each; what is refused must leave no trace."""

LineOf: TypeAlias = Callable[[Opened], str]
"""Names the line of order of an innermost envelope; may refuse a message that it cannot read."""


@dataclass(frozen=True, slots=True)
class Held:
    """An envelope that was received and not applied."""

    sender: str
    sequence: int
    reason: str
    """The reason for which applying refused, or BEHIND_QUARANTINED."""


@dataclass(frozen=True, slots=True)
class ReceiveResult:
    """What became of the envelopes of a call."""

    cursor: Cursor
    """How far the sender's stream is received."""
    applied: tuple[Accepted, ...]
    """In the order in which they were applied; also those that were held before and applied now."""
    held: tuple[Held, ...]
    """Those of this call that are held at its end."""
    duplicates: int
    """How many of this call were received before."""
