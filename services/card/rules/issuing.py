"""In which steps a blank card becomes somebody's, told from what the card itself says of how far it is.

The card is the journal: each step is whole or not at all on it, so whoever goes on after a break looks at the card.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from services.card.refusals import CardNotBlank

OUR_KEYS = 0x30
"""Version of the issuer's own keys on a card; makers use others for the transport keys."""


class Life(Enum):
    """The states of a card; docs/specs/card.md, section 3."""

    ISSUED = 0x01
    PERSONALISED = 0x07
    ACTIVE = 0x0F
    LOCKED = 0x7F
    TERMINATED = 0xFF


class Step(Enum):
    """One step, done wholly in one session with the card."""

    REPLACE_KEYS = "replace-keys"
    """The maker's transport keys give way to keys that only this issuer can derive."""
    NAME_ISSUER = "name-issuer"
    """The card learns who issued it."""
    TRUST_TERMINALS = "trust-terminals"
    """The card learns by which authority terminals are certified."""
    MAKE_KEY = "make-key"
    """The card makes the key by which it proves itself, and is given a certificate for it."""
    INSTALL = "install"
    """The applications of its kind are installed."""
    WRITE = "write"
    """The resident's data and photograph, or the operator's key pair, are put in; the card is personalised."""
    HAND_OVER = "hand-over"
    """Its PINs are set by the holder, and it becomes active."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card tells of itself freely, and its applications where the issuer may ask."""

    life: Life
    key_versions: frozenset[int]
    issuer: str
    """Empty on a blank card."""
    trusts_terminals: bool
    is_certified: bool
    applications: frozenset[bytes]
    """Empty as long as the issuer's own keys are not on the card."""


def next_step(facts: Facts, wanted: frozenset[bytes], *, handed_over: bool) -> Step | None:
    """Returns the step that is next, None when all are done; `handed_over` says whether PINs are to be set now.

    Refuses CARD_NOT_BLANK for a card that is locked or ended.
    """
    if facts.life in (Life.LOCKED, Life.TERMINATED):
        raise CardNotBlank("put a blank card into the reader")
    if facts.life is Life.ACTIVE:
        return None
    if facts.life is Life.PERSONALISED:
        return Step.HAND_OVER if handed_over else None
    outstanding = {
        Step.REPLACE_KEYS: OUR_KEYS not in facts.key_versions,
        Step.NAME_ISSUER: not facts.issuer,
        Step.TRUST_TERMINALS: not facts.trusts_terminals,
        Step.MAKE_KEY: not facts.is_certified,
        Step.INSTALL: not wanted <= facts.applications,
        Step.WRITE: True,
    }
    return next(step for step, is_open in outstanding.items() if is_open)


def check_blank(facts: Facts) -> None:
    """Refuses CARD_NOT_BLANK unless nobody has begun to issue the card."""
    if facts.life is not Life.ISSUED or OUR_KEYS in facts.key_versions or facts.issuer:
        raise CardNotBlank("put a blank card into the reader")
