"""What a refusal is: a kind, a stable reason, a sentence, and facts; no transport in it, so rules may raise one."""

from __future__ import annotations

from enum import Enum, auto
from typing import ClassVar


class Kind(Enum):
    """What the caller should make of a refusal; each kind is one canonical gRPC code (AIP-193)."""

    MALFORMED = auto()
    """Never valid, whatever the state: fix the request."""
    DENIED = auto()
    """The caller may not: stop."""
    ABSENT = auto()
    """Permitted, but there is no such thing: check the name."""
    CONFLICT = auto()
    """The same thing exists already: read it."""
    WRONG_STATE = auto()
    """Valid, but not now: change the state first."""
    STALE = auto()
    """A race was lost: read again and retry."""
    LIMITED = auto()
    """Over a limit: wait as told."""
    UNREACHABLE = auto()
    """A neighbour or the store is down: retry with the same request id."""


class Refusal(Exception):  # noqa: N818 - a refusal is a value, named for what is the case
    """An answer of no: subclasses name what is the case and fix `kind` and `reason`.

    `facts` go to the caller as ErrorInfo metadata and to the log, so they never hold personal data.
    """

    kind: ClassVar[Kind] = Kind.MALFORMED
    reason: ClassVar[str] = "REFUSED"

    def __init__(self, advice: str, **facts: str | int) -> None:
        super().__init__(advice)
        self.advice = advice
        self.facts = {name: str(value) for name, value in facts.items()}


class FieldMalformed(Refusal):
    """A field's value is not of its form; `field` is its path, `form` the reason of the value that refused."""

    kind = Kind.MALFORMED
    reason = "FIELD_MALFORMED"


class FieldMissing(Refusal):
    """A REQUIRED field is empty; `fields` names them."""

    kind = Kind.MALFORMED
    reason = "FIELD_MISSING"


class RequestIdReused(Refusal):
    """The request id was used before for a request of other content."""

    kind = Kind.CONFLICT
    reason = "REQUEST_ID_REUSED"


class StoreUnreachable(Refusal):
    """The node's database cannot be reached or does not answer in time."""

    kind = Kind.UNREACHABLE
    reason = "STORE_UNREACHABLE"
