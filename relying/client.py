"""A client for bodies that confirm identities: one question, many, changes; and proofs that the answers were logged."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from juki.audit.v1 import audit_service_pb2, audit_service_pb2_grpc
from juki.common.v1 import person_pb2, purpose_pb2, receipt_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as pb
from juki.confirmation.v1 import (
    confirmation_service_pb2_grpc,
    hand_over_service_pb2,
    hand_over_service_pb2_grpc,
    purpose_service_pb2,
    purpose_service_pb2_grpc,
)
from relying.receipts import Checkpoint, LogKey, ReceiptUnproved, open_checkpoint, verify_inclusion

DEADLINE_SECONDS = 10.0
BULK_SECONDS = 3000.0
"""How long one bulk stream may last; the next goes on where it ended."""
UNDER_WAY = 4
"""Batches sent and not yet answered; the server takes no more at a time."""
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before each further attempt when the node is away; after the last, the break is reported."""
_CAREFUL_SECONDS = 0.2
"""How long a careful stream waits after its header for a refusal of it."""
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Refused(Exception):  # noqa: N818 - names what is the case
    """The node's refusal: canonical code, stable reason, what to do, and facts."""

    def __init__(self, code: str, reason: str, advice: str, facts: dict[str, str]) -> None:
        super().__init__(f"{reason}: {advice}")
        self.code = code
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True, slots=True)
class BulkAnswers:
    """One answered batch, with the questions it answers, in the same order."""

    number: int
    questions: Sequence[pb.BulkQuestion] = field(repr=False)
    answers: Sequence[pb.Answer] = field(repr=False)
    first_receipt: receipt_pb2.AuditReceipt


