"""A move between two municipalities through the real inbox: signed streams in, one record out, nothing left held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.confirmation.applying import Applier
from services.confirmation.rules.record import ReportedChange
from services.foundation.db.engine import Database
from services.foundation.exchange.envelope import NO_HASH, EnvelopeSigner
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.messages import Delivery, ReceiveResult
from services.foundation.exchange.tables import create_exchange
from services.foundation.identity import node_id
from services.vocabulary.change import ChangeReason
from tests.databases import DatabaseUrls
from tests.integration.confirmation.test_applying import KEY, event_of
from tests.streams import FixedClock, Pki, signers_of
from tests.unit.confirmation.makers import CHIYODA, HACHIOJI, NOW, attributes, change, code

PKI = Pki("13.juki.example")
CHUO = "131024"
THERE = attributes(address="東京都八王子市元本郷町三丁目24番1号")


class Sending:
    """A municipality that sends changes to the prefecture under test, each its own call."""

    def __init__(self, municipality: str, inbox: Inbox) -> None:
        self.node = node_id(f"municipal/{municipality}", "juki.example")
        self.signer: EnvelopeSigner = PKI.signer(self.node)
        self.inbox = inbox
        self.sequence, self.hash = 0, NO_HASH

    async def send(self, *changes: ReportedChange) -> ReceiveResult:
        deliveries = []
        for one in changes:
            sealed = self.signer.seal(self.sequence + 1, self.hash, change=event_of(one).SerializeToString())
            self.sequence, self.hash = sealed.sequence, sealed.body_hash
            deliveries.append(Delivery(sealed.envelope))
        result, _ = await self.inbox.deliver(self.node, deliveries, self.signer.certificates, nothing_more)
        return result


async def nothing_more(_connection: AsyncConnection, _result: ReceiveResult) -> None:
    """Ends the transaction as it is."""


@pytest.fixture
async def inbox(database: DatabaseUrls) -> AsyncIterator[Inbox]:
    owner = await asyncpg.connect(database.owner)
    statements: list[str] = []
    create_exchange(statements.append, database.app_role)
    for statement in statements:
        await owner.execute(statement)
    await owner.close()
    store = Database(database.app, 2)
    applier = Applier(FixedClock(NOW), KEY, "13")
    yield Inbox(store, signers_of(PKI), applier.line_of, applier.apply)
    await store.close()


async def state(database: DatabaseUrls) -> list[tuple[str, str, str]]:
    connection = await asyncpg.connect(database.app)
    rows = await connection.fetch("SELECT resident_code, municipality_code, state FROM identity_record")
    held = await connection.fetchval("SELECT count(*) FROM inbox WHERE state IN ('QUARANTINED', 'WAITING')")
    await connection.close()
    assert held == 0
    return [tuple(row) for row in rows]


def reasons(result: ReceiveResult) -> Sequence[str]:
    return [held.reason for held in result.held]


async def test_an_entry_that_comes_early_is_applied_when_the_departure_arrives(
    database: DatabaseUrls, inbox: Inbox
) -> None:
    origin, destination = Sending(CHIYODA, inbox), Sending(HACHIOJI, inbox)
    await origin.send(change(ChangeReason.BIRTH))
    early = await destination.send(
        change(ChangeReason.MOVE_IN, HACHIOJI, minutes=2, held=THERE),
        change(ChangeReason.NAME_CHANGE, HACHIOJI, minutes=3, held=THERE),
    )

    departure = await origin.send(change(ChangeReason.MOVE_OUT, minutes=1))

    assert reasons(early) == ["RESIDENT_LIVE_ELSEWHERE", "BEHIND_QUARANTINED"]
    assert len(departure.applied) == 3
    assert await state(database) == [(code(), HACHIOJI, "LIVE")]


async def test_a_whole_tenure_that_comes_late_is_history(database: DatabaseUrls, inbox: Inbox) -> None:
    origin, destination = Sending(CHIYODA, inbox), Sending(HACHIOJI, inbox)
    await destination.send(change(ChangeReason.MOVE_IN, HACHIOJI, minutes=9, held=THERE))

    late = await origin.send(
        change(ChangeReason.BIRTH), change(ChangeReason.RELOCATION, minutes=1), change(ChangeReason.MOVE_OUT, minutes=2)
    )

    assert reasons(late) == []
    assert await state(database) == [(code(), HACHIOJI, "LIVE")]


async def test_one_residents_held_line_does_not_hold_anothers(database: DatabaseUrls, inbox: Inbox) -> None:
    origin, destination = Sending(CHIYODA, inbox), Sending(HACHIOJI, inbox)
    await origin.send(change(ChangeReason.BIRTH))

    result = await destination.send(
        change(ChangeReason.MOVE_IN, HACHIOJI, minutes=2), change(ChangeReason.BIRTH, HACHIOJI, about=code(2))
    )

    assert reasons(result) == ["RESIDENT_LIVE_ELSEWHERE"]
    assert len(result.applied) == 1


async def test_changes_after_a_change_of_code_follow_it(database: DatabaseUrls, inbox: Inbox) -> None:
    origin = Sending(CHIYODA, inbox)

    result = await origin.send(
        change(ChangeReason.BIRTH),
        change(ChangeReason.CODE_CHANGE_REQUESTED, minutes=1, about=code(2), former_code=code()),
        change(ChangeReason.DEATH, minutes=2, about=code(2)),
    )

    assert reasons(result) == []
    assert await state(database) == [(code(2), CHIYODA, "DECEASED")]


async def test_a_departure_under_a_new_code_waits_for_the_entry_that_is_held_under_the_former(
    database: DatabaseUrls, inbox: Inbox
) -> None:
    first, second, third = (Sending(each, inbox) for each in (CHIYODA, HACHIOJI, CHUO))
    await first.send(change(ChangeReason.BIRTH))
    await second.send(
        change(ChangeReason.MOVE_IN, HACHIOJI, minutes=2, held=THERE),
        change(ChangeReason.CODE_CHANGE_REQUESTED, HACHIOJI, minutes=3, about=code(2), former_code=code(), held=THERE),
        change(ChangeReason.MOVE_OUT, HACHIOJI, minutes=4, about=code(2), held=THERE),
    )
    await third.send(change(ChangeReason.MOVE_IN, CHUO, minutes=5, about=code(2)))

    await first.send(change(ChangeReason.MOVE_OUT, minutes=1))

    assert await state(database) == [(code(2), CHUO, "LIVE")]


async def test_what_waits_for_a_code_that_is_given_up_waits_for_the_code_that_followed(
    database: DatabaseUrls, inbox: Inbox
) -> None:
    first, second, third = (Sending(each, inbox) for each in (CHIYODA, HACHIOJI, CHUO))
    await first.send(change(ChangeReason.BIRTH))
    await second.send(
        change(ChangeReason.MOVE_IN, HACHIOJI, minutes=2, held=THERE),
        change(ChangeReason.CODE_CHANGE_REQUESTED, HACHIOJI, minutes=3, about=code(2), former_code=code(), held=THERE),
        change(ChangeReason.MOVE_OUT, HACHIOJI, minutes=4, about=code(2), held=THERE),
    )
    await third.send(
        change(ChangeReason.MOVE_IN, CHUO, minutes=5, about=code(2)),
        change(ChangeReason.CODE_CHANGE_REQUESTED, CHUO, minutes=6, about=code(3), former_code=code(2)),
    )

    await first.send(change(ChangeReason.MOVE_OUT, minutes=1))

    assert await state(database) == [(code(3), CHUO, "LIVE")]
