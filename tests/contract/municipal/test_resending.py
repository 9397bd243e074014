"""What is sent in the place of a notification that a higher tier has quarantined."""

from __future__ import annotations

from juki.common.v1 import change_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from tests.contract.municipal.test_changes import make_correction, make_relocation
from tests.counters import ELSEWHERE, Desk, make_act, target


async def test_a_resent_notification_has_the_attributes_of_now_and_the_rest_of_then(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (moved,) = (await desk.bring(make_relocation(resident))).residents
    sequence = len(await desk.sent())
    (renamed,) = (await desk.bring(make_correction(moved, name="試験 花子"))).residents
    await desk.bring(pb.ChangeResidentCodeRequest(act=make_act(), target=target(renamed)))

    answer = await desk.bring(pb.ResendNotificationRequest(act=make_act(), sequence=sequence))

    first, again = (await desk.sent())[sequence - 1], (await desk.sent())[-1]
    assert again.resident_code == first.resident_code == resident.resident_code
    assert again.reason == change_pb2.CHANGE_REASON_RELOCATION
    assert again.event_date == first.event_date
    assert again.former_attributes == first.former_attributes
    assert (again.attributes.name, again.attributes.address) == ("試験 花子", ELSEWHERE)
    assert answer.residents[0].revision == 4


async def test_a_notification_may_be_resent_as_an_entry(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    await desk.bring(make_relocation(resident))
    sequence = len(await desk.sent())
    reason = change_pb2.CHANGE_REASON_ENTRY_BY_OFFICE

    await desk.bring(pb.ResendNotificationRequest(act=make_act(), sequence=sequence, reason=reason))

    assert (await desk.sent())[-1].reason == reason


async def test_a_notification_is_not_resent_as_what_nobody_is_notified_of(desk: Desk) -> None:
    await desk.move_in()
    request = pb.ResendNotificationRequest(
        act=make_act(), sequence=len(await desk.sent()), reason=change_pb2.CHANGE_REASON_HEAD_CHANGE
    )

    assert await desk.refusal(request) == "REASON_NOT_NOTIFIED"


async def test_resending_twice_under_one_request_id_sends_once(desk: Desk) -> None:
    await desk.move_in()
    sequence = len(await desk.sent())
    request = pb.ResendNotificationRequest(act=make_act(), sequence=sequence)
    first = await desk.bring(request)

    second = await desk.bring(request)

    assert first == second
    assert len(await desk.sent()) == sequence + 1


async def test_resending_is_in_the_log(desk: Desk) -> None:
    await desk.move_in()
    sequence = len(await desk.sent())

    await desk.bring(pb.ResendNotificationRequest(act=make_act(), sequence=sequence))

    assert (await desk.logged())[-1] == ("RESEND_NOTIFICATION", 1)
