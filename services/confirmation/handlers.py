"""ConfirmationService: gate by purpose, look up in batches, record, then answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc.aio

from juki.common.v1 import purpose_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.confirmation.v1 import confirmation_service_pb2_grpc as confirmation_grpc
from services.confirmation.bulk import BulkConfirmation
from services.confirmation.gate import InForce, PurposeGate, told
from services.confirmation.pairwise import Pairwise
from services.confirmation.questions import Answered, Asking, Question, Recorder, by_attributes, by_code
from services.confirmation.refusals import TooManyCodes
from services.confirmation.rules.purposes import NATIONAL, Item, Way
from services.confirmation.store import HistoryLine, PostgresLookUps
from services.confirmation.wire import change_pb, grant_pb, read_asserted, read_code
from services.foundation.audit.log import AuditLog
from services.foundation.batching import Batcher
from services.foundation.clock import Clock
from services.foundation.db.engine import Database
from services.foundation.journal import receipt_message
from services.foundation.refusals import FieldMalformed
from services.foundation.rpc.call import Call, current_call

CODES_LIMIT = 500
"""Residents that one ListChanges may ask about."""

_ACTIONS = {
    Way.BY_CODE: "CONFIRM_BY_CODE",
    Way.BY_ATTRIBUTES: "CONFIRM_BY_ATTRIBUTES",
    Way.BULK: "CONFIRM_BULK",
    Way.CHANGES: "LIST_CHANGES",
}
_GATHER_SECONDS = 0.002
"""How long a busy lane lets questions gather: a commit costs as much for one as for fifty."""
_PAGE_DEFAULT = 100
_PAGE_LIMIT = 1000

_Context = grpc.aio.ServicerContext[Any, Any]


class ConfirmationHandlers(confirmation_grpc.ConfirmationServiceServicer):
    """Answers relying bodies from one node's records.

    Questions that arrive while all `lanes` are busy go out together: one look-up and one append for a batch.
    """

    def __init__(
        self,
        database: Database,
        log: AuditLog,
        purposes: InForce,
        clock: Clock,
        pairwise: Pairwise,
        *,
        lanes: int = 1,
        batch: int = 128,
    ) -> None:
        self._database = database
        self._purposes = purposes
        self._clock = clock
        self._gate = PurposeGate(purposes, clock)
        self._recorder = Recorder(log, clock, pairwise)
        self._by_code = Batcher(self._answer_codes, lanes=lanes, limit=batch, pause=_GATHER_SECONDS)
        self._by_attributes = Batcher(self._answer_attributes, lanes=lanes, limit=batch, pause=_GATHER_SECONDS)
        self._bulk = BulkConfirmation(self._answer_codes, self._admit_batch)

    async def close(self) -> None:
        """Takes no more questions and returns when those asked are answered."""
        await self._by_code.close()
        await self._by_attributes.close()

    async def ConfirmByCode(
        self, request: confirmation_pb.ConfirmByCodeRequest, _context: _Context
    ) -> confirmation_pb.ConfirmByCodeResponse:
        """Looks up a resident by code; see the proto."""
        asking = await self._admit(current_call(), request.purpose, Way.BY_CODE)
        with told(asking):
            code = read_code(request.resident_code, "resident_code")
            asserted = read_asserted(request.asserted, "asserted") if request.HasField("asserted") else None
            self._gate.count(asking)
        question = Question(asking, asking.call.request, code, asserted, subject=code)
        answered = await self._by_code.submit(question)
        return confirmation_pb.ConfirmByCodeResponse(answer=answered.answer, receipt=receipt_message(answered.receipt))

    async def ConfirmByAttributes(
        self, request: confirmation_pb.ConfirmByAttributesRequest, _context: _Context
    ) -> confirmation_pb.ConfirmByAttributesResponse:
        """Looks for the resident with these four attributes; see the proto."""
        asking = await self._admit(current_call(), request.purpose, Way.BY_ATTRIBUTES)
        with told(asking):
            asserted = read_asserted(request.asserted, "asserted")
            self._gate.count(asking)
        answered = await self._by_attributes.submit(Question(asking, asking.call.request, asserted=asserted))
        return confirmation_pb.ConfirmByAttributesResponse(
            answer=answered.answer, receipt=receipt_message(answered.receipt)
        )

    async def ConfirmBulk(
        self, request_iterator: AsyncIterator[confirmation_pb.ConfirmBulkRequest], _context: _Context
    ) -> AsyncGenerator[confirmation_pb.ConfirmBulkResponse, None]:
        """Confirms many residents over one stream; see the proto."""
        call = current_call()

        async def gate(header: confirmation_pb.BulkHeader) -> Asking:
            return await self._admit(call, header.purpose, Way.BULK, header.request_id)

        async with aclosing(self._bulk.run(request_iterator, gate)) as responses:
            async for response in responses:
                yield response

    async def ListChanges(
        self, request: confirmation_pb.ListChangesRequest, _context: _Context
    ) -> confirmation_pb.ListChangesResponse:
        """Lists what changed for given residents since a position; see the proto."""
        asking = await self._admit(current_call(), request.purpose, Way.CHANGES)
        with told(asking):
            codes = _codes(request)
            self._gate.count(asking, len(codes))
        limit = min(request.page_size or _PAGE_DEFAULT, _PAGE_LIMIT)
        async with self._database.lane() as lane:
            lines = await PostgresLookUps(lane).changes(codes, request.since_position, limit)
            response = _changes_response(codes, lines, request.since_position, asking.grant.items)
            receipts = await self._recorder.record(
                lane,
                [
                    self._recorder.entry(
                        asking,
                        fields=(Item.CHANGE.value,),
                        count=sum(line.resident_code == code for line in lines),
                        subject=code,
                        request=asking.call.request,
                        response=None,
                    )
                    for code in codes
                ],
                [asking] * len(codes),
            )
        response.first_receipt.CopyFrom(receipt_message(receipts[0]))
        return response

    async def ListPurposes(
        self, _request: confirmation_pb.ListPurposesRequest, _context: _Context
    ) -> confirmation_pb.ListPurposesResponse:
        """Lists the purposes for which the caller may ask."""
        call = current_call()
        await self._purposes.ready()
        table, meter, now = self._purposes.current(), self._purposes.meter, self._clock.now()
        response = confirmation_pb.ListPurposesResponse(
            purposes=[
                grant_pb(
                    grant,
                    switched_on=grant.affair.level == NATIONAL or table.prefecture in grant.affair.prefectures,
                    quota_left=meter.left_of(grant, now),
                )
                for grant in table.of(call.peer.name)
            ],
            table_version=table.version,
            order_number=table.number,
        )
        count = len(response.purposes)
        entry = self._recorder.table_entry(call, "LIST_PURPOSES", count, response.SerializeToString())
        async with self._database.lane() as lane:
            await self._recorder.record(lane, [entry])
        return response

    async def _admit(self, call: Call, purpose: purpose_pb2.Purpose, way: Way, request_id: str = "") -> Asking:
        return await self._gate.admit(call, purpose, way, _ACTIONS[way], request_id)

    async def _admit_batch(self, asking: Asking, residents: int) -> Asking:
        """Counts a batch of a stream, at its pace: there is nobody to tell to come again later."""
        while (wait := self._gate.wait_of(asking)) > 0:  # noqa: ASYNC110 - time is all that it waits for
            await asyncio.sleep(wait)
        asking = self._gate.again(asking, Way.BULK)
        self._gate.count(asking, residents)
        return asking

    async def _answer_codes(self, questions: list[Question]) -> list[Answered]:
        async with self._database.lane() as lane:
            codes = {question.code for question in questions if question.code is not None}
            found = await PostgresLookUps(lane).by_codes(codes)
            releases = [by_code(question, found) for question in questions]
            return await self._recorder.answer(lane, questions, releases)

    async def _answer_attributes(self, questions: list[Question]) -> list[Answered]:
        asked = [question.asserted for question in questions if question.asserted is not None]
        async with self._database.lane() as lane:
            candidates = await PostgresLookUps(lane).by_attributes(asked)
            releases = [by_attributes(*pair) for pair in zip(questions, candidates, strict=True)]
            return await self._recorder.answer(lane, questions, releases)


def _codes(request: confirmation_pb.ListChangesRequest) -> list[str]:
    if len(request.resident_codes) > CODES_LIMIT:
        raise TooManyCodes("ask about fewer residents at a time", limit=CODES_LIMIT)
    if request.since_position < 0 or request.page_size < 0:
        raise FieldMalformed("give numbers from 0", field="since_position, page_size", form="NEGATIVE")
    return [read_code(digits, f"resident_codes[{place}]") for place, digits in enumerate(request.resident_codes)]


def _changes_response(
    codes: list[str], lines: list[HistoryLine], since: int, granted: frozenset[Item]
) -> confirmation_pb.ListChangesResponse:
    places = {code: place for place, code in reversed(list(enumerate(codes)))}
    return confirmation_pb.ListChangesResponse(
        changes=[
            change_pb(
                places[line.resident_code],
                line.position,
                line.reason,
                line.event_date,
                [item for item in line.items if item in granted],
            )
            for line in lines
        ],
        next_position=lines[-1].position if lines else since,
    )
