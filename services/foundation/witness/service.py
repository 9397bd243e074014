"""WitnessService, by which nodes witness each other's logs over their own mutual TLS."""

from __future__ import annotations

from typing import TypeVar

import grpc.aio

from juki.witness.v1 import witness_service_pb2 as pb
from juki.witness.v1 import witness_service_pb2_grpc as rpc
from services.foundation.witness.witness import Witness

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
Context = grpc.aio.ServicerContext[_Request, _Response]


class WitnessService(rpc.WitnessServiceServicer):
    """Answers for one witness."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def AddCheckpoint(  # noqa: D102 - the proto says it
        self, request: pb.AddCheckpointRequest, _context: Context[pb.AddCheckpointRequest, pb.AddCheckpointResponse]
    ) -> pb.AddCheckpointResponse:
        answer = await self._witness.add_checkpoint(request.request.encode())

        return pb.AddCheckpointResponse(
            outcome=pb.AddCheckpointResponse.Outcome.ValueType(answer.status.value), body=answer.body
        )

    async def GetCheckpoint(  # noqa: D102 - the proto says it
        self, request: pb.GetCheckpointRequest, _context: Context[pb.GetCheckpointRequest, pb.GetCheckpointResponse]
    ) -> pb.GetCheckpointResponse:
        return pb.GetCheckpointResponse(checkpoint=await self._witness.checkpoint(request.origin) or "")
