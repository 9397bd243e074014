"""ExchangeService and StreamStatusService, which every node that has streams serves the same way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import grpc.aio
from sqlalchemy.ext.asyncio import AsyncConnection

from juki.common.v1 import receipt_pb2
from juki.exchange.v1 import exchange_service_pb2 as pb
from juki.exchange.v1 import exchange_service_pb2_grpc as rpc
from services.foundation.db.engine import Database
from services.foundation.db.replies import store_reply, stored_reply
from services.foundation.exchange import status
from services.foundation.exchange.inbox import Inbox
from services.foundation.exchange.messages import Accepted, Delivery, Held, ReceiveResult
from services.foundation.exchange.refusals import EnvelopeNotHeld
from services.foundation.exchange.sender import Sender
from services.foundation.exchange.status import HeldPosition
from services.foundation.rpc.call import current_call
from services.foundation.rpc.paging import PageTokens, page_size

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
Context = grpc.aio.ServicerContext[_Request, _Response]

DELIVER_BYTES = 2 * 1024 * 1024
"""Most bytes of a Deliver request, for the gate: half a mebibyte of envelopes, and certificates to introduce."""

_PAGE, _MOST = 100, 500
_START = HeldPosition(datetime(1970, 1, 1, tzinfo=UTC), "", 0)


class Record(Protocol):
    """Writes the audit entries of a call, as its last statements, and returns the receipt of the call's own entry.

    `action` is RECEIVE_ENVELOPES, RETRY_HELD, or REPEAT_REPLY for an answer given again; `applied` is what the tier
    applied, each with its subject; `count` says how many envelopes the call moved. Who calls is in `current_call()`.
    """

    async def __call__(
        self, connection: AsyncConnection, action: str, applied: Sequence[Accepted], count: int
    ) -> receipt_pb2.AuditReceipt:
        """Appends the entries in the transaction of `connection`."""
        ...


class ExchangeHandlers(rpc.ExchangeServiceServicer):
    """Receives the streams of lower tiers."""

    def __init__(self, database: Database, inbox: Inbox, record: Record) -> None:
        self._database = database
        self._inbox = inbox
        self._record = record

    async def Deliver(  # noqa: D102 - the proto says it
        self, request: pb.DeliverRequest, _context: Context[pb.DeliverRequest, pb.DeliverResponse]
    ) -> pb.DeliverResponse:
        deliveries = [
            Delivery(each.envelope.SerializeToString(deterministic=True), each.traceparent)
            for each in request.deliveries
        ]

        async def finish(connection: AsyncConnection, result: ReceiveResult) -> receipt_pb2.AuditReceipt:
            received = len(deliveries) - result.duplicates
            return await self._record(connection, "RECEIVE_ENVELOPES", result.applied, received)

        sender = current_call().peer
        result, receipt = await self._inbox.deliver(sender, deliveries, request.certificates, finish)
        return pb.DeliverResponse(received_sequence=result.cursor.sequence, held=_held(result.held), receipt=receipt)

    async def GetPosition(  # noqa: D102 - the proto says it
        self, _request: pb.GetPositionRequest, _context: Context[pb.GetPositionRequest, pb.GetPositionResponse]
    ) -> pb.GetPositionResponse:
        async with self._database.begin() as connection:
            cursor = await self._inbox.position(connection, current_call().peer.name)
        return pb.GetPositionResponse(received_sequence=cursor.sequence, received_hash=cursor.hash)


class StreamStatusHandlers(rpc.StreamStatusServiceServicer):
    """Shows how the streams stand, and retries what is held; a node that receives none has no `inbox` and `record`.

    Reading writes no audit entry: there is no personal data in it.
    """

    def __init__(
        self,
        database: Database,
        senders: Sequence[Sender],
        inbox: Inbox | None,
        record: Record | None,
        tokens: PageTokens,
    ) -> None:
        self._database = database
        self._senders = senders
        self._inbox = inbox
        self._record = record
        self._tokens = tokens

    async def ListStreams(  # noqa: D102 - the proto says it
        self, _request: pb.ListStreamsRequest, _context: Context[pb.ListStreamsRequest, pb.ListStreamsResponse]
    ) -> pb.ListStreamsResponse:
        failures = {sender.peer: sender.last_failure for sender in self._senders}
        async with self._database.begin() as connection:
            sending = await status.sending(connection, list(failures))
            receiving = await status.receiving(connection)
        return pb.ListStreamsResponse(
            streams=[
                *(_sending(stream, failures[stream.peer]) for stream in sending),
                *(_receiving(stream) for stream in receiving),
            ]
        )

    async def ListHeld(  # noqa: D102 - the proto says it
        self, request: pb.ListHeldRequest, _context: Context[pb.ListHeldRequest, pb.ListHeldResponse]
    ) -> pb.ListHeldResponse:
        size = page_size(request.page_size, default=_PAGE, most=_MOST)
        position = self._tokens.read(request.page_token, "held")
        async with self._database.begin() as connection:
            found = await status.held(connection, _read(position), size + 1)
        page = list(found.items())[:size]
        token = self._tokens.write(_write(page[-1][0]), "held") if len(found) > size else ""
        return pb.ListHeldResponse(held=_held(each for _, each in page), next_page_token=token)

    async def RetryHeld(  # noqa: D102 - the proto says it
        self, request: pb.RetryHeldRequest, _context: Context[pb.RetryHeldRequest, pb.RetryHeldResponse]
    ) -> pb.RetryHeldResponse:
        if self._inbox is None or self._record is None:
            raise EnvelopeNotHeld("ask a node that receives streams", sender=request.sender)
        call = current_call()
        key = (call.peer.name, call.method, request.request_id)
        async with self._database.begin() as connection:
            stored = await stored_reply(connection, *key, request.SerializeToString(deterministic=True))
            if stored is not None:
                await self._record(connection, "REPEAT_REPLY", (), 0)
                return pb.RetryHeldResponse.FromString(stored)
            result = await self._inbox.retry(connection, request.sender, request.sequence)
            receipt = await self._record(connection, "RETRY_HELD", result.applied, len(result.applied))
            reply = pb.RetryHeldResponse(applied_count=len(result.applied), held=_held(result.held), receipt=receipt)
            await store_reply(connection, *key, reply.SerializeToString())
        return reply

    async def ListAlarms(  # noqa: D102 - the proto says it
        self, _request: pb.ListAlarmsRequest, _context: Context[pb.ListAlarmsRequest, pb.ListAlarmsResponse]
    ) -> pb.ListAlarmsResponse:
        async with self._database.begin() as connection:
            found = await status.alarms(connection)
        return pb.ListAlarmsResponse(
            alarms=[
                pb.Alarm(
                    reason=each.reason,
                    sender=each.sender,
                    sequence=each.sequence,
                    kept_hash=each.kept_hash,
                    refused_hash=each.refused_hash,
                )
                for each in found
            ]
        )


def _sending(stream: status.Sending, failure: str) -> pb.Stream:
    return pb.Stream(
        peer=stream.peer,
        direction=pb.Stream.DIRECTION_SENDING,
        last_sequence=stream.last,
        acknowledged_sequence=stream.acknowledged,
        lag_seconds=stream.lag_seconds,
        last_failure=failure,
    )


def _receiving(stream: status.Receiving) -> pb.Stream:
    return pb.Stream(
        peer=stream.peer,
        direction=pb.Stream.DIRECTION_RECEIVING,
        last_sequence=stream.last,
        quarantined_count=stream.quarantined,
        waiting_count=stream.waiting,
    )


def _held(held: Iterable[Held]) -> list[pb.HeldEnvelope]:
    return [pb.HeldEnvelope(sender=each.sender, sequence=each.sequence, reason=each.reason) for each in held]


def _write(position: HeldPosition) -> bytes:
    return f"{position.received_at.isoformat()} {position.sender} {position.sequence}".encode()


def _read(position: bytes | None) -> HeldPosition:
    if position is None:
        return _START
    received_at, sender, sequence = position.decode().split(" ")
    return HeldPosition(datetime.fromisoformat(received_at), sender, int(sequence))
