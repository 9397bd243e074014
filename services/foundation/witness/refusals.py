"""Every reason for which the witness room refuses."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class LogNotWitnessed(Refusal):
    """Too few witnesses have cosigned the node's log for too long, so nothing is answered; `seconds` says how long."""

    kind = Kind.UNREACHABLE
    reason = "LOG_NOT_WITNESSED"


class LogRolledBack(Refusal):
    """A witness holds a checkpoint, signed by this log's key, that the node's log does not continue; `what` says how.

    The database was put back to an earlier state, or the log was forked.
    """

    kind = Kind.WRONG_STATE
    reason = "LOG_ROLLED_BACK"


class WitnessUnusable(Refusal):
    """A witness did not answer, or with what is no answer; `what` says which."""

    kind = Kind.UNREACHABLE
    reason = "WITNESS_UNUSABLE"
