"""What a caller is told by the gate, over real connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.foundation.refusals import Refusal
from services.foundation.rpc.call import Call
from services.foundation.rpc.status import RemoteRefusal, refusal_of
from services.foundation.witness.refusals import LogNotWitnessed
from tests.certificates import Network
from tests.integration.rpc.echo import CALLER, NAME, Node, Stub, Words, running

REQUEST_ID = "0b0c7bf8-3c5e-4a55-9d1f-0a6f0f3f9a11"


async def refused(call: Any) -> RemoteRefusal:
    """Awaits a call that must be refused."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    refusal = refusal_of(failed.value)
    assert refusal is not None, failed.value
    return refusal


async def words(*texts: str) -> AsyncIterator[Any]:
    for text in texts:
        yield Words(text=text)


async def test_a_permitted_call_is_answered_and_the_handler_knows_the_caller(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        answer = await Stub(channel).say(Words(text="もしもし", request_id=REQUEST_ID), timeout=5)

    assert answer.text == "もしもし"
    call = node.echo.seen[0]
    assert (call.peer.name, call.method, call.request_id) == (CALLER, f"/{NAME}/Say", REQUEST_ID)
    assert (call.tls_version, call.tls_group) == ("TLSv1.3", "X25519MLKEM768")
    assert call.request == Words(text="もしもし", request_id=REQUEST_ID).SerializeToString()


async def test_all_kinds_of_methods_are_answered(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        stub = Stub(channel)
        gathered = await stub.gather(words("a", "b"), timeout=5)
        talked = [answer.text async for answer in stub.talk(words("c", "d"), timeout=5)]
        repeated = stub.repeat(Words(text="e"), timeout=5)
        first = await repeated.read()
        repeated.cancel()

    assert (gathered.text, talked, first.text) == ("a b", ["c", "d"], "e")


async def test_a_caller_of_the_wrong_tier_is_refused_and_recorded(node: Node) -> None:
    async with node.channel(node.network.leaf("municipal/141003")) as channel:
        refusal = await refused(Stub(channel).say(Words(text="a"), timeout=5))

    assert (refusal.reason, refusal.domain) == ("METHOD_NOT_PERMITTED", "prefecture.juki.example")
    assert [(call.peer.name, each.reason) for call, each in node.recorded] == [
        ("municipal/141003", "METHOD_NOT_PERMITTED")
    ]
    assert node.echo.seen == []


async def test_permission_comes_before_everything_about_the_message(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).forbidden(b"\xff\xff"))

    assert refusal.reason == "METHOD_NOT_PERMITTED"


async def test_a_call_without_a_deadline_is_refused(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="a")))

    assert refusal.reason == "DEADLINE_MISSING"


async def test_a_stream_without_a_deadline_is_refused(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).gather(words("a")))

    assert refusal.reason == "DEADLINE_MISSING"


async def test_a_deadline_beyond_an_hour_is_refused(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="a"), timeout=4000))

    assert (refusal.reason, refusal.facts["limit"]) == ("DEADLINE_TOO_LONG", "3600")


async def test_the_longest_deadline_is_a_setting(network: Network) -> None:
    async with running(network, longest_deadline_seconds=2.0) as node, node.channel(network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="a"), timeout=5))

    assert (refusal.reason, refusal.facts["limit"]) == ("DEADLINE_TOO_LONG", "2")


async def test_a_node_in_no_state_to_answer_refuses_all_but_health(network: Network) -> None:
    asked: list[str] = []

    def standing(method: str) -> None:
        asked.append(method)
        raise LogNotWitnessed("wait", seconds=900)

    async with running(network, standing=standing) as node, node.channel(network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="a"), timeout=5))
        asking: Any = health_pb2_grpc.HealthStub(channel)
        health = await asking.Check(health_pb2.HealthCheckRequest())

    assert (refusal.reason, [told.reason for _, told in node.recorded]) == ("LOG_NOT_WITNESSED", ["LOG_NOT_WITNESSED"])
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert len(asked) == 1


@pytest.mark.parametrize("size", [256 * 1024, 10_000_000])
async def test_an_oversize_message_is_refused_with_its_limit(node: Node, size: int) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="x" * size), timeout=10))

    assert (refusal.reason, refusal.facts["limit"]) == ("MESSAGE_TOO_LARGE", str(256 * 1024))


