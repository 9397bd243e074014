"""What cannot be applied is held, shows in the status, and is put right by a retry or by a signed correction."""

from __future__ import annotations

import uuid
from datetime import timedelta

from juki.common.v1 import change_pb2
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.municipal.v1 import register_service_pb2 as pb
from tests.counters import make_act, target
from tests.e2e.callers import CALL_S, LICENSING, PENSION, Callers, again, days_ago, refused
from tests.e2e.federation import AGENCY, CHIYODA, SHINJUKU, TOKYO, YOKOHAMA
from tests.e2e.municipality import Municipality, at, make_change, new_code

_AHEAD = timedelta(hours=2)


async def _retry(callers: Callers, node: str, sender: str, sequence: int) -> exchange_pb.RetryHeldResponse:
    """Retries as the node's own operator does, with the node's certificate."""
    request = exchange_pb.RetryHeldRequest(request_id=str(uuid.uuid4()), sender=sender, sequence=sequence)
    answer: exchange_pb.RetryHeldResponse = await callers.streams(node, caller=node).RetryHeld(request, timeout=CALL_S)
    return answer


async def test_a_quarantined_change_holds_its_own_line_until_a_correction_takes_its_place(callers: Callers) -> None:
    town = Municipality.found(callers, "131024")
    ours, others = new_code(), new_code()
    moved = make_change(ours, town.code, reason=change_pb2.CHANGE_REASON_RELOCATION)

    answer = await town.deliver(
        town.seal(make_change(ours, town.code, process_time=at(_AHEAD))),
        town.seal(moved),
        town.seal(make_change(others, town.code)),
    )
    assert answer.received_sequence == 3
    assert {one.sequence: one.reason for one in answer.held} == {1: "PROCESS_TIME_IN_FUTURE", 2: "BEHIND_QUARANTINED"}
    body = callers.body(LICENSING, TOKYO)
    assert [await body.outcome(code) for code in (ours, others)] == ["NOT_FOUND", "MATCH"]

    retried = await _retry(callers, TOKYO, f"municipal/{town.code}", 1)
    assert retried.applied_count == 0
    assert {one.reason for one in retried.held} == {"PROCESS_TIME_IN_FUTURE", "BEHIND_QUARANTINED"}

    await town.deliver(town.seal(make_change(ours, town.code), supersedes=1))
    assert (f"municipal/{town.code}", 2) not in await callers.held(TOKYO)
    assert await body.changes(ours) == [[change_pb2.CHANGE_REASON_MOVE_IN, change_pb2.CHANGE_REASON_RELOCATION]]
    gone = await refused(_retry(callers, TOKYO, f"municipal/{town.code}", 1))
    assert gone.reason == "ENVELOPE_NOT_HELD"


async def test_a_municipality_sends_again_what_the_agency_holds(callers: Callers) -> None:
    there, here = callers.counter(SHINJUKU), callers.counter(YOKOHAMA)
    of_others = await callers.held(AGENCY)
    (resident,) = await there.move_in()
    await callers.arrived(SHINJUKU)
    (entered,) = await here.move_in(again(resident), former_municipality_code=SHINJUKU, act=make_act(days_ago(9)))
    sequence = await callers.last_sent(YOKOHAMA)
    await callers.arrived(YOKOHAMA)
    assert [*(await callers.held(AGENCY)).values()] == [*of_others.values(), "RESIDENT_LIVE_ELSEWHERE"]

    attributes = type(entered.attributes)()
    attributes.CopyFrom(entered.attributes)
    attributes.name = "試験 訂正"
    correction = pb.CorrectRecordRequest(
        act=make_act(days_ago(1)),
        target=target(entered),
        reason=change_pb2.CHANGE_REASON_ERROR_CORRECTION,
        attributes=attributes,
    )
    (corrected,) = await here.act(correction)
    await here.act(pb.ResendNotificationRequest(act=make_act(days_ago(0)), sequence=sequence))
    await callers.arrived(YOKOHAMA)
    await there.move_out(resident, YOKOHAMA)
    await callers.arrived(SHINJUKU)

    assert await callers.held(AGENCY) == of_others
    assert await callers.body(PENSION).outcome(resident.resident_code, corrected.attributes) == "MATCH"
    assert (await callers.body(PENSION).changes(resident.resident_code))[0][-2:] == [
        change_pb2.CHANGE_REASON_MOVE_IN,
        change_pb2.CHANGE_REASON_ERROR_CORRECTION,
    ]


async def test_sending_again_what_was_applied_holds_nobody_back(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    tokyo, agency = await callers.held(TOKYO), await callers.held(AGENCY)
    (resident,) = await counter.move_in()
    sequence = await callers.last_sent(CHIYODA)
    for _ in range(2):
        await counter.act(pb.ResendNotificationRequest(act=make_act(days_ago(0)), sequence=sequence))
    attributes = type(resident.attributes)()
    attributes.CopyFrom(resident.attributes)
    attributes.name = "試験 改姓"
    (renamed,) = await counter.act(
        pb.CorrectRecordRequest(
            act=make_act(days_ago(0)),
            target=target(resident),
            reason=change_pb2.CHANGE_REASON_NAME_CHANGE,
            attributes=attributes,
        )
    )
    await callers.arrived(CHIYODA)

    assert (await callers.held(TOKYO), await callers.held(AGENCY)) == (tokyo, agency)
    assert await callers.body(PENSION).outcome(resident.resident_code, renamed.attributes) == "MATCH"


async def test_what_was_never_sent_is_not_sent_again(callers: Callers) -> None:
    request = pb.ResendNotificationRequest(act=make_act(days_ago(0)), sequence=1_000_000)

    refusal = await refused(callers.counter(SHINJUKU).answer(request))

    assert refusal.reason == "NOTIFICATION_NOT_FOUND"
