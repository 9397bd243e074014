"""Requests that come twice, at once, or whose answer is lost."""

from __future__ import annotations

import asyncio

from juki.municipal.v1 import register_service_pb2 as pb
from services.foundation.refusals import Refusal
from tests.contract.municipal.test_changes import make_correction, make_relocation
from tests.contract.municipal.test_removals import make_death
from tests.counters import CITY, Desk, make_entrant, make_move_in


async def test_a_repeated_request_gets_the_first_answer_byte_for_byte(desk: Desk) -> None:
    request = make_move_in(make_entrant(), make_entrant("子"))
    first = await desk.bring(request)
    before = await desk.count_rows()
    desk.clock.time = desk.clock.time.replace(hour=5)

    second = await desk.bring(request)

    assert second.SerializeToString() == first.SerializeToString()
    added = {name: count - before[name] for name, count in (await desk.count_rows()).items() if count != before[name]}
    assert added in ({"log": 2}, {"audit_entry": 2})


async def test_a_repeated_answer_is_in_the_log_once_for_each_resident_shown_again(desk: Desk) -> None:
    request = make_move_in(make_entrant(), make_entrant("子"))
    await desk.bring(request)

    await desk.bring(request)

    assert (await desk.logged())[-4:] == [("REPORT_MOVE_IN", 1)] * 2 + [("REPEAT_REPLY", 1)] * 2


async def test_resending_again_under_the_same_request_id_is_in_the_log(desk: Desk) -> None:
    await desk.move_in()
    request = pb.ResendNotificationRequest(act=make_move_in().act, sequence=len(await desk.sent()))
    first = await desk.bring(request)

    second = await desk.bring(request)

    assert second.SerializeToString() == first.SerializeToString()
    assert (await desk.logged())[-2:] == [("RESEND_NOTIFICATION", 1), ("REPEAT_REPLY", 1)]


async def test_a_request_id_is_not_used_for_something_else(desk: Desk) -> None:
    request = make_move_in()
    await desk.bring(request)
    other = make_move_in(act=request.act)

    assert await desk.refusal(other) == "REQUEST_ID_REUSED"


async def test_request_ids_of_two_counters_do_not_meet(desk: Desk) -> None:
    request = make_move_in()
    await desk.bring(request)
    desk.caller = CITY

    assert await desk.refusal(request) == "RESIDENT_ALREADY_REGISTERED"


async def test_a_refused_request_may_be_repeated_when_the_state_allows_it(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (moved,) = (await desk.bring(make_relocation(resident))).residents
    request = make_death(moved)
    request.target.etag = resident.etag
    assert await desk.refusal(request) == "RECORD_CHANGED"
    request.target.etag = moved.etag

    (dead,) = (await desk.bring(request)).residents

    assert dead.revision == 3


async def test_of_two_operators_at_one_record_the_second_is_told(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    requests = [make_correction(resident, name=f"試験 花子{number}") for number in range(4)]

    answers = await asyncio.gather(*(desk.bring(one) for one in requests), return_exceptions=True)

    refused = [one.reason for one in answers if isinstance(one, Refusal)]
    assert refused == ["RECORD_CHANGED"] * 3
    assert (await desk.read(resident)).revision == 2


async def test_the_same_request_at_once_acts_once(desk: Desk) -> None:
    request = make_move_in()

    answers = await asyncio.gather(*(desk.bring(request) for _ in range(4)))

    assert len({answer.SerializeToString() for answer in answers}) == 1


async def test_one_person_is_entered_once_by_two_counters_at_once(desk: Desk) -> None:
    entrant = make_entrant()

    answers = await asyncio.gather(*(desk.bring(make_move_in(entrant)) for _ in range(4)), return_exceptions=True)

    refused = [one.reason for one in answers if isinstance(one, Refusal)]
    assert refused == ["RESIDENT_ALREADY_REGISTERED"] * 3


async def test_acts_at_once_draw_different_codes(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.bring(make_move_in()) for _ in range(12)))

    assert len({answer.residents[0].resident_code for answer in answers}) == 12


async def test_an_empty_pool_refuses_and_leaves_nothing(desk: Desk) -> None:
    async with desk.store.begin() as unit:
        free = (await unit.codes.counts()).free
        await unit.codes.draw(free, desk.clock.now())

    assert await desk.refusal(make_move_in()) == "CODE_POOL_EMPTY"


async def test_a_sequence_that_was_never_sent_is_not_sent_again(desk: Desk) -> None:
    request = pb.ResendNotificationRequest(act=make_move_in().act, sequence=10**9)

    assert await desk.refusal(request) == "NOTIFICATION_NOT_FOUND"
