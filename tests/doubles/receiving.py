"""A receiving node around any store, as the contract suite and the simulation drive it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.foundation.exchange.arrivals import Gatekeeper, open_all, signer_hashes
from services.foundation.exchange.inbox_store import InboxStore
from services.foundation.exchange.messages import Delivery, ReceiveResult
from services.foundation.exchange.receiver import Receiver
from services.foundation.exchange.signers import Signers
from services.foundation.identity import NodeId
from tests.streams import Tier, line_of


class Transactions(Protocol):
    """Anything that opens a receiving transaction."""

    def begin(self) -> AbstractAsyncContextManager[InboxStore]: ...


class Receiving:
    """A node that receives; its tier applies in memory."""

    def __init__(self, transactions: Transactions, signers: Signers, tier: Tier) -> None:
        self.transactions = transactions
        self.signers = signers
        self.tier = tier
        self._gatekeeper = Gatekeeper(signers, line_of)

    async def receive(
        self, sender: NodeId, deliveries: Sequence[Delivery], certificates: Sequence[bytes] = ()
    ) -> ReceiveResult:
        parcels = open_all(deliveries)
        for given in (certificates, ()):
            async with self.transactions.begin() as store:
                await self.signers.introduce(store, signer_hashes(parcels), given)
        arrivals = await self._gatekeeper.admit(sender, parcels)
        async with self.transactions.begin() as store:
            return await Receiver(store, self._gatekeeper, self.tier.apply).receive(sender.name, arrivals)

    async def retry(self, sender: NodeId, sequence: int) -> ReceiveResult:
        async with self.transactions.begin() as store:
            return await Receiver(store, self._gatekeeper, self.tier.apply).retry(sender.name, sequence)

    async def wake(self, *keys: str) -> ReceiveResult:
        async with self.transactions.begin() as store:
            return await Receiver(store, self._gatekeeper, self.tier.apply).wake(keys)

    async def state_of(self, sender: NodeId, sequence: int) -> str:
        async with self.transactions.begin() as store:
            row = await store.find(sender.name, sequence)
        return f"{row.state} {row.reason}".strip() if row is not None else "ABSENT"
