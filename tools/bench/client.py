"""The load: `python -m tools.bench.client KEYS TRUST`, a relying body that takes orders as lines of JSON on stdin.

It answers each with a line of JSON on stdout. Requests are made before the clock starts and answers are read after it
stops, so that what is measured is the server and gRPC's client, and as little as may be of this process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import struct
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import uvloop

from juki.common.v1 import purpose_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from services.foundation.rpc.credentials import CredentialSource, channel_credentials
from tools.bench import echo
from tools.bench.figures import Rate, percentile
from tools.bench.synthetic import code_of

RECEIPT = struct.Struct(">Q32s")
"""One line of a receipts file: index in the log, hash of the leaf."""

_CONFIRM = "/juki.confirmation.v1.ConfirmationService/ConfirmByCode"
_BULK = "/juki.confirmation.v1.ConfirmationService/ConfirmBulk"
_PURPOSE = purpose_pb2.Purpose(affair_id="b1-19", case_number="BENCH-2026-0001")
_REQUESTS = 4_000
"""Different requests in one measurement, which come round again."""
_STREAMS = 64
"""Calls on one connection: servers take 100 at once, and one connection is one thread of work in gRPC."""
_CALL_SECONDS = 20.0
_BULK_SECONDS = 120.0

_Call: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to measure."""

    kind: str
    """`echo`, `confirm` or `bulk`."""
    address: str
    server: str
    """DNS name of the node that the server must prove to be."""
    records: int
    in_flight: int = 1
    seconds: float = 1.0
    warm: float = 0.0
    answer_bytes: int = 0
    """Size of an echo."""
    count: int = 0
    """Residents of a bulk confirmation."""
    batch: int = 1
    receipts: str = ""
    """File to which the receipts of all answers are appended."""


class Unexpected(Exception):  # noqa: N818 - says what is the case
    """An answer is not the one that these records must get."""


