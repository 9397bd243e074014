"""How the municipality calls the agency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc.aio

from juki.agency.v1 import code_pool_service_pb2 as agency_pb
from juki.agency.v1 import code_pool_service_pb2_grpc as agency_rpc
from services.municipal.rules.pool import Allotment
from services.vocabulary.resident_code import ResidentCode

if TYPE_CHECKING:
    _Stub = agency_rpc.CodePoolServiceAsyncStub

_SECONDS = 15.0


class GrpcAgency:
    """The designated agency at the other end of a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: _Stub = agency_rpc.CodePoolServiceStub(channel)

    async def allot(self, allotment: Allotment) -> list[ResidentCode]:
        """Asks for codes; under the same request id the agency gives the same ones.

        Refuses what the agency refuses, and NEIGHBOUR_UNREACHABLE; raises `Malformed` for what is no code.
        """
        request = agency_pb.AllotCodesRequest(request_id=str(allotment.request_id), count=allotment.count)
        answer = await self._stub.AllotCodes(request, timeout=_SECONDS)
        return [ResidentCode(digits) for digits in answer.resident_codes]
