"""What callers see of a municipality's node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc
import pytest

from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.audit.v1 import audit_service_pb2_grpc as audit_rpc
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.exchange.v1 import exchange_service_pb2_grpc as exchange_rpc
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_read_service_pb2_grpc as read_rpc
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import register_service_pb2_grpc as rpc
from services.foundation.rpc.status import RemoteRefusal, refusal_of
from tests.counters import make_codes, make_entrant, make_move_in
from tests.integration.municipal.conftest import Running

_SECONDS = 10.0


@pytest.fixture
async def counter(city: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with city.channel() as channel:
        yield channel


def make_arrival(**values: Any) -> pb.ReportMoveInRequest:
    """A move-in that needs no code of the pool."""
    (code,) = make_codes(1)
    return make_move_in(make_entrant(resident_code=code.digits), **values)


async def move_in(channel: grpc.aio.Channel, request: pb.ReportMoveInRequest) -> pb.ReportMoveInResponse:
    register: rpc.RegisterServiceAsyncStub = rpc.RegisterServiceStub(channel)
    return await register.ReportMoveIn(request, timeout=_SECONDS)


async def refused(answer: Awaitable[Any]) -> RemoteRefusal:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await answer
    refusal = refusal_of(failed.value)
    assert refusal is not None
    return refusal


async def published(log: audit_rpc.AuditServiceAsyncStub, index: int) -> None:
    """Waits until a checkpoint covers an entry."""
    while True:
        try:
            if (await log.GetCheckpoint(audit_pb.GetCheckpointRequest(), timeout=_SECONDS)).size > index:
                return
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
            assert refusal is not None
            assert refusal.reason == "NOTHING_PUBLISHED"
        await asyncio.sleep(0.05)


async def test_a_counter_registers_and_finds_a_resident(counter: grpc.aio.Channel) -> None:
    reads: read_rpc.RegisterReadServiceAsyncStub = read_rpc.RegisterReadServiceStub(counter)

    moved_in = await move_in(counter, make_arrival())
    code = moved_in.residents[0].resident_code
    found = await reads.SearchResidents(read_pb.SearchResidentsRequest(resident_code=code), timeout=_SECONDS)

    assert found.residents == moved_in.residents
    assert found.receipt.index > moved_in.receipt.index


async def test_a_receipt_is_proved_by_the_log(counter: grpc.aio.Channel) -> None:
    log: audit_rpc.AuditServiceAsyncStub = audit_rpc.AuditServiceStub(counter)
    receipt = (await move_in(counter, make_arrival())).receipt
    await published(log, receipt.index)

    proof = await log.GetInclusionProof(audit_pb.GetInclusionProofRequest(index=receipt.index), timeout=_SECONDS)

    assert proof.leaf_hash == receipt.leaf_hash


async def test_an_act_waits_in_the_stream_while_the_prefecture_is_away(counter: grpc.aio.Channel) -> None:
    status: exchange_rpc.StreamStatusServiceAsyncStub = exchange_rpc.StreamStatusServiceStub(counter)
    before = await status.ListStreams(exchange_pb.ListStreamsRequest(), timeout=_SECONDS)

    await move_in(counter, make_arrival())

    (stream,) = (await status.ListStreams(exchange_pb.ListStreamsRequest(), timeout=_SECONDS)).streams
    assert stream.peer == "prefecture/13"
    assert stream.last_sequence == before.streams[0].last_sequence + 1
    assert stream.acknowledged_sequence == 0


async def test_a_repeated_call_gets_the_same_bytes(counter: grpc.aio.Channel) -> None:
    request = make_arrival()
    plain: Any = counter.unary_unary("/juki.municipal.v1.RegisterService/ReportMoveIn")

    first = await plain(request.SerializeToString(), timeout=_SECONDS)
    second = await plain(request.SerializeToString(), timeout=_SECONDS)

    assert first == second


@pytest.mark.parametrize("caller", ["counter/131041-1", "municipal/131041", "prefecture/13", "relying/pension"])
async def test_nobody_but_the_own_counters_acts_on_the_register(city: Running, caller: str) -> None:
    async with city.channel(caller) as channel:
        refusal = await refused(move_in(channel, make_arrival()))

    assert refusal.reason == "METHOD_NOT_PERMITTED"


async def test_a_refusal_names_field_and_form(counter: grpc.aio.Channel) -> None:
    refusal = await refused(move_in(counter, make_move_in(make_entrant(resident_code="24727059607"))))

    assert refusal.reason == "FIELD_MALFORMED"
    assert refusal.domain == "municipal.juki.example"
    assert refusal.facts == {"field": "entrants[0].resident_code", "form": "RESIDENT_CODE_CHECK_DIGIT"}


async def test_a_missing_field_is_named(counter: grpc.aio.Channel) -> None:
    request = make_arrival()
    request.entrants[0].ClearField("birth_date")

    refusal = await refused(move_in(counter, request))

    assert (refusal.reason, refusal.facts) == ("FIELD_MISSING", {"fields": "entrants[0].birth_date"})


async def test_a_request_id_that_is_no_uuid4_is_refused(counter: grpc.aio.Channel) -> None:
    request = make_arrival()
    request.act.request_id = "1"

    assert (await refused(move_in(counter, request))).reason == "FIELD_MALFORMED"


async def test_invalid_utf8_is_refused(counter: grpc.aio.Channel) -> None:
    plain: Any = counter.unary_unary("/juki.municipal.v1.RegisterService/ReportMoveIn")
    request = make_arrival(address="XX").SerializeToString().replace(b"XX", b"\xff\xfe")

    assert (await refused(plain(request, timeout=_SECONDS))).reason == "MESSAGE_MALFORMED"


async def test_ten_megabytes_are_refused(counter: grpc.aio.Channel) -> None:
    request = make_arrival(former_address="x" * 10_000_000)

    assert (await refused(move_in(counter, request))).reason == "MESSAGE_TOO_LARGE"


async def test_no_resident_shows_in_what_the_node_writes_of_itself(
    counter: grpc.aio.Channel, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", logger="services")
    canary = make_entrant(name="鶯谷　金糸雀", kana="カナリア", resident_code=make_codes(1)[0].digits)
    request = make_move_in(canary, address="東京都千代田区鳥籠町9-9")
    answer = await move_in(counter, request)
    await refused(move_in(counter, make_move_in(canary, address="東京都千代田区鳥籠町9-9")))

    written = "\n".join(str(vars(record)) for record in caplog.records) + "".join(capfd.readouterr())
    assert "call.refused" in written
    for secret in (canary.name, "金糸雀", "カナリア", "鳥籠町", canary.resident_code):
        assert secret not in written
    assert answer.residents[0].attributes.name == canary.name
