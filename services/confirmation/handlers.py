"""ConfirmationService: gate by purpose, look up in batches, record, then answer."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc.aio

from juki.common.v1 import purpose_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.confirmation.v1 import confirmation_service_pb2_grpc as confirmation_grpc
from services.confirmation.bulk import BulkConfirmation
from services.confirmation.questions import Answered, Asking, Question, Recorder, by_attributes, by_code
from services.confirmation.refusals import TooManyCodes
from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.purposes import Item, PurposeTable, Way, check_case_number, decide
from services.confirmation.store import HistoryLine, PostgresLookUps
from services.confirmation.wire import change_pb, grant_pb, read_asserted, read_code, receipt_pb
from services.foundation.audit.log import AuditLog
from services.foundation.batching import Batcher
from services.foundation.clock import Clock
from services.foundation.db.engine import Database
from services.foundation.refusals import FieldMalformed, Refusal
from services.foundation.rpc.call import Call, current_call

CODES_LIMIT = 500
"""Residents that one ListChanges may ask about."""

_ACTIONS = {
    Way.BY_CODE: "CONFIRM_BY_CODE",
    Way.BY_ATTRIBUTES: "CONFIRM_BY_ATTRIBUTES",
    Way.BULK: "CONFIRM_BULK",
    Way.CHANGES: "LIST_CHANGES",
}
_AFFAIR = re.compile(r"[a-z][a-z0-9@-]{0,31}")
"""Form of what is repeated in a refusal's facts: an unknown affair is logged, but not any text at all, nor a code."""
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
        purposes: PurposeTable,
        clock: Clock,
        *,
        lanes: int = 1,
        batch: int = 128,
    ) -> None:
        self._database = database
        self._purposes = purposes
        self._clock = clock
        self._recorder = Recorder(log, clock)
        self._by_code = Batcher(self._answer_codes, lanes=lanes, limit=batch, pause=_GATHER_SECONDS)
        self._by_attributes = Batcher(self._answer_attributes, lanes=lanes, limit=batch, pause=_GATHER_SECONDS)
        self._bulk = BulkConfirmation(self._answer_codes)

    async def close(self) -> None:
        """Takes no more questions and returns when those asked are answered."""
        await self._by_code.close()
        await self._by_attributes.close()

    async def ConfirmByCode(
        self, request: confirmation_pb.ConfirmByCodeRequest, _context: _Context
    ) -> confirmation_pb.ConfirmByCodeResponse:
        """Looks up a resident by code; see the proto."""
        asking = self._gate(current_call(), request.purpose, Way.BY_CODE)
        with _told(asking):
            code = read_code(request.resident_code, "resident_code")
            asserted = read_asserted(request.asserted, "asserted") if request.HasField("asserted") else None
        question = Question(asking, asking.call.request, code, asserted, subject=code)
        answered = await self._by_code.submit(question)
        return confirmation_pb.ConfirmByCodeResponse(answer=answered.answer, receipt=receipt_pb(answered.receipt))

    async def ConfirmByAttributes(
        self, request: confirmation_pb.ConfirmByAttributesRequest, _context: _Context
    ) -> confirmation_pb.ConfirmByAttributesResponse:
        """Looks for the resident with these four attributes; see the proto."""
        asking = self._gate(current_call(), request.purpose, Way.BY_ATTRIBUTES)
        with _told(asking):
            asserted = read_asserted(request.asserted, "asserted")
        answered = await self._by_attributes.submit(Question(asking, asking.call.request, asserted=asserted))
        return confirmation_pb.ConfirmByAttributesResponse(answer=answered.answer, receipt=receipt_pb(answered.receipt))

    async def ConfirmBulk(
        self, request_iterator: AsyncIterator[confirmation_pb.ConfirmBulkRequest], _context: _Context
    ) -> AsyncGenerator[confirmation_pb.ConfirmBulkResponse, None]:
        """Confirms many residents over one stream; see the proto."""
        call = current_call()

        def gate(header: confirmation_pb.BulkHeader) -> Asking:
            return self._gate(call, header.purpose, Way.BULK, header.request_id)

        async with aclosing(self._bulk.run(request_iterator, gate)) as responses:
            async for response in responses:
                yield response

    async def ListChanges(
        self, request: confirmation_pb.ListChangesRequest, _context: _Context
    ) -> confirmation_pb.ListChangesResponse:
        """Lists what changed for given residents since a position; see the proto."""
        asking = self._gate(current_call(), request.purpose, Way.CHANGES)
        with _told(asking):
            codes = _codes(request)
        limit = min(request.page_size or _PAGE_DEFAULT, _PAGE_LIMIT)
        async with self._database.lane() as lane:
            lines = await PostgresLookUps(lane).changes(codes, request.since_position, limit)
            response = _changes_response(codes, lines, request.since_position, asking.grant.items)
            receipts = await self._recorder.record(
                lane.connection,
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
            )
        response.first_receipt.CopyFrom(receipt_pb(receipts[0]))
        return response

    async def ListPurposes(
        self, _request: confirmation_pb.ListPurposesRequest, _context: _Context
    ) -> confirmation_pb.ListPurposesResponse:
        """Lists the purposes for which the caller may ask."""
        call = current_call()
        response = confirmation_pb.ListPurposesResponse(
            purposes=[grant_pb(grant) for grant in self._purposes.of(call.peer.name)],
            table_version=self._purposes.version,
        )
        entry = self._recorder.purposes_entry(call, len(response.purposes), response.SerializeToString())
        async with self._database.lane() as lane:
            await self._recorder.record(lane.connection, [entry])
        return response

    def _gate(self, call: Call, purpose: purpose_pb2.Purpose, way: Way, request_id: str = "") -> Asking:
        """Refuses a purpose that the table does not give; what is refused carries its affair and case to the log."""
        case = check_case_number(purpose.case_number)
        today = self._clock.now().astimezone(JAPAN).date()
        try:
            grant = decide(self._purposes, call.peer.name, purpose.affair_id, way, today)
        except Refusal as refusal:
            refusal.facts["case"] = case
            if _AFFAIR.fullmatch(purpose.affair_id):
                refusal.facts["affair"] = purpose.affair_id
            raise
        return Asking(call, request_id or call.request_id, grant, case, _ACTIONS[way])

    async def _answer_codes(self, questions: list[Question]) -> list[Answered]:
        async with self._database.lane() as lane:
            codes = {question.code for question in questions if question.code is not None}
            found = await PostgresLookUps(lane).by_codes(codes)
            releases = [by_code(question, found) for question in questions]
            return await self._recorder.answer(lane.connection, questions, releases)

    async def _answer_attributes(self, questions: list[Question]) -> list[Answered]:
        asked = [question.asserted for question in questions if question.asserted is not None]
        async with self._database.lane() as lane:
            candidates = await PostgresLookUps(lane).by_attributes(asked)
            releases = [by_attributes(*pair) for pair in zip(questions, candidates, strict=True)]
            return await self._recorder.answer(lane.connection, questions, releases)


@contextmanager
def _told(asking: Asking) -> Iterator[None]:
    """Lets a refusal after the gate carry its affair and case to the log."""
    try:
        yield
    except Refusal as refusal:
        refusal.facts |= {"affair": asking.grant.affair.affair_id, "case": asking.case}
        raise


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
