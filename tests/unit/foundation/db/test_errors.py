"""Which errors of the driver say that the database is away, and which are bugs of ours."""

from __future__ import annotations

import asyncpg
import pytest

from services.foundation.db.errors import refusal_of

_AWAY = [
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError('cannot switch to state 11; protocol is in the "failed" state'),
    asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    ConnectionRefusedError(),
    TimeoutError(),
]
_BUGS = [
    asyncpg.InterfaceError("the server expects 1 argument for this query, 2 were passed"),
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
    asyncpg.ProtocolError("unexpected message"),
    asyncpg.UndefinedColumnError("column does not exist"),
    ValueError("closed"),
]


@pytest.mark.parametrize("error", _AWAY, ids=lambda error: type(error).__name__)
def test_a_database_that_is_away_is_unreachable(error: Exception) -> None:
    refusal = refusal_of(error)

    assert refusal is not None
    assert refusal.reason == "STORE_UNREACHABLE"


@pytest.mark.parametrize("error", _BUGS, ids=lambda error: type(error).__name__)
def test_a_bug_of_ours_is_no_refusal(error: Exception) -> None:
    assert refusal_of(error) is None
