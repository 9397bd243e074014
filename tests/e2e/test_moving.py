"""Residents move between prefectures, in whichever order the two municipalities report it."""

from __future__ import annotations

from juki.common.v1 import change_pb2
from tests.counters import make_act
from tests.e2e.callers import PENSION, Callers, again, days_ago
from tests.e2e.federation import AGENCY, CHIYODA, SHINJUKU, YOKOHAMA, YOKOSUKA


async def test_a_move_between_prefectures_keeps_the_code(callers: Callers) -> None:
    origin, destination = callers.counter(CHIYODA), callers.counter(YOKOHAMA)
    (resident,) = await origin.move_in()
    left = await origin.move_out(resident, YOKOHAMA)
    await callers.arrived(CHIYODA)
    assert await callers.body(PENSION).outcome(resident.resident_code) == "MOVED"

    (arrived,) = await destination.move_in(again(left), former_municipality_code=CHIYODA, act=make_act(days_ago(9)))
    await callers.arrived(YOKOHAMA)

    assert arrived.resident_code == resident.resident_code
    assert await callers.body(PENSION).outcome(arrived.resident_code, arrived.attributes) == "MATCH"


async def test_a_move_in_that_is_reported_first_waits_for_the_move_out(callers: Callers) -> None:
    origin, destination = callers.counter(SHINJUKU), callers.counter(YOKOSUKA)
    of_others = await callers.held(AGENCY)
    (resident,) = await origin.move_in()
    await callers.arrived(SHINJUKU)

    (arrived,) = await destination.move_in(
        again(resident), former_municipality_code=SHINJUKU, act=make_act(days_ago(9))
    )
    await callers.arrived(YOKOSUKA)
    pension = callers.body(PENSION)
    assert [*(await callers.held(AGENCY)).values()] == [*of_others.values(), "RESIDENT_LIVE_ELSEWHERE"]
    assert await pension.outcome(resident.resident_code, arrived.attributes) == "MISMATCH"

    await origin.move_out(resident, YOKOSUKA)
    await callers.arrived(SHINJUKU)

    assert await callers.held(AGENCY) == of_others
    assert await pension.outcome(resident.resident_code, arrived.attributes) == "MATCH"
    assert await pension.changes(resident.resident_code) == [
        [change_pb2.CHANGE_REASON_MOVE_IN, change_pb2.CHANGE_REASON_MOVE_OUT, change_pb2.CHANGE_REASON_MOVE_IN]
    ]


async def test_a_code_changed_before_a_move_goes_along(callers: Callers) -> None:
    origin, destination = callers.counter(YOKOHAMA), callers.counter(SHINJUKU)
    (resident,) = await origin.move_in()
    renamed = await origin.change_code(resident)
    left = await origin.move_out(renamed, SHINJUKU, days=0)
    (arrived,) = await destination.move_in(again(left), former_municipality_code=YOKOHAMA, act=make_act(days_ago(0)))
    await callers.arrived(YOKOHAMA, SHINJUKU)

    pension = callers.body(PENSION)
    assert arrived.resident_code == renamed.resident_code
    assert await pension.outcome(renamed.resident_code, arrived.attributes) == "MATCH"
    assert await pension.outcome(resident.resident_code) == "CODE_CHANGED"


async def test_somebody_goes_there_and_back_again(callers: Callers) -> None:
    here, there = callers.counter(CHIYODA), callers.counter(YOKOSUKA)
    of_others = await callers.held(AGENCY)
    (resident,) = await here.move_in()
    away = await here.move_out(resident, YOKOSUKA, days=9)
    (guest,) = await there.move_in(again(away), former_municipality_code=CHIYODA, act=make_act(days_ago(8)))
    leaving = await there.move_out(guest, CHIYODA, days=7)
    (back,) = await here.move_in(again(leaving), former_municipality_code=YOKOSUKA, act=make_act(days_ago(6)))
    await callers.arrived(CHIYODA, YOKOSUKA, CHIYODA)

    assert back.resident_code == resident.resident_code
    assert await callers.body(PENSION).outcome(back.resident_code, back.attributes) == "MATCH"
    assert await callers.held(AGENCY) == of_others
