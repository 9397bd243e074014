"""What is in the readers, now and from now on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc.aio

from juki.card.v1 import reader_service_pb2 as pb
from juki.card.v1 import reader_service_pb2_grpc as rpc
from services.card.following import Following
from services.card.readers.protocol import Readers
from services.card.wire import write


class ReaderHandlers(rpc.ReaderServiceServicer):
    """Answers for the readers of the node; there is nothing of anybody in it, so nothing is logged."""

    def __init__(self, readers: Readers, following: Following) -> None:
        self._readers = readers
        self._following = following

    async def ListReaders(  # noqa: D102 - the proto says it
        self,
        request: pb.ListReadersRequest,  # noqa: ARG002 - it says nothing
        _context: grpc.aio.ServicerContext[pb.ListReadersRequest, pb.ListReadersResponse],
    ) -> pb.ListReadersResponse:
        return pb.ListReadersResponse(readers=[write.reader(each) for each in await self._readers.list()])

    async def WatchReaders(  # noqa: D102 - the proto says it
        self,
        request: pb.WatchReadersRequest,
        _context: grpc.aio.ServicerContext[pb.WatchReadersRequest, pb.WatchReadersResponse],
    ) -> AsyncIterator[pb.WatchReadersResponse]:
        async with aclosing(self._following.follow(request.cursor)) as followed:
            async for seen in followed:
                if seen.event is None:
                    restarted = pb.WatchReadersResponse.CHANGE_RESTARTED
                    yield pb.WatchReadersResponse(change=restarted, cursor=seen.cursor)
                else:
                    change, reader = write.change(seen.event.change), write.reader(seen.event.reader)
                    yield pb.WatchReadersResponse(change=change, reader=reader, cursor=seen.cursor)
