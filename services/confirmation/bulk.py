"""How a stream of numbered batches is answered in order, with bounded memory."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace

from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from services.confirmation.questions import Answered, Asking, Question
from services.confirmation.refusals import BatchOutOfOrder, BatchTooLarge, HeaderMissing
from services.confirmation.wire import code_or_none, read_asserted
from services.foundation.journal import receipt_message
from services.foundation.refusals import FieldMalformed, FieldMissing, Refusal

QUESTIONS_LIMIT = 1000
"""Questions that a batch may have."""

MESSAGE_BYTES = 2 * 1024 * 1024
"""Most bytes of a batch: a thousand questions whose names and addresses are as long as they may be."""

UNDER_WAY = 4
"""Batches of one stream that are read and not yet answered; then nothing more is read."""

ANSWERED_AT_ONCE = 4
"""Batches of all streams that are looked up at once, so that those who ask singly get a connection too."""

_Answer = Callable[[list[Question]], Awaitable[list[Answered]]]
_Admit = Callable[[Asking, int], Awaitable[Asking]]
_Requests = AsyncIterator[confirmation_pb.ConfirmBulkRequest]


class BulkConfirmation:
    """Answers bulk streams.

    `answer` looks up and records one batch of questions; `admit` counts it or refuses, and says under which grant it
    is asked by now.
    """

    def __init__(self, answer: _Answer, admit: _Admit) -> None:
        self._answer = answer
        self._admit = admit
        self._places = asyncio.Semaphore(ANSWERED_AT_ONCE)

    async def run(
        self, requests: _Requests, gate: Callable[[confirmation_pb.BulkHeader], Awaitable[Asking]]
    ) -> AsyncGenerator[confirmation_pb.ConfirmBulkResponse, None]:
        """Yields one response a batch, in order; `gate` makes of the header who asks, or refuses.

        Refuses HEADER_MISSING, BATCH_OUT_OF_ORDER, BATCH_TOO_LARGE, FIELD_MALFORMED, QUOTA_EXHAUSTED. What was answered
        before a refusal stays answered.
        """
        asking = await gate(await _header(requests))
        # The reader takes a permit for each batch and the yield returns it: the client is held back by its own pace.
        permits = asyncio.Semaphore(UNDER_WAY)
        queue: asyncio.Queue[asyncio.Task[confirmation_pb.ConfirmBulkResponse] | Exception | None] = asyncio.Queue()
        tasks: set[asyncio.Task[confirmation_pb.ConfirmBulkResponse]] = set()
        reader = asyncio.create_task(self._read(requests, asking, permits, queue, tasks))
        try:
            while (waiting := await queue.get()) is not None:
                if isinstance(waiting, Exception):
                    raise waiting
                yield await waiting
                permits.release()
        finally:
            for task in (reader, *tasks):
                task.cancel()
            await asyncio.gather(reader, *tasks, return_exceptions=True)

    async def _read(
        self,
        requests: _Requests,
        asking: Asking,
        permits: asyncio.Semaphore,
        queue: asyncio.Queue[asyncio.Task[confirmation_pb.ConfirmBulkResponse] | Exception | None],
        tasks: set[asyncio.Task[confirmation_pb.ConfirmBulkResponse]],
    ) -> None:
        """Starts one task a batch; ends the queue with None, or with what went wrong, after the batches before it."""
        expected = 0
        try:
            await permits.acquire()
            async for request in requests:
                questions = _questions(request, asking, expected)
                asking = await self._admit(asking, len(questions))
                questions = [replace(question, asking=asking) for question in questions]
                expected = request.batch.number + 1
                task = asyncio.create_task(self._respond(request.batch.number, questions))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                queue.put_nowait(task)
                await permits.acquire()
        except Exception as error:
            # The yielding side raises it, after the answers of the batches before.
            if isinstance(error, Refusal):
                error.facts |= {"affair": asking.grant.affair.affair_id, "case": asking.case}
            queue.put_nowait(error)
        else:
            queue.put_nowait(None)

    async def _respond(self, number: int, questions: list[Question]) -> confirmation_pb.ConfirmBulkResponse:
        async with self._places:
            answered = await self._answer(questions)
        return confirmation_pb.ConfirmBulkResponse(
            number=number,
            answers=[one.answer for one in answered],
            first_receipt=receipt_message(answered[0].receipt),
        )


async def _header(requests: _Requests) -> confirmation_pb.BulkHeader:
    async for first in requests:
        if first.WhichOneof("message") == "header":
            return _checked(first.header)
        break
    raise HeaderMissing("begin the stream with its header")


def _checked(header: confirmation_pb.BulkHeader) -> confirmation_pb.BulkHeader:
    try:
        sound = str(uuid.UUID(header.request_id)) == header.request_id.lower()
    except ValueError:
        sound = False
    if not sound:
        raise FieldMalformed("draw a UUID4", field="header.request_id", form="NOT_A_UUID")
    return header


def _questions(request: confirmation_pb.ConfirmBulkRequest, asking: Asking, expected: int) -> list[Question]:
    if request.WhichOneof("message") != "batch":
        raise HeaderMissing("send the header once, and then batches only")
    batch = request.batch
    if expected and batch.number != expected:
        raise BatchOutOfOrder("number batches one after another", expected=expected)
    if len(batch.questions) > QUESTIONS_LIMIT:
        raise BatchTooLarge("send smaller batches", batch=batch.number, limit=QUESTIONS_LIMIT)
    if batch.number < 1 or not batch.questions:
        raise FieldMissing("number batches from 1 and put a question in each", fields="batch.number, batch.questions")
    return [_question(question, asking, batch.number, place) for place, question in enumerate(batch.questions)]


def _question(question: confirmation_pb.BulkQuestion, asking: Asking, number: int, place: int) -> Question:
    asserted = None
    if question.HasField("asserted"):
        try:
            asserted = read_asserted(question.asserted, f"batch.questions[{place}].asserted")
        except Refusal as refusal:
            refusal.facts["batch"] = str(number)
            raise
    digits = question.resident_code
    request = question.SerializeToString(deterministic=True)
    return Question(asking, request, code_or_none(digits), asserted, subject=digits)
