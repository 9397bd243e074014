"""Codes are allotted once for each request id, and each answer is in the log."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import grpc.aio
import pytest
from sqlalchemy import text

from juki.agency.v1 import code_pool_service_pb2 as pb
from services.agency.handlers import CodePoolHandlers
from services.foundation.audit.log import AuditLog
from services.foundation.audit.salts import Sealer
from services.foundation.db.engine import Database
from services.foundation.db.migrate import upgrade
from services.foundation.identity import node_id
from services.foundation.journal import Journal
from services.foundation.refusals import RequestIdReused
from services.foundation.rpc.call import CURRENT_CALL, Call
from tests.certificates import ROOT
from tests.counters import FixedClock
from tests.databases import MakeDatabase

_AGENCY = node_id("agency/national", ROOT)
_CITY = node_id("municipal/131016", ROOT)
_ORIGIN = "audit.agency-national.juki.example"
_MIGRATIONS = Path(__file__).parents[3] / "services/agency/migrations"
_CONTEXT = cast("grpc.aio.ServicerContext[pb.AllotCodesRequest, pb.AllotCodesResponse]", None)


class Agency:
    """The agency's handlers before its own database, called by one municipality."""

    def __init__(self, database: Database) -> None:
        self._database = database
        journal = Journal(AuditLog(_AGENCY, _ORIGIN, Sealer(bytes(32), _ORIGIN)), database, FixedClock())
        self._handlers = CodePoolHandlers(database, journal, random.Random(20260401))

    async def allot(self, request: pb.AllotCodesRequest) -> pb.AllotCodesResponse:
        method = "/juki.agency.v1.CodePoolService/AllotCodes"
        sent = request.SerializeToString()
        CURRENT_CALL.set(Call(_CITY, method, request.request_id, sent, "TLSv1.3", "X25519MLKEM768", ""))
        return await self._handlers.AllotCodes(request, _CONTEXT)

    async def logged(self) -> list[tuple[str, int]]:
        async with self._database.begin() as connection:
            bodies = [json.loads(one) for one in await connection.scalars(text("SELECT body FROM audit_entry"))]
        return [(one["act"], one["n"]) for one in sorted(bodies, key=lambda one: one["seq"])]


@pytest.fixture
async def agency(make_database: MakeDatabase) -> AsyncIterator[Agency]:
    urls = make_database("agency")
    await upgrade(urls.owner, _MIGRATIONS, urls.app_role)
    database = Database(urls.app, 2)
    yield Agency(database)
    await database.close()


async def test_a_repeated_request_gets_the_same_codes_and_an_entry_of_its_own(agency: Agency) -> None:
    request = pb.AllotCodesRequest(request_id=str(uuid4()), count=3)

    first, again = [await agency.allot(request) for _ in range(2)]

    assert again.SerializeToString() == first.SerializeToString()
    assert await agency.logged() == [("ALLOT_CODES", 3), ("REPEAT_REPLY", 3)]


async def test_another_request_gets_other_codes(agency: Agency) -> None:
    first, other = [await agency.allot(pb.AllotCodesRequest(request_id=str(uuid4()), count=3)) for _ in range(2)]

    assert not set(first.resident_codes) & set(other.resident_codes)


async def test_a_request_id_is_not_used_for_another_count(agency: Agency) -> None:
    request_id = str(uuid4())
    await agency.allot(pb.AllotCodesRequest(request_id=request_id, count=3))

    with pytest.raises(RequestIdReused):
        await agency.allot(pb.AllotCodesRequest(request_id=request_id, count=4))
