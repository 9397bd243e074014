"""Answers the calls that only the agency serves: allotting resident codes."""

from __future__ import annotations

import random

import grpc.aio

from juki.agency.v1 import code_pool_service_pb2 as pool_pb
from juki.agency.v1 import code_pool_service_pb2_grpc as pool_grpc
from services.agency.rules.allotment import check_count
from services.agency.store import PostgresCodePool, allot
from services.foundation.db.engine import Database
from services.foundation.db.replies import store_reply, stored_reply
from services.foundation.journal import Journal, receipt_message
from services.foundation.rpc.call import current_call

Context = grpc.aio.ServicerContext[pool_pb.AllotCodesRequest, pool_pb.AllotCodesResponse]


class CodePoolHandlers(pool_grpc.CodePoolServiceServicer):
    """Allots codes to the calling municipality, once for each request id."""

    def __init__(self, database: Database, journal: Journal, source: random.Random) -> None:
        self._database = database
        self._journal = journal
        self._source = source

    async def AllotCodes(self, request: pool_pb.AllotCodesRequest, _context: Context) -> pool_pb.AllotCodesResponse:  # noqa: D102 - the proto says it
        call = current_call()
        check_count(request.count)
        once = (call.peer.uri, call.method, request.request_id)

        async with self._database.begin() as connection:
            earlier = await stored_reply(connection, *once, call.request)
            if earlier is not None:
                again = self._journal.entry("REPEAT_REPLY", count=request.count, response=earlier)
                await self._journal.record(connection, [again])
                return pool_pb.AllotCodesResponse.FromString(earlier)
            codes = await allot(PostgresCodePool(connection), call.peer.name, request.count, self._source)
            entry = self._journal.entry("ALLOT_CODES", count=len(codes))
            receipts = await self._journal.record(connection, [entry])
            reply = pool_pb.AllotCodesResponse(
                resident_codes=[code.digits for code in codes], receipt=receipt_message(receipts[0])
            )
            await store_reply(connection, *once, reply.SerializeToString())

        return reply
