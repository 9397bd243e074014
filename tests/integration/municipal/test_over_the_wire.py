"""What a counter sees of its municipality's node."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.audit.v1 import audit_service_pb2_grpc as audit_rpc
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_rpc
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_read_service_pb2_grpc as read_rpc
from juki.municipal.v1 import register_service_pb2_grpc as rpc
from services.foundation.rpc.status import refusal_of
from tests.counters import make_codes, make_entrant, make_move_in
from tests.integration.municipal.conftest import Running

_SECONDS = 10.0


@pytest.fixture
async def counter(city: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with city.channel() as channel:
        yield channel


async def test_a_counter_registers_and_finds_a_resident(counter: grpc.aio.Channel) -> None:
    (code,) = make_codes(1)
    register: rpc.RegisterServiceAsyncStub = rpc.RegisterServiceStub(counter)
    reads: read_rpc.RegisterReadServiceAsyncStub = read_rpc.RegisterReadServiceStub(counter)

    moved_in = await register.ReportMoveIn(
        make_move_in(make_entrant(resident_code=code.digits)), timeout=_SECONDS
    )
    found = await reads.SearchResidents(
        read_pb.SearchResidentsRequest(resident_code=code.digits), timeout=_SECONDS
    )

    assert found.residents == moved_in.residents
    assert found.receipt.index > moved_in.receipt.index
