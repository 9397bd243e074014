"""How neighbours are called: as whom, with what errors, and while certificates are replaced."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography import x509

from services.foundation.identity import node_id
from services.foundation.refusals import Refusal
from services.foundation.rpc.channel import UNARY_AT_ONCE, Channels
from services.foundation.rpc.refusals import NeighbourUnknown, NodeSuspended
from services.foundation.rpc.status import RemoteRefusal
from services.foundation.rpc.trust import TrustStore
from services.foundation.telemetry import continued
from tests.certificates import ROOT, Network, replace_file
from tests.integration.rpc.echo import CALLER, NODE, Node, Stub, Words, config_of, running

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def channels(node: Node) -> AsyncIterator[Channels]:
    channels = channels_of(node)
    yield channels
    await channels.close()


def channels_of(node: Node, **settings: Any) -> Channels:
    config = config_of(node.network, CALLER, neighbours={NODE: f"localhost:{node.port}"}, **settings)
    return Channels(config, trust=TrustStore(config.trust, ROOT))


def first_serial(node: Node, name: str) -> int:
    """The serial of the certificate that a node's key directory holds now."""
    chain = (node.network.directory / name.replace("/", "-") / "tls.crt").read_bytes()
    return x509.load_pem_x509_certificate(chain).serial_number


async def texts(*given: str) -> AsyncIterator[Any]:
    for text in given:
        yield Words(text=text)


async def test_a_neighbour_is_called_with_a_deadline_although_none_is_given(channels: Channels) -> None:
    stub = Stub(channels.to(NODE))

    assert (await stub.say(Words(text="a"))).text == "a"
    assert (await stub.gather(texts("b", "c"))).text == "b c"
    assert [answer.text async for answer in stub.talk(texts("d", "e"))] == ["d", "e"]


async def test_the_trace_goes_on_at_the_neighbour(node: Node, channels: Channels) -> None:
    with continued(TRACEPARENT):
        await Stub(channels.to(NODE)).say(Words(text="a"))

    assert node.echo.seen[0].traceparent == TRACEPARENT


async def test_a_neighbours_refusal_arrives_as_it_was_meant(channels: Channels) -> None:
    with pytest.raises(RemoteRefusal) as refused:
        await Stub(channels.to(NODE)).say(Words(text="refuse"))

    assert (refused.value.reason, refused.value.facts) == ("REFUSED_BY_HANDLER", {"word": "refuse"})


async def test_a_neighbours_refusal_ends_a_stream(channels: Channels) -> None:
    with pytest.raises(RemoteRefusal) as refused:
        [answer async for answer in Stub(channels.to(NODE)).talk(texts("a", ""))]

    assert refused.value.reason == "FIELD_MISSING"


async def test_a_neighbours_bug_is_told_as_its_failure(channels: Channels) -> None:
    with pytest.raises(Refusal) as refused:
        await Stub(channels.to(NODE)).say(Words(text="fail"))

    assert (refused.value.reason, refused.value.facts["status"]) == ("NEIGHBOUR_FAILED", "INTERNAL")


async def test_a_neighbour_that_is_down_is_unreachable_and_answers_when_it_is_back(network: Network) -> None:
    async with running(network) as first:
        channels, port = channels_of(first), first.port
    stub = Stub(channels.to(NODE))

    with pytest.raises(Refusal) as refused:
        await stub.say(Words(text="a"), timeout=1)
    async with running(network, listen=f"127.0.0.1:{port}"):
        answer = await stub.say(Words(text="b"), timeout=10)
    await channels.close()

    assert (refused.value.reason, answer.text) == ("NEIGHBOUR_UNREACHABLE", "b")


async def test_a_neighbour_that_does_not_answer_in_time_is_unreachable(channels: Channels) -> None:
    with pytest.raises(Refusal) as refused:
        await Stub(channels.to(NODE)).say(Words(text="wait"), timeout=0.3)

    assert (refused.value.reason, refused.value.facts["status"]) == ("NEIGHBOUR_UNREACHABLE", "DEADLINE_EXCEEDED")


async def test_a_lost_store_is_asked_again_until_the_attempts_are_used_up(node: Node, channels: Channels) -> None:
    with pytest.raises(RemoteRefusal) as refused:
        await Stub(channels.to(NODE)).say(Words(text="lose the store"))

    assert refused.value.reason == "STORE_UNREACHABLE"
    assert len(node.echo.seen) == 4


