"""Moves out, deaths, removals by office."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from juki.common.v1 import change_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from tests.counters import HOME, YOKOHAMA, Desk, make_act, make_day, target, targets

EARLIER = date(2026, 3, 1)


def make_move_out(*residents: resident_pb2.Resident, **values: Any) -> pb.ReportMoveOutRequest:
    return pb.ReportMoveOutRequest(
        **{
            "act": make_act(),
            "targets": targets(residents),
            "destination_municipality_code": YOKOHAMA,
            "destination_address": "神奈川県横浜市中区",
            **values,
        }
    )


def make_death(resident: resident_pb2.Resident, **values: Any) -> pb.ReportDeathRequest:
    return pb.ReportDeathRequest(**{"act": make_act(), "target": target(resident), **values})


async def test_a_move_out_removes_the_record_and_keeps_where_to(desk: Desk) -> None:
    (resident,) = await desk.move_in()

    (gone,) = (await desk.bring(make_move_out(resident))).residents

    assert gone.state == resident_pb2.Resident.STATE_REMOVED
    assert gone.destination_address == "神奈川県横浜市中区"
    assert gone.reason == change_pb2.CHANGE_REASON_MOVE_OUT
    assert (await desk.sent())[-1].attributes.address == HOME


async def test_a_move_out_may_be_planned_ahead_within_limits(desk: Desk) -> None:
    near, far = await desk.family("妻")

    await desk.bring(make_move_out(far, act=make_act(date(2026, 5, 31))))

    assert await desk.refusal(make_move_out(near, act=make_act(date(2026, 6, 1)))) == "DATE_TOO_FAR_AHEAD"


async def test_a_move_abroad_names_no_municipality(desk: Desk) -> None:
    (resident,) = await desk.move_in()

    request = make_move_out(resident, destination_municipality_code="", destination_address="ブラジル")
    (gone,) = (await desk.bring(request)).residents

    assert gone.reason == change_pb2.CHANGE_REASON_MOVE_OUT_ABROAD


async def test_a_household_that_moves_out_ends(desk: Desk) -> None:
    family = await desk.family("妻", "子")

    await desk.bring(make_move_out(*family))

    household = await desk.household(family[0])
    assert household.head == ""
    assert not household.members


async def test_the_only_one_who_stays_becomes_head(desk: Desk) -> None:
    head, wife = await desk.family("妻")

    gone, promoted = (await desk.bring(make_move_out(head))).residents

    assert gone.name == head.name
    assert promoted.name == wife.name
    assert promoted.relation == "世帯主"
    assert promoted.reason == change_pb2.CHANGE_REASON_HEAD_CHANGE
    assert (await desk.household(wife)).head == wife.name


async def test_a_new_head_among_several_is_named(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")

    assert await desk.refusal(make_death(head)) == "HEAD_LEFT_BEHIND"
    await desk.bring(make_death(head, new_head=wife.name))

    household = await desk.household(child)
    assert household.head == wife.name
    assert household.members[0].relation == "世帯主"


async def test_a_new_head_must_be_needed_and_must_stay(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")
    (stranger,) = await desk.move_in()

    assert await desk.refusal(make_death(child, new_head=wife.name)) == "HEAD_STAYS"
    assert await desk.refusal(make_death(head, new_head=stranger.name)) == "NOT_A_MEMBER"
    assert await desk.refusal(make_death(head, new_head=head.name)) == "NOT_A_MEMBER"


async def test_a_change_of_head_alone_is_not_notified(desk: Desk) -> None:
    head, _ = await desk.family("妻")
    before = len(await desk.sent())

    await desk.bring(make_death(head))

    assert [event.resident_code for event in (await desk.sent())[before:]] == [head.resident_code]


async def test_nothing_but_a_cancellation_happens_to_a_dead_person(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (dead,) = (await desk.bring(make_death(resident))).residents

    assert await desk.refusal(make_death(dead)) == "RECORD_REMOVED"
    assert await desk.refusal(make_move_out(dead)) == "RECORD_REMOVED"
    relocation = pb.ReportRelocationRequest(act=make_act(), targets=[target(dead)], address="東京都千代田区")
    assert await desk.refusal(relocation) == "RECORD_REMOVED"
    change = pb.ChangeResidentCodeRequest(act=make_act(), target=target(dead))
    assert await desk.refusal(change) == "RECORD_REMOVED"


async def test_a_removal_by_office_has_its_ground_and_no_notification(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    request = pb.RemoveByOfficeRequest(act=make_act(), target=target(resident), ground="居所不明")

    (gone,) = (await desk.bring(request)).residents

    assert gone.reason == change_pb2.CHANGE_REASON_REMOVAL_BY_OFFICE
    assert not gone.HasField("notification_date")


async def test_what_another_operator_has_changed_is_not_overwritten(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    await desk.bring(pb.ChangeResidentCodeRequest(act=make_act(), target=target(resident)))

    assert await desk.refusal(make_move_out(resident)) == "RECORD_CHANGED"
    assert await desk.refusal(make_death(resident)) == "RECORD_CHANGED"


async def test_a_resident_of_another_municipality_is_not_found(desk: Desk) -> None:
    stranger = resident_pb2.Resident(name="residents/00000000-0000-4000-8000-000000000000", etag="0" * 16)

    assert await desk.refusal(make_death(stranger)) == "RESIDENT_NOT_FOUND"


async def test_nobody_is_named_twice(desk: Desk) -> None:
    (resident,) = await desk.move_in()

    assert await desk.refusal(make_move_out(resident, resident)) == "LISTED_TWICE"


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (date(2026, 4, 2), "DATE_IN_FUTURE"),
        (date(1970, 1, 1), "DATE_BEFORE_BIRTH"),
        (date(2026, 2, 28), "DATE_BEFORE_ENTRY"),
    ],
)
async def test_a_death_on_an_impossible_day_is_refused(desk: Desk, day: date, reason: str) -> None:
    (resident,) = await desk.move_in(act=make_act(EARLIER))

    assert await desk.refusal(make_death(resident, act=make_act(day))) == reason


async def test_a_removal_keeps_the_day_of_entry(desk: Desk) -> None:
    (resident,) = await desk.move_in(act=make_act(EARLIER))

    (gone,) = (await desk.bring(make_death(resident))).residents

    assert gone.resident_since == make_day(EARLIER)


@pytest.mark.parametrize("name", ["residents/1", "households/00000000-0000-4000-8000-000000000000", "x", "residents/"])
async def test_a_name_of_bad_form_is_refused(desk: Desk, name: str) -> None:
    field, form = await desk.form(make_death(resident_pb2.Resident(name=name, etag="x")))

    assert field == "target.resident"
    assert form in ("RESOURCE_NAME_MALFORMED", "UUID_MALFORMED")