class Client:
    """A relying body under load."""

    def __init__(self, keys: Path, trust: Path) -> None:
        self._credentials = channel_credentials(CredentialSource(keys, trust).current())
        self._chance = random.Random(20020805)  # noqa: S311 - it makes a load, not secrets

    async def do(self, order: Order) -> Rate:
        """Carries an order out; raises AioRpcError for a call that failed, Unexpected for a wrong answer."""
        async with AsyncExitStack() as stack:
            connections = -(-order.in_flight // _STREAMS)
            channels = [await stack.enter_async_context(self._channel(order)) for _ in range(connections)]
            if order.kind == "bulk":
                return await self._bulk(order, channels[0])
            return await self._unary(order, channels)

    async def _unary(self, order: Order, channels: list[grpc.aio.Channel]) -> Rate:
        confirming = order.kind == "confirm"
        requests = [self._request(order) for _ in range(_REQUESTS)]
        if not confirming:
            requests = [order.answer_bytes.to_bytes(4) + request[4:] for request in requests]
        calls: list[_Call] = [channel.unary_unary(_CONFIRM if confirming else echo.METHOD) for channel in channels]
        answers: list[bytes] = []
        if order.warm:
            await _load(calls, requests, order.in_flight, order.warm, answers)
        rate = await _load(calls, requests, order.in_flight, order.seconds, answers)
        if confirming:
            _check([confirmation_pb.ConfirmByCodeResponse.FromString(answer) for answer in answers], order.receipts)
        return dataclasses.replace(
            rate, answers=len(answers), request_bytes=len(requests[0]), answer_bytes=len(answers[0])
        )

    async def _bulk(self, order: Order, channel: grpc.aio.Channel) -> Rate:
        places = self._chance.sample(range(order.records), order.count)
        messages = [_header(), *(_batch(number, part) for number, part in enumerate(_parts(places, order.batch), 1))]
        answers: list[bytes] = []

        async def asked() -> AsyncIterator[bytes]:
            for message in messages:
                yield message

        began = time.perf_counter()
        stream: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(_BULK)
        async for answer in stream(asked(), timeout=_BULK_SECONDS):
            answers.append(answer)  # noqa: PERF401 - a comprehension would hide that the clock runs here
        seconds = time.perf_counter() - began
        found = _check_bulk([confirmation_pb.ConfirmBulkResponse.FromString(one) for one in answers], order.receipts)
        if found != order.count:
            raise Unexpected(f"{found} of {order.count} residents were answered")
        return Rate(per_second=found / seconds, answers=found, seconds=seconds)

    def _request(self, order: Order) -> bytes:
        return confirmation_pb.ConfirmByCodeRequest(
            purpose=_PURPOSE,
            resident_code=code_of(self._chance.randrange(order.records)),
            request_id=str(uuid.uuid4()),
        ).SerializeToString()

    def _channel(self, order: Order) -> grpc.aio.Channel:
        options: list[tuple[str, Any]] = [
            ("grpc.ssl_target_name_override", order.server),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        return grpc.aio.secure_channel(order.address, self._credentials, options)


async def _load(
    calls: Sequence[_Call], requests: list[bytes], in_flight: int, seconds: float, answers: list[bytes]
) -> Rate:
    """Keeps `in_flight` calls under way for so many seconds, and adds every answer to `answers`."""
    took: list[float] = []
    clock = time.perf_counter
    began = clock()
    end = began + seconds

    async def work(number: int) -> None:
        call, place = calls[number % len(calls)], number
        while (start := clock()) < end:
            answers.append(await call(requests[place % len(requests)], timeout=_CALL_SECONDS))
            took.append(clock() - start)
            place += in_flight

    await asyncio.gather(*(work(number) for number in range(in_flight)))
    elapsed = clock() - began
    return Rate(
        per_second=len(took) / elapsed,
        seconds=elapsed,
        p50_ms=percentile(took, 0.5) * 1000,
        p99_ms=percentile(took, 0.99) * 1000,
    )


def _check(answers: list[confirmation_pb.ConfirmByCodeResponse], receipts: str) -> None:
    if any(one.answer.outcome != confirmation_pb.OUTCOME_MATCH or not one.answer.name for one in answers):
        raise Unexpected("a look-up of a known resident was not answered with the record")
    with Path(receipts).open("ab") as file:
        file.writelines(RECEIPT.pack(one.receipt.index, one.receipt.leaf_hash) for one in answers)


def _check_bulk(answers: list[confirmation_pb.ConfirmBulkResponse], receipts: str) -> int:
    if [one.number for one in answers] != list(range(1, len(answers) + 1)):
        raise Unexpected("the batches were not answered in order")
    if any(one.outcome != confirmation_pb.OUTCOME_MATCH or not one.name for each in answers for one in each.answers):
        raise Unexpected("a look-up of a known resident was not answered with the record")
    with Path(receipts).open("ab") as file:
        file.writelines(RECEIPT.pack(one.first_receipt.index, one.first_receipt.leaf_hash) for one in answers)
    return sum(len(one.answers) for one in answers)


def _header() -> bytes:
    header = confirmation_pb.BulkHeader(purpose=_PURPOSE, request_id=str(uuid.uuid4()))
    return confirmation_pb.ConfirmBulkRequest(header=header).SerializeToString()


def _batch(number: int, places: list[int]) -> bytes:
    questions = [confirmation_pb.BulkQuestion(resident_code=code_of(place)) for place in places]
    batch = confirmation_pb.BulkBatch(number=number, questions=questions)
    return confirmation_pb.ConfirmBulkRequest(batch=batch).SerializeToString()


def _parts(places: list[int], size: int) -> list[list[int]]:
    return [places[start : start + size] for start in range(0, len(places), size)]


async def _serve(keys: Path, trust: Path) -> None:
    client = Client(keys, trust)
    while line := await asyncio.to_thread(sys.stdin.readline):
        result: dict[str, Any]
        try:
            result = {"rate": dataclasses.asdict(await client.do(Order(**json.loads(line))))}
        except (grpc.aio.AioRpcError, Unexpected) as error:
            result = {"failed": error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), Path(sys.argv[2])))