class RelyingClient:
    """Calls one node over a channel that it owns; `log_keys` verify its receipts."""

    def __init__(self, channel: grpc.aio.Channel, log_keys: Sequence[LogKey] = ()) -> None:
        self._channel = channel
        self._log_keys = {key.name: key for key in log_keys}
        self._confirmation = confirmation_service_pb2_grpc.ConfirmationServiceStub(channel)
        self._purposes = purpose_service_pb2_grpc.PurposeServiceStub(channel)
        self._handing_over = hand_over_service_pb2_grpc.HandOverServiceStub(channel)
        self._audit = audit_service_pb2_grpc.AuditServiceStub(channel)

    @classmethod
    def connect(cls, server: str, server_name: str, keys: Path, trust: Path) -> RelyingClient:
        """Opens a mutual TLS channel to `server` (`host:port`), whose certificate must carry `server_name`.

        `keys` holds the body's own `tls.key` and `tls.crt`, `trust` the network's `roots.crt` and `logs.vkeys`.
        """
        credentials = grpc.ssl_channel_credentials(
            (trust / "roots.crt").read_bytes(), (keys / "tls.key").read_bytes(), (keys / "tls.crt").read_bytes()
        )
        channel = grpc.aio.secure_channel(server, credentials, [("grpc.ssl_target_name_override", server_name)])
        lines = (trust / "logs.vkeys").read_text(encoding="utf-8").splitlines()
        return cls(channel, [LogKey.parse(line) for line in lines if line.strip() and not line.startswith("#")])

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def confirm(
        self, affair: str, case: str, code: str, asserted: person_pb2.FourAttributes | None = None
    ) -> pb.ConfirmByCodeResponse:
        """Confirms one resident by code; raises `Refused`."""
        request = pb.ConfirmByCodeRequest(
            purpose=_purpose(affair, case), resident_code=code, asserted=asserted, request_id=str(uuid.uuid4())
        )
        response: pb.ConfirmByCodeResponse = await self._call(self._confirmation.ConfirmByCode, request)
        return response

    async def confirm_by_attributes(
        self, affair: str, case: str, asserted: person_pb2.FourAttributes
    ) -> pb.ConfirmByAttributesResponse:
        """Looks for one resident by the four attributes; raises `Refused`."""
        request = pb.ConfirmByAttributesRequest(
            purpose=_purpose(affair, case), asserted=asserted, request_id=str(uuid.uuid4())
        )
        response: pb.ConfirmByAttributesResponse = await self._call(self._confirmation.ConfirmByAttributes, request)
        return response

    async def purposes(self) -> pb.ListPurposesResponse:
        """Lists what this body may ask for; raises `Refused`."""
        response: pb.ListPurposesResponse = await self._call(self._confirmation.ListPurposes, pb.ListPurposesRequest())
        return response

    async def explain(
        self, affair: str, case: str, way: str, items: Sequence[str] = ()
    ) -> purpose_service_pb2.ExplainPurposeResponse:
        """Tells what a request would be answered, without a look-up; raises `Refused`."""
        request = purpose_service_pb2.ExplainPurposeRequest(
            purpose=_purpose(affair, case), way=way, items=items, request_id=str(uuid.uuid4())
        )
        response: purpose_service_pb2.ExplainPurposeResponse = await self._call(self._purposes.ExplainPurpose, request)
        return response

    async def hand_over(
        self, affair: str, case: str, code: str, to: tuple[str, str]
    ) -> hand_over_service_pb2.HandOverResponse:
        """Gets an identifier that another body, `to` with its affair, alone can read; raises `Refused`."""
        request = hand_over_service_pb2.HandOverRequest(
            purpose=_purpose(affair, case),
            resident_code=code,
            to_body=to[0],
            to_affair_id=to[1],
            request_id=str(uuid.uuid4()),
        )
        response: hand_over_service_pb2.HandOverResponse = await self._call(self._handing_over.HandOver, request)
        return response

    async def changes(
        self, affair: str, case: str, codes: Sequence[str], since: int = 0, page_size: int = 0
    ) -> AsyncIterator[pb.ListChangesResponse]:
        """Yields pages of changes until there are no more, at least one; raises `Refused`."""
        while True:
            request = pb.ListChangesRequest(
                purpose=_purpose(affair, case),
                resident_codes=codes,
                since_position=since,
                page_size=page_size,
                request_id=str(uuid.uuid4()),
            )
            page: pb.ListChangesResponse = await self._call(self._confirmation.ListChanges, request)
            yield page
            if not page.changes:
                return
            since = page.next_position

    async def bulk(
        self,
        affair: str,
        case: str,
        batches: Iterable[Sequence[pb.BulkQuestion]],
        *,
        first: int = 1,
        request_id: str = "",
        pauses: Sequence[float] = _PAUSES,
    ) -> AsyncIterator[BulkAnswers]:
        """Yields each batch's answers in order, numbering batches from `first`.

        When the connection breaks, a new stream goes on with the first batch that was not answered, so `batches` is
        taken from once only and at most a few batches are in memory. After as many breaks in a row as there are
        `pauses` (seconds), the last is raised. Raises `Refused`.
        """
        header = pb.BulkHeader(purpose=_purpose(affair, case), request_id=request_id or str(uuid.uuid4()))
        sending = _Sending(header, enumerate(batches, start=first))
        failures, careful = 0, False
        while not sending.done:
            try:
                async for answers in self._bulk_stream(sending, careful=careful):
                    failures = 0
                    yield answers
            except grpc.aio.AioRpcError as error:
                careful = _hides_its_cause(error)
                if not (careful or error.code() in _AWAY) or failures == len(pauses):
                    _raise_refused(error)
                await asyncio.sleep(pauses[failures])
                failures += 1
            else:
                if not sending.done:
                    raise Refused("INTERNAL", "ANSWERS_MISSING", "the node ended the stream before its last answer", {})
        sending.finish()

    async def _bulk_stream(self, sending: _Sending, *, careful: bool) -> AsyncIterator[BulkAnswers]:
        call = self._confirmation.ConfirmBulk(sending.requests(careful=careful), timeout=BULK_SECONDS)
        try:
            async for response in call:
                yield sending.answered(response)
        finally:
            call.cancel()

    async def verify(self, receipt: receipt_pb2.AuditReceipt, *, within: float = 10.0) -> Checkpoint:
        """Returns the signed checkpoint under which the receipt's entry is proved, once the log has published it.

        Raises `ReceiptUnproved` when it is not proved within so many seconds.
        """
        key = self._log_keys.get(receipt.origin)
        if key is None:
            raise ReceiptUnproved("there is no trusted key for the log that the receipt names")
        deadline = asyncio.get_running_loop().time() + within
        while True:
            try:
                return await self._prove(receipt, key)
            except _NotPublished:
                if asyncio.get_running_loop().time() > deadline:
                    raise ReceiptUnproved("the log has not published the entry in time") from None
            await asyncio.sleep(0.2)

    async def _prove(self, receipt: receipt_pb2.AuditReceipt, key: LogKey) -> Checkpoint:
        try:
            published = await self._call(self._audit.GetCheckpoint, audit_service_pb2.GetCheckpointRequest())
        except Refused as refused:
            if refused.reason == "NOTHING_PUBLISHED":
                raise _NotPublished from None
            raise
        checkpoint = open_checkpoint(published.checkpoint, key)
        if checkpoint.size <= receipt.index:
            raise _NotPublished
        request = audit_service_pb2.GetInclusionProofRequest(index=receipt.index, size=checkpoint.size)
        proof = await self._call(self._audit.GetInclusionProof, request)
        verify_inclusion(receipt.leaf_hash, receipt.index, checkpoint, proof.proof)
        return checkpoint

    async def _call(self, method: Any, request: Any) -> Any:
        """Calls a look-up, again when the node is away: asking twice harms nobody, and both are logged."""
        for pause in (*_PAUSES[:3], None):
            try:
                return await method(request, timeout=DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or pause is None:
                    _raise_refused(error)
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


class _NotPublished(Exception):  # noqa: N818 - never leaves this module
    """The newest checkpoint does not cover the entry yet."""


class _Sending:
    """The batches of one bulk confirmation: those sent and not answered are kept, to be sent again."""

    def __init__(self, header: pb.BulkHeader, batches: Iterator[tuple[int, Sequence[pb.BulkQuestion]]]) -> None:
        self._header = header
        self._batches = batches
        self._unanswered: deque[pb.BulkBatch] = deque()
        self._exhausted = False
        self._failed: Exception | None = None
        self._sent = 0
        """How many of those unanswered were sent in the present stream."""
        self._answer_came = asyncio.Event()

    @property
    def done(self) -> bool:
        """True when every batch is answered."""
        return self._exhausted and not self._unanswered

    async def requests(self, *, careful: bool) -> AsyncIterator[pb.ConfirmBulkRequest]:
        """Yields the messages of one stream: the header, what was not answered, and then new batches.

        A careful stream leaves the node time to refuse the header, and then the first batch, before it sends more.
        """
        self._sent, room = 0, 1 if careful else UNDER_WAY
        yield pb.ConfirmBulkRequest(header=self._header)
        if careful:
            await asyncio.sleep(_CAREFUL_SECONDS)
        while True:
            if self._sent >= room:
                self._answer_came.clear()
                await self._answer_came.wait()
                room = UNDER_WAY
                continue
            if self._sent == len(self._unanswered):
                following = self._next()
                if following is None:
                    return
                self._unanswered.append(pb.BulkBatch(number=following[0], questions=following[1]))
            self._sent += 1
            yield pb.ConfirmBulkRequest(batch=self._unanswered[self._sent - 1])

    def _next(self) -> tuple[int, Sequence[pb.BulkQuestion]] | None:
        if self._exhausted:
            return None
        try:
            following = next(self._batches, None)
        except Exception as error:
            # gRPC would swallow it here; `finish` raises it to the caller.
            self._failed = error
            following = None
        self._exhausted = following is None
        return following

    def finish(self) -> None:
        """Raises what the caller's own batches raised, once those before are answered."""
        if self._failed is not None:
            raise self._failed

    def answered(self, response: pb.ConfirmBulkResponse) -> BulkAnswers:
        """Takes a response, which must be that of the oldest batch."""
        batch = self._unanswered.popleft()
        self._sent -= 1
        self._answer_came.set()
        if response.number != batch.number or len(response.answers) != len(batch.questions):
            raise Refused("INTERNAL", "ANSWER_OUT_OF_ORDER", "the node answered another batch than was asked", {})
        return BulkAnswers(response.number, batch.questions, response.answers, response.first_receipt)


def _purpose(affair: str, case: str) -> purpose_pb2.Purpose:
    return purpose_pb2.Purpose(affair_id=affair, case_number=case)


def _hides_its_cause(error: grpc.aio.AioRpcError) -> bool:
    """Tells whether a stream that ended while something was being sent lost its status: gRPC then says only this."""
    return error.code() is grpc.StatusCode.INTERNAL and "Internal error from Core" in (error.details() or "")


def _raise_refused(error: grpc.aio.AioRpcError) -> NoReturn:
    """Raises the refusal that the status carries (google.rpc.Status with ErrorInfo)."""
    reason, facts = error.code().name, dict[str, str]()
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    reason, facts = info.reason, dict(info.metadata)
    # A node's message begins with the reason, which is told apart here.
    advice = (error.details() or "").removeprefix(f"{reason}: ")
    raise Refused(error.code().name, reason, advice, facts) from error
