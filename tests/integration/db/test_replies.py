"""Stored replies: a repeated request repeats its reply and not its act."""

from __future__ import annotations

import asyncio

import pytest

from services.foundation.db.engine import Database
from services.foundation.db.replies import store_reply, stored_reply
from services.foundation.refusals import RequestIdReused

KEY = ("municipal/131016", "/juki.X/Act", "a2b7f7ce-0d1c-4f3e-9d5c-0a4b6f0c1d2e")


async def act(database: Database, reply: bytes, *, request: bytes = b"request", pause: float = 0.0) -> bytes:
    async with database.begin() as connection:
        stored = await stored_reply(connection, *KEY, request)
        if stored is not None:
            return stored
        await asyncio.sleep(pause)
        await store_reply(connection, *KEY, reply)
    return reply


async def test_a_repeated_request_gets_the_first_reply(database: Database) -> None:
    assert await act(database, b"first") == b"first"

    assert await act(database, b"second") == b"first"


async def test_of_two_at_once_the_second_waits_and_gets_the_first_reply(database: Database) -> None:
    replies = await asyncio.gather(*(act(database, b"%d" % n, pause=0.05) for n in range(4)))

    assert len(set(replies)) == 1


async def test_a_request_whose_act_failed_may_be_tried_again(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
        async with database.begin() as connection:
            await stored_reply(connection, *KEY, b"request")
            raise ZeroDivisionError

    assert await act(database, b"second") == b"second"


async def test_the_same_id_for_another_request_is_refused(database: Database) -> None:
    await act(database, b"first")

    with pytest.raises(RequestIdReused):
        await act(database, b"second", request=b"other")


async def test_an_act_that_commits_without_its_reply_is_a_bug(database: Database) -> None:
    async with database.begin() as connection:
        await stored_reply(connection, *KEY, b"request")

    with pytest.raises(RuntimeError):
        await act(database, b"late")
