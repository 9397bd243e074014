"""What is sent in the place of a notification that a higher tier has quarantined."""

from __future__ import annotations

from datetime import timedelta

from juki.common.v1 import change_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from services.foundation.refusals import Refusal
from services.vocabulary.change import ChangeReason
from tests.contract.municipal.test_changes import make_correction, make_relocation
from tests.contract.municipal.test_removals import make_death, make_move_out
from tests.counters import ELSEWHERE, TODAY, Desk, make_act, make_entrant, make_move_in, target

_REMOVED_REASONS = {"MOVE_OUT", "MOVE_OUT_ABROAD", "REMOVAL_BY_OFFICE"}
_CORRECTED_REASONS = {"RELOCATION", "CORRECTION_BY_OFFICE", "ERROR_CORRECTION", "NAME_CHANGE", "ENTRY_BY_OFFICE"}
_STAYS_HERE = ("HOUSEHOLD_SPLIT", "HOUSEHOLD_MERGE", "HOUSEHOLD_CHANGE", "HEAD_CHANGE")


def make_resend(sequence: int, reason: str = "UNSPECIFIED") -> pb.ResendNotificationRequest:
    value = change_pb2.ChangeReason.Value(f"CHANGE_REASON_{reason}")
    return pb.ResendNotificationRequest(act=make_act(), sequence=sequence, reason=value)


async def reasons_taken(desk: Desk, sequence: int) -> set[str]:
    """Returns the reasons with which a notification may be sent again."""
    refusals: dict[str, str] = {}
    for reason in ChangeReason:
        request = make_resend(sequence, reason.value)
        try:
            await desk.bring(request)
        except Refusal as refusal:
            refusals[reason.value] = refusal.reason
        else:
            assert (await desk.sent())[-1].reason == request.reason
    assert refusals == {
        reason: "REASON_NOT_NOTIFIED" if reason in _STAYS_HERE else "REASON_NOT_OF_RECORD" for reason in refusals
    }
    return {reason.value for reason in ChangeReason} - set(refusals)


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


async def test_an_entry_is_resent_with_the_reason_of_another_entry_only(desk: Desk) -> None:
    await desk.move_in()

    assert await reasons_taken(desk, len(await desk.sent())) == {"MOVE_IN", "MOVE_IN_FROM_ABROAD", "ENTRY_BY_OFFICE"}


async def test_a_removal_is_resent_with_the_reason_of_another_removal_only(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    await desk.bring(make_move_out(resident))

    assert await reasons_taken(desk, len(await desk.sent())) == _REMOVED_REASONS


async def test_a_death_is_resent_as_a_death_only(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    await desk.bring(make_death(resident))

    assert await reasons_taken(desk, len(await desk.sent())) == {"DEATH"}


async def test_a_relocation_is_resent_as_a_correction_or_an_entry_by_office(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    await desk.bring(make_relocation(resident))

    assert await reasons_taken(desk, len(await desk.sent())) == _CORRECTED_REASONS


async def test_a_removed_resident_is_not_resent_as_entered_by_office(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (moved,) = (await desk.bring(make_relocation(resident))).residents
    sequence = len(await desk.sent())
    await desk.bring(make_death(moved))

    assert await desk.refusal(make_resend(sequence, "ENTRY_BY_OFFICE")) == "REASON_NOT_OF_RECORD"


async def test_a_removal_that_was_cancelled_is_resent_as_it_was_only(desk: Desk) -> None:
    (resident,) = await desk.move_in(act=make_act(TODAY - timedelta(days=9)))
    (removed,) = (await desk.bring(make_move_out(resident))).residents
    sequence = len(await desk.sent())
    await desk.bring(pb.CancelEventRequest(act=make_act(), target=target(removed)))

    assert await reasons_taken(desk, sequence) == {"MOVE_OUT"}


async def test_the_removal_of_somebody_who_came_back_is_not_resent(desk: Desk) -> None:
    entrant = make_entrant()
    (resident,) = await desk.move_in(entrant)
    await desk.bring(make_move_out(resident))
    sequence = len(await desk.sent())
    entrant.resident_code = resident.resident_code
    await desk.bring(make_move_in(entrant))

    assert await desk.refusal(make_resend(sequence)) == "REASON_NOT_OF_RECORD"


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
    assert (await desk.fields())[-1] == ["MOVE_IN"]
