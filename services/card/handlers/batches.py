"""How many cards are issued in a row: a blank one after the other is put into a reader."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import date
from typing import cast

from juki.card.v1 import issuing_service_pb2 as pb
from services.card.handlers.issues import Issues, Wanted
from services.card.readers.protocol import Change, ReaderEvent
from services.card.refusals import CardBeingIssued, CardNotBlank, CardOfAnotherRequest, ReaderUnknown
from services.card.rules.profile import ResidentCard
from services.foundation.refusals import Refusal
from services.foundation.rpc.call import Call

_Progress = pb.IssueBatchResponse
_WRONG_CARD = (CardNotBlank, CardBeingIssued, CardOfAnotherRequest)
"""Refusals for which another card is awaited, and the item is not given up."""
Items = list[tuple[pb.BatchItem, ResidentCard]]


class Batch:
    """One stream of cards."""

    def __init__(self, issues: Issues, call: Call, request: pb.IssueBatchRequest, today: date) -> None:
        self._issues = issues
        self._call = call
        self._reader = request.reader
        self._name = request.batch
        self._today = today
        self._issued = self._failed = 0

    async def issue(self, items: Items) -> AsyncGenerator[pb.IssueBatchResponse, None]:
        """Issues each item and tells of it; refuses READER_UNKNOWN and ISSUER_KEYS_ABSENT before the first."""
        self._issues.office().keys.certificate()
        if all(each.name != self._reader for each in await self._issues.sessions.readers.list()):
            raise ReaderUnknown("name a reader that is listed", reader=self._reader)
        async with aclosing(_insertions(self._issues, self._reader)) as insertions:
            for index, (item, profile) in enumerate(items):
                async for told in self._one(index, item, profile, insertions):
                    yield told

    async def _one(
        self, index: int, item: pb.BatchItem, profile: ResidentCard, insertions: AsyncIterator[ReaderEvent]
    ) -> AsyncIterator[pb.IssueBatchResponse]:
        call = self._call_of(item)
        if (answer := await self._issues.repeated(call)) is not None:
            yield self._done(index, answer)
            return
        wanted = Wanted(item.holder, self._name, profile, {})
        reason = ""
        while True:
            yield self._progress(index, _Progress.PROGRESS_WAITING_FOR_CARD, reason)
            await anext(insertions)
            try:
                answer = await self._issues.issue(call, self._reader, wanted, self._today)
            except _WRONG_CARD as refusal:
                reason = refusal.reason
            except Refusal as refusal:
                await self._issues.journal.record_refusal(call, refusal)
                self._failed += 1
                yield self._progress(index, _Progress.PROGRESS_FAILED, refusal.reason)
                return
            else:
                yield self._done(index, answer)
                return

    def _call_of(self, item: pb.BatchItem) -> Call:
        """Returns the call as this item sees it: with the item's own request id and content, and the batch."""
        content = pb.IssueBatchRequest(reader=self._reader, batch=self._name, items=[item])
        return replace(self._call, request_id=item.request_id, request=content.SerializeToString(deterministic=True))

    def _done(self, index: int, answer: pb.IssueCardResponse) -> pb.IssueBatchResponse:
        self._issued += 1
        told = self._progress(index, _Progress.PROGRESS_ISSUED)
        told.card.CopyFrom(answer.card)
        told.receipt.CopyFrom(answer.receipt)
        return told

    def _progress(
        self, index: int, progress: pb.IssueBatchResponse.Progress.ValueType, reason: str = ""
    ) -> pb.IssueBatchResponse:
        return pb.IssueBatchResponse(
            item=index, progress=progress, reason=reason, issued_count=self._issued, failed_count=self._failed
        )


async def _insertions(issues: Issues, reader: str) -> AsyncGenerator[ReaderEvent, None]:
    """Yields each card that is put into a reader, the one that is there first."""
    watch = cast("AsyncGenerator[ReaderEvent, None]", issues.sessions.readers.watch())
    async with aclosing(watch) as events:
        async for event in events:
            if event.change is Change.CARD_INSERTED and event.reader.name == reader:
                yield event
