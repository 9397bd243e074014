"""Which states a card passes through, and from which to which."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """The card's life cycle; values are those of GlobalPlatform 2.3 §5.1.1."""

    ISSUED = 0x01
    """Made, with keys of its issuer; nobody's yet."""
    PERSONALISED = 0x07
    """Holds a person's data; keys may be proved, nothing else used."""
    ACTIVE = 0x0F
    """Handed over; everything works under its own access conditions."""
    LOCKED = 0x7F
    """Lost or withheld; only the issuer can unlock or end it."""
    TERMINATED = 0xFF
    """Erased; nothing leads out of it."""


_NEXT = frozenset(
    {
        (State.ISSUED, State.PERSONALISED),
        (State.ISSUED, State.TERMINATED),
        (State.PERSONALISED, State.ACTIVE),
        (State.PERSONALISED, State.TERMINATED),
        (State.ACTIVE, State.LOCKED),
        (State.ACTIVE, State.TERMINATED),
        (State.LOCKED, State.ACTIVE),
        (State.LOCKED, State.TERMINATED),
    }
)


def leads(now: State, to: State) -> bool:
    """Tells whether a card may go from one state to the other."""
    return (now, to) in _NEXT


OPEN = frozenset({State.ISSUED, State.PERSONALISED, State.ACTIVE})
"""The states in which applications can be selected, installed and written by the issuer."""
