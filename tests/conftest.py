"""Fixtures that several folders need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import MakeDatabase, database_factory, running_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A superuser's address of the server that tests make databases on."""
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def make_database(postgres_server: str) -> Iterator[MakeDatabase]:
    """A function from a short name to a fresh, empty database; it may be called from any fixture or test."""
    with database_factory(postgres_server) as make:
        yield make
