"""A receiver that dies before any one statement of its transaction, for every statement there is."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from services.foundation.exchange.inbox_store import InboxStore
from services.foundation.exchange.messages import Delivery
from tests.doubles.exchange import CrashPoint
from tests.doubles.receiving import Receiving, Transactions
from tests.streams import CITY, Stream

_MOST_STATEMENTS = 200


class Dying:
    """A store that dies before its `left`-th statement."""

    def __init__(self, store: InboxStore, left: int) -> None:
        self._store = store
        self._left = left

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        statement = getattr(self._store, name)

        async def run(*arguments: object) -> Any:
            self._left -= 1
            if self._left < 0:
                raise CrashPoint
            return await statement(*arguments)

        return run


class DyingTransactions:
    """Transactions of which each dies before its `left`-th statement, or before its commit."""

    def __init__(self, transactions: Transactions, left: int) -> None:
        self._transactions = transactions
        self._left = left

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InboxStore]:
        async with self._transactions.begin() as store:
            dying: Any = Dying(store, self._left)
            yield dying
            # A transaction that got here has a commit left to die before.
            await dying.lock()


async def receive_dying(node: Receiving, city: Stream, deliveries: list[Delivery], statement: int) -> bool:
    """Receives on a node that dies before this statement; tells whether it lived. The tier's state dies with it."""
    alive, tier = node.transactions, copy.deepcopy((node.tier.applied, node.tier.refused))
    node.transactions = DyingTransactions(alive, statement)
    try:
        await node.receive(CITY, deliveries, city.signer.certificates)
    except CrashPoint:
        node.tier.applied, node.tier.refused = tier
        return False
    finally:
        node.transactions = alive
    return True


async def test_a_receiver_that_dies_before_any_statement_has_kept_nothing(node: Receiving, city: Stream) -> None:
    """Quarantine, a correction, a wake-up and plain changes in one call, so that every statement comes up."""
    node.tier.refused = {"held": "", "in": "left"}
    node.tier.keys = {"out": "left"}
    await node.receive(CITY, [city.add("held", "a"), city.add("held", "b")], city.signer.certificates)
    deliveries = [city.add("in"), city.add("plain"), city.add("held2", "a", supersedes=1), city.add("out")]

    for statement in range(_MOST_STATEMENTS):
        if await receive_dying(node, city, deliveries, statement):
            break
        assert node.tier.applied == []
        assert await node.state_of(CITY, 1) == "QUARANTINED NOT_YET"
        assert await node.state_of(CITY, 3) == "ABSENT"

    assert 10 < statement < _MOST_STATEMENTS - 1
    assert sorted(code for code, _ in node.tier.applied) == ["held2", "in", "out", "plain"]
    assert await node.state_of(CITY, 2) == "QUARANTINED NOT_YET"
