"""How a prefecture finds out whether the agency holds the same purposes table."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import grpc.aio

from juki.confirmation.v1 import purpose_service_pb2 as purpose_pb
from juki.confirmation.v1 import purpose_service_pb2_grpc as purpose_grpc
from services.confirmation.adopting import AdoptedPurposes
from services.foundation.refusals import Refusal

_DEADLINE_SECONDS = 10.0
_log = logging.getLogger(__name__)


class Comparing:
    """Asks the node above for its order, showing its own, again and again.

    An unreachable node above changes nothing: a prefecture answers for its own residents while the agency is away.
    """

    def __init__(self, purposes: AdoptedPurposes, channel: grpc.aio.Channel, every: timedelta) -> None:
        self._purposes = purposes
        self._stub: purpose_grpc.PurposeServiceAsyncStub = purpose_grpc.PurposeServiceStub(channel)
        self._every = every

    async def run(self) -> None:
        """Compares until it is cancelled."""
        while True:
            try:
                await self.compare()
            except (Refusal, grpc.aio.AioRpcError) as error:
                _log.warning("purposes.not_compared", extra={"error": type(error).__name__})
            await asyncio.sleep(self._every.total_seconds())

    async def compare(self) -> None:
        """Compares once; refuses whatever the node above does."""
        await self._purposes.ready()
        request = purpose_pb.GetPurposesOrderRequest(order=self._purposes.newest.note)
        above = await self._stub.GetPurposesOrder(request, timeout=_DEADLINE_SECONDS)
        self._purposes.compared(above.order_number, above.table_version)