async def test_a_message_beyond_the_ceiling_is_refused_by_the_transport(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await Stub(channel).say(Words(text="x" * 17_000_000), timeout=10)

    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_compressed_message_is_not_unpacked(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await Stub(channel).say(Words(text="x" * 1000), timeout=10, compression=grpc.Compression.Gzip)

    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_method_may_have_a_limit_of_its_own(network: Network) -> None:
    limits = {f"/{NAME}/Say": 1024 * 1024}
    async with running(network, message_bytes=limits) as node, node.channel(network.leaf(CALLER)) as channel:
        answer = await Stub(channel).say(Words(text="x" * 500_000), timeout=10)

    assert len(answer.text) == 500_000


@pytest.mark.parametrize("raw", [b"\x0a\x02\xff\xfe", b"\x0a\x7f", b"\xff\xff\xff"], ids=["utf8", "cut", "noise"])
async def test_bytes_that_are_no_message_are_refused(node: Node, raw: bytes) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(raw, timeout=5))

    assert refusal.reason == "MESSAGE_MALFORMED"


async def test_an_empty_required_field_is_named(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(), timeout=5))

    assert (refusal.reason, refusal.facts["fields"]) == ("FIELD_MISSING", "text")


async def test_a_request_id_that_is_no_uuid4_is_refused(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="a", request_id="Yamada Taro"), timeout=5))

    assert (refusal.reason, refusal.facts["form"]) == ("FIELD_MALFORMED", "REQUEST_ID_MALFORMED")
    assert "Yamada" not in node.recorded[0][0].request_id


async def test_each_message_of_a_stream_is_checked(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        call = Stub(channel).talk(words("a", "", "c"), timeout=5)
        first = await call.read()
        refusal = await refused(call.read())

    assert (first.text, refusal.reason) == ("a", "FIELD_MISSING")


async def test_a_refusal_of_the_handler_reaches_the_caller_and_the_log(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="refuse", request_id=REQUEST_ID), timeout=5))

    assert (refusal.reason, refusal.facts, refusal.advice) == (
        "REFUSED_BY_HANDLER",
        {"word": "refuse"},
        "say something else",
    )
    assert node.recorded[0][0].request_id == REQUEST_ID


async def test_a_refusal_inside_a_group_of_tasks_is_that_refusal(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        call = Stub(channel).talk(words("fail in a group"), timeout=5)
        refusal = await refused(call.read())

    assert refusal.reason == "REFUSED_BY_HANDLER"


async def test_a_bug_is_answered_without_a_word_of_it(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as failed:
            await Stub(channel).say(Words(text="fail"), timeout=5)

    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert "31415926535" not in str(failed.value.details())
    assert [record.getMessage() for record in caplog.records] == ["call.failed"]
    assert caplog.records[0].exc_info is not None


async def test_a_lost_store_is_told_as_such(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="lose the store"), timeout=5))

    assert refusal.reason == "STORE_UNREACHABLE"


async def test_a_handler_may_abort_by_itself(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await Stub(channel).say(Words(text="abort"), timeout=5)

    assert failed.value.code() is grpc.StatusCode.DATA_LOSS


async def test_a_refusal_that_cannot_be_recorded_is_withheld(network: Network) -> None:
    async def record(_call: Call, _refusal: Refusal) -> None:
        raise OSError

    async with running(network, recorder=record) as node, node.channel(network.leaf(CALLER)) as channel:
        refusal = await refused(Stub(channel).say(Words(text="refuse"), timeout=5))

    assert refusal.reason == "LOG_UNAVAILABLE"


async def test_a_refusal_is_recorded_although_the_caller_left(network: Network) -> None:
    recorded, under_way = [], asyncio.Event()

    async def record(_call: Call, refusal: Refusal) -> None:
        under_way.set()
        await asyncio.sleep(0.2)
        recorded.append(refusal.reason)

    async with running(network, recorder=record) as node, node.channel(network.leaf(CALLER)) as channel:
        call = Stub(channel).say(Words(text="refuse"), timeout=5)
        asking = asyncio.ensure_future(_ended(call))
        await asyncio.wait_for(under_way.wait(), 5)
        call.cancel()
        await asking
        await node.gate.settle()

    assert recorded == ["REFUSED_BY_HANDLER"]


async def test_a_cancelled_call_is_no_error(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        call = Stub(channel).say(Words(text="wait"), timeout=5)
        asking = asyncio.ensure_future(_ended(call))
        await asyncio.wait_for(node.echo.waiting.wait(), 5)
        call.cancel()
        await asking
        await asyncio.wait_for(node.echo.cancelled.wait(), 5)

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert node.recorded == []


async def test_an_unknown_method_is_unimplemented(node: Node) -> None:
    async with node.channel(node.network.leaf(CALLER)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await Stub(channel, "Shout").shout(Words(text="a"), timeout=5)

    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_health_is_told_to_any_peer_without_a_deadline(node: Node) -> None:
    async with node.channel(node.network.leaf("relying/pension")) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=NAME))
        await node.server.set_serving(NAME, False)
        later = await health.Check(health_pb2.HealthCheckRequest(service=NAME))

    serving = health_pb2.HealthCheckResponse
    assert (answer.status, later.status) == (serving.SERVING, serving.NOT_SERVING)


async def _ended(call: Any) -> None:
    with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
        await call
