"""A bulk confirmation whose node goes away goes on with the first batch that was not answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from juki.confirmation.v1 import confirmation_service_pb2 as pb
from relying.client import BulkAnswers, Refused, RelyingClient
from tests.unit.confirmation.makers import code


class FlakyNode:
    """Answers so many batches a stream and then breaks it, as a node that dies; it keeps what it was asked."""

    def __init__(self, batches: int, *, forget: bool = False) -> None:
        self.batches = batches
        self.forget = forget
        self.streams: list[list[int]] = []
        self.request_ids: set[str] = set()

    async def confirm_bulk(
        self, request_iterator: AsyncIterator[pb.ConfirmBulkRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.ConfirmBulkResponse]:
        numbers: list[int] = []
        self.streams.append(numbers)
        async for request in request_iterator:
            if request.WhichOneof("message") == "header":
                self.request_ids.add(request.header.request_id)
                continue
            if len(numbers) == self.batches:
                if self.forget:
                    return
                await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
            numbers.append(request.batch.number)
            answers = [pb.Answer(outcome=pb.OUTCOME_MATCH) for _ in request.batch.questions]
            yield pb.ConfirmBulkResponse(number=request.batch.number, answers=answers)


@asynccontextmanager
async def serving(node: FlakyNode) -> AsyncIterator[RelyingClient]:
    handler = grpc.stream_stream_rpc_method_handler(
        node.confirm_bulk,
        request_deserializer=pb.ConfirmBulkRequest.FromString,
        response_serializer=pb.ConfirmBulkResponse.SerializeToString,
    )
    server = grpc.aio.server()
    service = "juki.confirmation.v1.ConfirmationService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"ConfirmBulk": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = RelyingClient(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
    try:
        yield client
    finally:
        await client.close()
        await server.stop(None)


def batches(count: int) -> list[list[pb.BulkQuestion]]:
    return [[pb.BulkQuestion(resident_code=code(number))] for number in range(1, count + 1)]


async def test_every_batch_is_answered_once_over_streams_that_break() -> None:
    node = FlakyNode(3)

    async with serving(node) as client:
        numbers = [one.number async for one in client.bulk("b1-19", "case", batches(10))]

    assert numbers == list(range(1, 11))
    assert len(node.streams) >= 4
    assert len(node.request_ids) == 1


async def test_a_node_that_ends_the_stream_too_early_is_found_out() -> None:
    async with serving(FlakyNode(3, forget=True)) as client, asyncio.timeout(20):
        with pytest.raises(Refused) as refused:
            await gather(client.bulk("b1-19", "case", batches(4)))

    assert refused.value.reason == "ANSWERS_MISSING"


async def test_a_node_that_stays_away_is_reported_in_the_end() -> None:
    async with serving(FlakyNode(0)) as client, asyncio.timeout(60):
        with pytest.raises(Refused) as refused:
            await gather(client.bulk("b1-19", "case", batches(1), pauses=(0.01, 0.01)))

    assert refused.value.code in ("UNAVAILABLE", "INTERNAL")


async def test_what_the_callers_own_batches_raise_comes_after_the_answers_before() -> None:
    def broken() -> Iterator[list[pb.BulkQuestion]]:
        yield from batches(2)
        raise ValueError("row 3")

    async with serving(FlakyNode(10)) as client:
        stream = client.bulk("b1-19", "case", broken())

        assert [(await anext(stream)).number, (await anext(stream)).number] == [1, 2]
        with pytest.raises(ValueError, match="row 3"):
            await anext(stream)


async def gather(stream: AsyncIterator[BulkAnswers]) -> list[BulkAnswers]:
    return [one async for one in stream]
