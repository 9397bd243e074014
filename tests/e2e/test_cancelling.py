"""Events that are cancelled are cancelled above, too, and history keeps both."""

from __future__ import annotations

from juki.common.v1 import change_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1.resident_pb2 import Resident
from tests.counters import make_act, target
from tests.e2e.callers import PENSION, Callers, days_ago, refused
from tests.e2e.federation import CHIYODA, SHINJUKU


async def test_a_death_reported_in_error_is_taken_back(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    (resident,) = await counter.move_in()
    dead = await counter.die(resident)
    await callers.arrived(CHIYODA)
    pension = callers.body(PENSION)
    assert await pension.outcome(resident.resident_code) == "DECEASED"

    alive = await counter.cancel(dead)
    await callers.arrived(CHIYODA)

    assert alive.state == Resident.STATE_LIVE
    assert await pension.outcome(resident.resident_code, resident.attributes) == "MATCH"
    assert await pension.changes(resident.resident_code) == [
        [
            change_pb2.CHANGE_REASON_MOVE_IN,
            change_pb2.CHANGE_REASON_DEATH,
            change_pb2.CHANGE_REASON_EVENT_CANCELLED_RESTORING,
        ]
    ]
    assert [one.revision for one in await counter.revisions(alive)] == [3, 2, 1]


async def test_an_entry_that_is_cancelled_is_told_as_removed(callers: Callers) -> None:
    counter = callers.counter(SHINJUKU)
    (resident,) = await counter.move_in()
    removed = await counter.cancel(resident)
    await callers.arrived(SHINJUKU)

    assert removed.state == Resident.STATE_REMOVED
    assert await callers.body(PENSION).outcome(resident.resident_code) == "REMOVED"


async def test_a_relocation_that_is_cancelled_restores_the_address(callers: Callers) -> None:
    counter = callers.counter(SHINJUKU)
    (resident,) = await counter.move_in()
    relocation = pb.ReportRelocationRequest(
        act=make_act(days_ago(3)), targets=[target(resident)], address="見本市転居町3番地"
    )
    (relocated,) = await counter.act(relocation)
    restored = await counter.cancel(relocated)
    await callers.arrived(SHINJUKU)

    assert restored.attributes.address == resident.attributes.address
    assert await callers.body(PENSION).outcome(resident.resident_code, resident.attributes) == "MATCH"


async def test_a_change_of_code_is_not_cancelled(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    (resident,) = await counter.move_in()
    renamed = await counter.change_code(resident)

    refusal = await refused(counter.answer(pb.CancelEventRequest(act=make_act(days_ago(0)), target=target(renamed))))

    assert refusal.reason == "NOT_CANCELLABLE"
