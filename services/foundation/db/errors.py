"""Which refusal an error of the database is, if it is one."""

from __future__ import annotations

import asyncpg
import sqlalchemy.exc
from asyncpg import exceptions as pg

from services.foundation.db.refusals import RaceLost
from services.foundation.refusals import Refusal, StoreUnreachable

_RACES = (
    pg.SerializationError,
    pg.DeadlockDetectedError,
    pg.LockNotAvailableError,
    pg.UniqueViolationError,
)
_UNREACHABLE = (
    ConnectionError,
    TimeoutError,
    sqlalchemy.exc.TimeoutError,
    pg.PostgresConnectionError,
    pg.CannotConnectNowError,
    pg.OperatorInterventionError,
    pg.InsufficientResourcesError,
    pg.IdleInTransactionSessionTimeoutError,
)


def refusal_of(error: BaseException) -> Refusal | None:
    """Returns the refusal that `error` is, RACE_LOST or STORE_UNREACHABLE, or None where it is a bug.

    A violated unique constraint is a lost race: whoever inserts has looked first.
    """
    cause = _cause(error)
    if isinstance(cause, _RACES):
        return RaceLost("read again and retry", sqlstate=str(getattr(cause, "sqlstate", "")))
    if isinstance(cause, _UNREACHABLE) or _is_gone(cause):
        return StoreUnreachable("retry with the same request id in a moment")
    return None


def _is_gone(cause: BaseException) -> bool:
    """Tells whether the driver found the connection gone without saying so."""
    if type(cause) is asyncpg.InterfaceError:
        # One class for misuse and for a closed connection; only the text tells them apart.
        return "closed" in str(cause)
    # A server that is killed sends a last error and never says that it is ready again. The driver then finds itself in
    # a state in which no statement can begin. Misuse of ours does not come so far: it is an InterfaceError before.
    return type(cause) is asyncpg.InternalClientError


def _cause(error: BaseException) -> BaseException:
    """Returns what the driver raised, below what SQLAlchemy wrapped around it."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