async def test_a_refusal_that_is_final_is_not_asked_again(node: Node, channels: Channels) -> None:
    with pytest.raises(RemoteRefusal):
        await Stub(channels.to(NODE)).say(Words(text="refuse"))

    assert len(node.echo.seen) == 1


async def test_a_node_that_is_not_the_neighbour_is_not_spoken_to(node: Node) -> None:
    config = config_of(node.network, CALLER, neighbours={"agency/national": f"localhost:{node.port}"})
    channels = Channels(config)

    with pytest.raises(Refusal) as refused:
        await Stub(channels.to("agency/national")).say(Words(text="a"), timeout=1)
    await channels.close()

    assert refused.value.reason == "NEIGHBOUR_UNREACHABLE"
    assert node.echo.seen == []


async def test_a_suspended_neighbour_is_not_called(node: Node) -> None:
    node.network.suspend(node_id(NODE, ROOT))
    channels = channels_of(node)

    with pytest.raises(NodeSuspended):
        await Stub(channels.to(NODE)).say(Words(text="a"))
    assert node.echo.seen == []


async def test_many_calls_at_once_are_all_answered_and_none_is_tried_twice(node: Node, channels: Channels) -> None:
    say = Stub(channels.to(NODE)).say

    answers = await asyncio.gather(*(say(Words(text=str(number)), timeout=30) for number in range(1000)))

    assert [answer.text for answer in answers] == [str(number) for number in range(1000)]
    assert len(node.echo.seen) == 1000


async def test_a_call_that_finds_no_place_before_its_deadline_is_refused(node: Node, channels: Channels) -> None:
    say = Stub(channels.to(NODE)).say
    filling = [asyncio.ensure_future(say(Words(text="wait"), timeout=30)) for _ in range(UNARY_AT_ONCE)]
    await asyncio.wait_for(node.echo.waiting.wait(), 5)

    with pytest.raises(Refusal) as refused:
        await say(Words(text="a"), timeout=0.3)
    for each in filling:
        each.cancel()
    await asyncio.gather(*filling, return_exceptions=True)

    assert (refused.value.reason, refused.value.facts["status"]) == ("NEIGHBOUR_UNREACHABLE", "BUSY")


async def test_an_unknown_neighbour_is_refused(channels: Channels) -> None:
    with pytest.raises(NeighbourUnknown):
        channels.to("prefecture/47")


async def test_certificates_of_both_sides_are_replaced_without_a_failed_call(node: Node, channels: Channels) -> None:
    stub, stop, answered = Stub(channels.to(NODE)), asyncio.Event(), 0

    async def keep_calling() -> None:
        nonlocal answered
        while not stop.is_set():
            assert (await stub.say(Words(text="a"))).text == "a"
            answered += 1

    async def keep_streaming() -> None:
        async for _ in stub.repeat(Words(text="a"), timeout=60):
            if stop.is_set():
                break

    async with asyncio.TaskGroup() as group:
        for work in (keep_calling, keep_calling, keep_streaming):
            group.create_task(work())
        for _ in range(3):
            before = answered
            for name in (NODE, CALLER):
                node.network.leaf(name).write(node.network.directory / name.replace("/", "-"))
            await asyncio.sleep(1.2)
            assert answered > before
        stop.set()

    assert node.recorded == []
    assert answered > 100


async def test_after_a_rotation_both_sides_show_the_new_certificate(node: Node, channels: Channels) -> None:
    stub, old = Stub(channels.to(NODE)), first_serial(node, CALLER)
    await stub.say(Words(text="a"))

    for name in (NODE, CALLER):
        node.network.leaf(name).write(node.network.directory / name.replace("/", "-"))
    node.network.revoke(f"13.{ROOT}", old)
    await asyncio.sleep(1.3)
    answer = await stub.say(Words(text="b"))
    served = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", node.port))

    assert answer.text == "b"
    assert x509.load_pem_x509_certificate(served.encode()).serial_number == first_serial(node, NODE)


async def test_a_half_written_certificate_changes_nothing(node: Node, channels: Channels) -> None:
    stub = Stub(channels.to(NODE))
    await stub.say(Words(text="a"))

    for name in (NODE, CALLER):
        key = node.network.directory / name.replace("/", "-") / "tls" / "tls.key"
        replace_file(key, node.network.leaf(CALLER).key_pem)
    await asyncio.sleep(1.1)

    assert (await stub.say(Words(text="b"))).text == "b"
