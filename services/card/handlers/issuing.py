"""How cards are issued, handed over, listed and recalled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, suppress
from datetime import date, timedelta, timezone

import grpc.aio

from juki.card.v1 import issuing_service_pb2 as pb
from juki.card.v1 import issuing_service_pb2_grpc as rpc
from juki.common.v1.receipt_pb2 import AuditReceipt
from services.card.handlers.acts import Acts, Under, action_of, first_answer
from services.card.handlers.batches import Batch
from services.card.handlers.issues import Issues, Wanted
from services.card.handlers.opening import Opening
from services.card.readers.protocol import Presence
from services.card.refusals import BatchUnknown
from services.card.rules.issuing import Life
from services.card.rules.use import check_not_recalled
from services.card.wire import parse, write
from services.foundation.clock import Clock
from services.foundation.journal import receipt_message
from services.foundation.refusals import Refusal
from services.foundation.rpc.call import current_call
from services.foundation.rpc.paging import PageTokens, page_size

_JAPAN = timezone(timedelta(hours=9))
_PAGE, _MOST = 100, 500


class IssuingHandlers(rpc.IssuingServiceServicer):
    """Answers for the cards that this node issues; `own` is the municipality's code."""

    def __init__(
        self, acts: Acts, issues: Issues, opening: Opening, clock: Clock, tokens: PageTokens, own: str
    ) -> None:
        self._acts = acts
        self._issues = issues
        self._opening = opening
        self._clock = clock
        self._tokens = tokens
        self._own = own

    async def IssueCard(  # noqa: D102 - the proto says it
        self,
        request: pb.IssueCardRequest,
        _context: grpc.aio.ServicerContext[pb.IssueCardRequest, pb.IssueCardResponse],
    ) -> pb.IssueCardResponse:
        profile = parse.profile(request)
        pins = parse.new_pins(request.pins)
        with ExitStack() as wiped:
            for pin in pins.values():
                wiped.enter_context(pin)
            wanted = Wanted(parse.holder(request.holder), parse.batch(request.batch), profile, pins)
            return await self._issues.issue(current_call(), request.reader, wanted, self._today())

    async def IssueBatch(  # noqa: D102 - the proto says it
        self,
        request: pb.IssueBatchRequest,
        _context: grpc.aio.ServicerContext[pb.IssueBatchRequest, pb.IssueBatchResponse],
    ) -> AsyncIterator[pb.IssueBatchResponse]:
        parse.batch(request.batch)
        items = parse.items(request.items)
        batch = Batch(self._issues, current_call(), request, self._today())
        async with aclosing(batch.issue(items)) as told:
            async for one in told:
                yield one

    async def ActivateCard(  # noqa: D102 - the proto says it
        self,
        request: pb.ActivateCardRequest,
        _context: grpc.aio.ServicerContext[pb.ActivateCardRequest, pb.ActivateCardResponse],
    ) -> pb.ActivateCardResponse:
        held = self._acts.sessions.find(request.session, current_call().peer)
        async with self._acts.store.begin() as unit:
            check_not_recalled(recalled=await unit.cards.is_recalled(held.number))
        pins = parse.new_pins(request.pins)

        def work(under: Under) -> Life:
            return under.desk.activate(pins, begun=under.begun)

        def answer(done: Life, receipt: AuditReceipt) -> pb.ActivateCardResponse:
            return pb.ActivateCardResponse(card=write.card(held.number, done, self._own), receipt=receipt)

        with ExitStack() as wiped:
            for pin in pins.values():
                wiped.enter_context(pin)
            return await self._acts.perform(request.session, pb.ActivateCardResponse, work, answer, changes_life=True)

    async def AbandonIssue(  # noqa: D102 - the proto says it
        self,
        request: pb.AbandonIssueRequest,
        _context: grpc.aio.ServicerContext[pb.AbandonIssueRequest, pb.AbandonIssueResponse],
    ) -> pb.AbandonIssueResponse:
        return await self._issues.abandon(current_call(), request.reader)

    async def ListCards(  # noqa: D102 - the proto says it
        self,
        request: pb.ListCardsRequest,
        _context: grpc.aio.ServicerContext[pb.ListCardsRequest, pb.ListCardsResponse],
    ) -> pb.ListCardsResponse:
        batch = parse.batch(request.batch)
        size = page_size(request.page_size, default=_PAGE, most=_MOST)
        after = self._tokens.read(request.page_token, "cards", batch) or b""
        call = current_call()
        async with self._acts.store.begin() as unit:
            found = await unit.cards.page(batch, after.decode("ascii"), size + 1)
            page = found[:size]
            entry = self._acts.journal.entry(action_of(call), count=len(page), call=call, fields=("card", "holder"))
            (receipt,) = await unit.record([entry])
        more = len(found) > size
        return pb.ListCardsResponse(
            cards=[write.issued(each, self._own, recalled=recalled) for each, recalled in page],
            next_page_token=self._tokens.write(page[-1][0].number.encode(), "cards", batch) if more else "",
            receipt=receipt_message(receipt),
        )

    async def RecallBatch(  # noqa: D102 - the proto says it
        self,
        request: pb.RecallBatchRequest,
        _context: grpc.aio.ServicerContext[pb.RecallBatchRequest, pb.RecallBatchResponse],
    ) -> pb.RecallBatchResponse:
        call, batch = current_call(), parse.batch(request.batch)
        async with self._acts.store.begin() as unit:
            if (reply := await first_answer(unit, self._acts.journal, call)) is not None:
                return pb.RecallBatchResponse.FromString(reply)
            if not await unit.cards.page(batch, "", 1):
                raise BatchUnknown("name a batch of which cards were issued here")
            await unit.begin_act(call)
            await unit.cards.recall(batch)
            (receipt,) = await unit.record([self._acts.journal.entry(action_of(call), call=call)])
        # From here every card of the batch is refused; what lies in a reader now is locked besides.
        await self._lock_present()
        async with self._acts.store.begin() as unit:
            live = await unit.cards.live_numbers(batch)
            locked = sum(life is Life.LOCKED for _, life in live)
            answer = pb.RecallBatchResponse(card_count=len(live), locked_count=locked, receipt=receipt_message(receipt))
            await unit.reply(call, answer.SerializeToString())
        return answer

    async def _lock_present(self) -> None:
        for reader in await self._issues.sessions.readers.list():
            if reader.presence is Presence.PRESENT and not reader.in_use:
                # One that cannot be locked now is locked when it is used next: nothing is lost.
                with suppress(Refusal):
                    await self._opening.lock_recalled(reader.name)

    def _today(self) -> date:
        return self._clock.now().astimezone(_JAPAN).date()
