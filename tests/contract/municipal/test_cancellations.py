"""What a cancellation brings back, and what it cannot."""

from __future__ import annotations

from juki.common.v1 import change_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from tests.contract.municipal.test_changes import make_correction, make_relocation
from tests.contract.municipal.test_households import make_head_change, make_split
from tests.contract.municipal.test_removals import make_death, make_move_out
from tests.counters import Desk, make_act, target


def make_cancellation(resident: resident_pb2.Resident) -> pb.CancelEventRequest:
    return pb.CancelEventRequest(act=make_act(), target=target(resident))


def content(resident: resident_pb2.Resident) -> tuple[object, ...]:
    """What a record says of the person, without how it came to."""
    return (
        resident.state,
        resident.resident_code,
        resident.attributes.SerializeToString(deterministic=True),
        resident.kana,
        resident.household,
        resident.relation,
        resident.destination_address,
    )


async def test_a_cancelled_death_brings_the_person_back(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (dead,) = (await desk.bring(make_death(resident))).residents

    (back,) = (await desk.bring(make_cancellation(dead))).residents

    assert content(back) == content(resident)
    assert back.revision == 3
    assert back.reason == change_pb2.CHANGE_REASON_EVENT_CANCELLED_RESTORING
    assert (await desk.household(back)).head == back.name
    assert await desk.history(back) == [back, dead, resident]
    assert (await desk.sent())[-1].reason == change_pb2.CHANGE_REASON_EVENT_CANCELLED_RESTORING


async def test_a_cancelled_entry_leaves_a_removed_record(desk: Desk) -> None:
    (resident,) = await desk.move_in()

    (gone,) = (await desk.bring(make_cancellation(resident))).residents

    assert gone.state == resident_pb2.Resident.STATE_REMOVED
    assert gone.reason == change_pb2.CHANGE_REASON_EVENT_CANCELLED_REMOVING
    assert (await desk.household(gone)).head == ""


async def test_a_cancelled_correction_brings_the_former_values_back(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (changed,) = (await desk.bring(make_correction(resident, name="試験 花子"))).residents

    (back,) = (await desk.bring(make_cancellation(changed))).residents

    assert content(back) == content(resident)
    event = (await desk.sent())[-1]
    assert event.reason == change_pb2.CHANGE_REASON_EVENT_CANCELLED_CORRECTING
    assert event.former_attributes.name == "試験 花子"


async def test_cancelling_a_heads_death_takes_the_new_head_back_too(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")
    dead, _ = (await desk.bring(make_death(head, new_head=wife.name))).residents

    back, demoted = (await desk.bring(make_cancellation(dead))).residents

    assert content(back) == content(head)
    assert content(demoted) == content(wife)
    assert (await desk.household(child)).head == head.name


async def test_one_of_a_family_that_moved_out_may_come_back_alone(desk: Desk) -> None:
    head, wife = await desk.family("妻")
    gone = (await desk.bring(make_move_out(head, wife))).residents

    (back,) = (await desk.bring(make_cancellation(gone[0]))).residents

    assert (await desk.household(back)).head == head.name
    assert (await desk.read(wife)).state == resident_pb2.Resident.STATE_REMOVED


async def test_cancelling_the_move_of_one_who_cannot_be_alone_cancels_the_whole_act(desk: Desk) -> None:
    head, wife = await desk.family("妻")
    gone = (await desk.bring(make_move_out(head, wife))).residents

    back = (await desk.bring(make_cancellation(gone[1]))).residents

    assert [one.name for one in back] == [wife.name, head.name]
    assert [content(one) for one in back] == [content(wife), content(head)]


async def test_a_cancelled_relocation_of_a_household_is_that_of_all(desk: Desk) -> None:
    family = await desk.family("妻", "子")
    moved = (await desk.bring(make_relocation(*family))).residents

    back = (await desk.bring(make_cancellation(moved[1]))).residents

    assert {one.name: content(one) for one in back} == {one.name: content(one) for one in family}
    assert (await desk.household(family[0])).address == family[0].attributes.address


async def test_household_events_are_cancelled_whole(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")
    promoted, _ = (await desk.bring(make_head_change(wife))).residents
    await desk.bring(make_cancellation(promoted))
    assert (await desk.household(child)).head == head.name

    (left,) = (await desk.bring(make_split(child))).residents
    (back,) = (await desk.bring(make_cancellation(left))).residents
    assert back.household == head.household


async def test_a_change_of_code_is_not_cancelled(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (changed,) = (await desk.bring(pb.ChangeResidentCodeRequest(act=make_act(), target=target(resident)))).residents

    assert await desk.refusal(make_cancellation(changed)) == "NOT_CANCELLABLE"


async def test_a_cancellation_is_not_cancelled(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (gone,) = (await desk.bring(make_cancellation(resident))).residents

    assert await desk.refusal(make_cancellation(gone)) == "NOTHING_TO_CANCEL"


async def test_what_others_have_built_upon_is_not_cancelled(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")
    dead, promoted = (await desk.bring(make_death(head, new_head=wife.name))).residents
    await desk.bring(make_correction(promoted, name="試験 花子"))

    assert await desk.refusal(make_cancellation(dead)) == "NOT_CANCELLABLE"
    assert (await desk.household(child)).head == wife.name


async def test_what_was_not_seen_is_not_cancelled(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    await desk.bring(make_correction(resident, name="試験 花子"))

    assert await desk.refusal(make_cancellation(resident)) == "RECORD_CHANGED"
    stranger = resident_pb2.Resident(name="residents/00000000-0000-4000-8000-000000000000", etag="0" * 16)
    assert await desk.refusal(make_cancellation(stranger)) == "RESIDENT_NOT_FOUND"


async def test_nobody_comes_back_beside_themselves(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (gone,) = (await desk.bring(make_move_out(resident))).residents
    entrant = resident_pb2.Entrant(
        name=resident.attributes.name,
        kana=resident.kana,
        birth_date=resident.attributes.birth_date,
        sex=resident.attributes.sex,
        relation="世帯主",
    )
    await desk.move_in(entrant)

    assert await desk.refusal(make_cancellation(gone)) == "RESIDENT_ALREADY_REGISTERED"
