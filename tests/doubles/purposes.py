"""A purposes table that is in force without an order."""

from __future__ import annotations

from services.confirmation.rules.purposes import PurposeTable
from services.confirmation.rules.quota import Meter


class FixedPurposes:
    """What the gate asks of the purposes in force."""

    def __init__(self, table: PurposeTable) -> None:
        self.meter = Meter()
        self._table = table

    async def ready(self) -> None:
        """Is ready at once."""

    def current(self) -> PurposeTable:
        return self._table

    def in_force(self) -> PurposeTable:
        return self._table
