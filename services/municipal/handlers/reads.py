"""Who looks into the register, and what they see; each look-up is in the log before it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import grpc.aio

from juki.common.v1 import receipt_pb2
from juki.municipal.v1 import register_read_service_pb2 as pb
from juki.municipal.v1 import register_read_service_pb2_grpc as rpc
from services.foundation.journal import Journal, receipt_message
from services.foundation.rpc.call import current_call
from services.foundation.rpc.paging import PageTokens, page_size
from services.municipal.handlers.acts import action_of
from services.municipal.refusals import HouseholdNotFound, ResidentNotFound
from services.municipal.rules.record import Record
from services.municipal.rules.search import check_narrow
from services.municipal.store.unit import Store, Unit
from services.municipal.wire import parse, write

_FIELDS = ("resident_code", "name", "kana", "birth_date", "sex", "address", "household")


class RegisterReadHandlers(rpc.RegisterReadServiceServicer):
    """Answers look-ups of the municipality's own counters; `code_pool_low` is the count that is called low."""

    def __init__(self, store: Store, journal: Journal, tokens: PageTokens, code_pool_low: int) -> None:
        self._store = store
        self._journal = journal
        self._tokens = tokens
        self._code_pool_low = code_pool_low

    async def GetResident(
        self,
        request: pb.GetResidentRequest,
        _context: grpc.aio.ServicerContext[pb.GetResidentRequest, pb.GetResidentResponse],
    ) -> pb.GetResidentResponse:
        """Returns one record."""
        resident = parse.resident(request.resident, "resident")

        async with self._store.begin() as unit:
            record = await unit.residents.find(resident)
            if record is None:
                raise ResidentNotFound("search for the resident by code or attributes")
            receipt = await self._record(unit, [record])

        return pb.GetResidentResponse(resident=write.resident(record), receipt=receipt)

    async def SearchResidents(
        self,
        request: pb.SearchResidentsRequest,
        _context: grpc.aio.ServicerContext[pb.SearchResidentsRequest, pb.SearchResidentsResponse],
    ) -> pb.SearchResidentsResponse:
        """Finds records by code or by attributes."""
        search = parse.search(request)
        check_narrow(search)
        limit = page_size(request.page_size, default=20, most=100)
        query = _query_of(request)
        position = self._tokens.read(request.page_token, query)
        after = UUID(bytes=position) if position is not None else None

        async with self._store.begin() as unit:
            found = await unit.residents.search(search, after, limit + 1)
            page = found[:limit]
            receipt = await self._record(unit, page, search.code.digits if search.code is not None else None)

        more = len(found) > limit
        return pb.SearchResidentsResponse(
            residents=[write.resident(record) for record in page],
            next_page_token=self._tokens.write(page[-1].resident.bytes, query) if more else "",
            receipt=receipt,
        )

    async def ListRevisions(
        self,
        request: pb.ListRevisionsRequest,
        _context: grpc.aio.ServicerContext[pb.ListRevisionsRequest, pb.ListRevisionsResponse],
    ) -> pb.ListRevisionsResponse:
        """Lists a record's history, newest first."""
        resident = parse.resident(request.resident, "resident")
        limit = page_size(request.page_size, default=50, most=200)
        position = self._tokens.read(request.page_token, request.resident)
        below = int.from_bytes(position) if position is not None else None

        async with self._store.begin() as unit:
            record = await unit.residents.find(resident)
            if record is None:
                raise ResidentNotFound("search for the resident by code or attributes")
            found = await unit.residents.history(resident, below, limit + 1)
            receipt = await self._record(unit, [record], count=len(found[:limit]))

        page = found[:limit]
        more = len(found) > limit
        return pb.ListRevisionsResponse(
            revisions=[write.resident(row) for row in page],
            next_page_token=self._tokens.write(page[-1].revision.to_bytes(4), request.resident) if more else "",
            receipt=receipt,
        )

    async def GetHousehold(
        self,
        request: pb.GetHouseholdRequest,
        _context: grpc.aio.ServicerContext[pb.GetHouseholdRequest, pb.GetHouseholdResponse],
    ) -> pb.GetHouseholdResponse:
        """Returns a household with its live members."""
        household = parse.household(request.household)

        async with self._store.begin() as unit:
            found = await unit.residents.household(household)
            if found is None:
                raise HouseholdNotFound("search for a member and take the household of the record")
            receipt = await self._record(unit, found[1])

        return pb.GetHouseholdResponse(household=write.household(*found), receipt=receipt)

    async def GetCodePool(
        self,
        request: pb.GetCodePoolRequest,  # noqa: ARG002 - it says nothing
        _context: grpc.aio.ServicerContext[pb.GetCodePoolRequest, pb.GetCodePoolResponse],
    ) -> pb.GetCodePoolResponse:
        """Counts the code pool, which is about nobody."""
        async with self._store.begin() as unit:
            counts = await unit.codes.counts()

        return pb.GetCodePoolResponse(
            free_count=counts.free, drawn_count=counts.drawn, low=counts.free < self._code_pool_low
        )

    async def _record(
        self, unit: Unit, shown: Sequence[Record], asked: str | None = None, count: int = 1
    ) -> receipt_pb2.AuditReceipt:
        """Records one entry for each person shown, or one that says that nobody was; returns the first's receipt."""
        action = action_of(current_call())
        entries = [
            self._journal.entry(action, subject=record.code.digits, fields=_FIELDS, count=count) for record in shown
        ]
        if not entries:
            entries = [self._journal.entry(action, subject=asked, count=0)]
        return receipt_message((await unit.record(entries))[0])


def _query_of(request: pb.SearchResidentsRequest) -> str:
    """Returns what a page token is bound to: the request without size and token."""
    query = pb.SearchResidentsRequest()
    query.CopyFrom(request)
    query.ClearField("page_size")
    query.ClearField("page_token")
    return query.SerializeToString(deterministic=True).hex()
