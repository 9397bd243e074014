"""Certificates are rotated and revoked, and nodes suspended, while calls run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest

from juki.municipal.v1 import register_read_service_pb2 as read_pb
from services.foundation.refusals import Refusal
from services.foundation.rpc.status import refusal_of
from tests.e2e.callers import CALL_S, PENSION, Callers
from tests.e2e.federation import AGENCY, CHIYODA, TOKYO

_SOON_S = 5.0


async def _refused_soon(call: Callable[[], Awaitable[object]]) -> Refusal:
    """Makes a call until it is refused, which must be soon."""
    deadline = time.monotonic() + _SOON_S
    while time.monotonic() < deadline:
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            if (refusal := refusal_of(error)) is not None:
                return refusal
            raise
        await asyncio.sleep(0.05)
    raise AssertionError("it was not refused in time")


@asynccontextmanager
async def _calling(call: Callable[[], Awaitable[object]]) -> AsyncIterator[list[int]]:
    """Makes a call again and again while the block runs; one that fails fails the test."""
    stop, counted = asyncio.Event(), [0]

    async def work() -> None:
        while not stop.is_set():
            await call()
            counted[0] += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        yield counted
        stop.set()


@pytest.mark.parametrize("node", [f"municipal/{CHIYODA}", TOKYO, AGENCY])
async def test_a_node_gets_a_new_certificate_without_a_failed_call(callers: Callers, node: str) -> None:
    counter, pension, pki = callers.counter(CHIYODA), callers.body(PENSION), callers.federation.pki
    (resident,) = await counter.move_in()
    await callers.arrived(CHIYODA)
    before = next(one.serial for one in pki.held() if one.node == node and one.kind == "tls")

    async def both() -> None:
        await counter.move_in()
        assert await pension.outcome(resident.resident_code, resident.attributes) == "MATCH"

    async with _calling(both) as counted:
        await asyncio.to_thread(pki.rotate, node)
        await asyncio.sleep(1.5)
    fresh = Callers(callers.federation, callers.told)
    assert await fresh.body(PENSION).outcome(resident.resident_code, resident.attributes) == "MATCH"
    await fresh.close()
    await callers.arrived(CHIYODA)

    after = next(one.serial for one in pki.held() if one.node == node and one.kind == "tls")
    assert after != before
    assert counted[0] > 3
    assert callers.federation.processes[node].state == "ready"


async def test_a_revoked_caller_is_refused_on_its_open_connection_and_back_with_a_new_certificate(
    callers: Callers,
) -> None:
    terminal, pki = f"counter/{CHIYODA}-1", callers.federation.pki
    counter = callers.counter(CHIYODA)
    await counter.move_in()

    await asyncio.to_thread(pki.revoke, terminal, "keyCompromise")
    try:
        refusal = await _refused_soon(lambda: counter.reads.GetCodePool(read_pb.GetCodePoolRequest(), timeout=CALL_S))
    finally:
        await asyncio.to_thread(pki.rotate, terminal)

    assert refusal.reason == "CERTIFICATE_REVOKED"
    fresh = Callers(callers.federation, callers.told)
    await fresh.counter(CHIYODA).move_in()
    await fresh.close()


async def test_a_suspended_body_is_refused_until_the_suspension_is_lifted(callers: Callers) -> None:
    pki, pension = callers.federation.pki, callers.body(PENSION)
    (resident,) = await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)

    await asyncio.to_thread(pki.suspend, PENSION)
    try:
        refusal = await _refused_soon(lambda: pension.outcome(resident.resident_code))
    finally:
        await asyncio.to_thread(pki.unsuspend, PENSION)

    assert refusal.reason == "NODE_SUSPENDED"
    await asyncio.sleep(1.0)
    assert await pension.outcome(resident.resident_code, resident.attributes) == "MATCH"


async def test_a_suspended_municipality_keeps_its_changes_until_it_is_let_in_again(callers: Callers) -> None:
    pki, counter = callers.federation.pki, callers.counter(CHIYODA)
    await callers.arrived(CHIYODA)

    await asyncio.to_thread(pki.suspend, f"municipal/{CHIYODA}")
    try:
        await asyncio.sleep(0.6)
        (resident,) = await counter.move_in()
        await asyncio.sleep(0.6)
        assert await callers.body(PENSION).outcome(resident.resident_code) == "NOT_FOUND"
    finally:
        await asyncio.to_thread(pki.unsuspend, f"municipal/{CHIYODA}")
    # Refused for good, it would try again after half a minute; a restart tries at once.
    await asyncio.to_thread(callers.federation.kill, f"municipal/{CHIYODA}")
    await asyncio.to_thread(callers.federation.settle)

    await callers.arrived(CHIYODA)
    assert await callers.body(PENSION).outcome(resident.resident_code, resident.attributes) == "MATCH"
