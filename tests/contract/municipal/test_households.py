"""Changes of head, splits, merges, changes of household."""

from __future__ import annotations

from datetime import date
from typing import Any

from juki.common.v1 import change_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from tests.counters import ELSEWHERE, Desk, make_act, member, target, targets


def make_head_change(new_head: resident_pb2.Resident, **values: Any) -> pb.ChangeHeadRequest:
    return pb.ChangeHeadRequest(
        **{
            "act": make_act(),
            "household": new_head.household,
            "new_head": target(new_head),
            "former_head_relation": "夫",
            **values,
        }
    )


def make_split(*leavers: resident_pb2.Resident, **values: Any) -> pb.SplitHouseholdRequest:
    return pb.SplitHouseholdRequest(**{"act": make_act(), "targets": targets(leavers), **values})


async def test_another_member_becomes_head(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")

    promoted, former = (await desk.bring(make_head_change(wife))).residents

    assert (promoted.name, promoted.relation) == (wife.name, "世帯主")
    assert (former.name, former.relation) == (head.name, "夫")
    assert (await desk.household(child)).head == wife.name


async def test_a_change_of_head_stays_in_the_municipality(desk: Desk) -> None:
    _, wife = await desk.family("妻")
    before = len(await desk.sent())

    await desk.bring(make_head_change(wife))

    assert len(await desk.sent()) == before


async def test_a_wrong_change_of_head_is_refused(desk: Desk) -> None:
    head, wife = await desk.family("妻")
    (stranger,) = await desk.move_in()

    assert await desk.refusal(make_head_change(head)) == "ALREADY_HEAD"
    assert await desk.refusal(make_head_change(stranger, household=head.household)) == "NOT_A_MEMBER"
    assert await desk.refusal(make_head_change(wife, former_head_relation="世帯主")) == "RELATION_MISSING"
    assert await desk.refusal(make_head_change(wife, act=make_act(date(2026, 4, 2)))) == "DATE_IN_FUTURE"
    ended = make_head_change(wife, household="households/00000000-0000-4000-8000-000000000000")
    assert await desk.refusal(ended) == "HOUSEHOLD_NOT_FOUND"


async def test_a_split_makes_a_household_at_the_same_address(desk: Desk) -> None:
    head, child, grandchild = await desk.family("子", "孫")

    first, second = (await desk.bring(make_split(child, grandchild))).residents

    assert first.household == second.household != head.household
    assert first.relation == "世帯主"
    assert first.reason == change_pb2.CHANGE_REASON_HOUSEHOLD_SPLIT
    assert (await desk.household(first)).address == head.attributes.address


async def test_a_head_who_splits_off_leaves_a_head(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")

    assert await desk.refusal(make_split(head)) == "HEAD_LEFT_BEHIND"
    await desk.bring(make_split(head, new_head=child.name))

    assert (await desk.household(wife)).head == child.name


async def test_a_former_head_needs_a_relation_to_the_new_one(desk: Desk) -> None:
    head, wife, _ = await desk.family("妻", "子")

    request = make_split(wife, head, targets=[target(wife), target(head)])
    assert await desk.refusal(request) == "RELATION_MISSING"

    request = make_split(wife, head, targets=[target(wife), target(head, "夫")])
    promoted, former, _ = (await desk.bring(request)).residents
    assert (promoted.relation, former.relation) == ("世帯主", "夫")


async def test_a_wrong_split_is_refused(desk: Desk) -> None:
    head, child = await desk.family("子")
    other, second, _ = await desk.family("妻", "子")

    assert await desk.refusal(make_split(head, child)) == "NOBODY_STAYS"
    assert await desk.refusal(make_split(child, second)) == "NOT_A_MEMBER"
    assert await desk.refusal(make_split(other, other)) == "LISTED_TWICE"


async def test_a_merge_ends_the_household_absorbed(desk: Desk) -> None:
    head, _ = await desk.family("妻")
    guest, child = await desk.family("子")
    request = pb.MergeHouseholdsRequest(
        act=make_act(),
        household=head.household,
        absorbed_household=guest.household,
        members=[member(guest, "弟"), member(child, "甥")],
    )

    await desk.bring(request)

    assert len((await desk.household(head)).members) == 4
    assert (await desk.household(guest)).head == ""


async def test_a_wrong_merge_is_refused(desk: Desk) -> None:
    head, _ = await desk.family("妻")
    guest, child = await desk.family("子")
    (far,) = await desk.move_in(address=ELSEWHERE)

    def merge(
        into: resident_pb2.Resident, absorbed: resident_pb2.Resident, *members: pb.Membership
    ) -> pb.MergeHouseholdsRequest:
        return pb.MergeHouseholdsRequest(
            act=make_act(), household=into.household, absorbed_household=absorbed.household, members=members
        )

    for request, reason in [
        (merge(head, guest, member(guest)), "MEMBER_MISSING"),
        (merge(head, guest, member(guest), member(child), member(far)), "NOT_A_MEMBER"),
        (merge(head, guest, member(guest, "世帯主"), member(child)), "HEAD_TAKEN"),
        (merge(head, head, member(head)), "MEMBER_MISSING"),
        (merge(guest, guest, member(guest), member(child)), "SAME_HOUSEHOLD"),
        (merge(head, far, member(far)), "ADDRESS_DIFFERS"),
    ]:
        assert await desk.refusal(request) == reason


async def test_a_member_changes_household_at_the_same_address(desk: Desk) -> None:
    head, child = await desk.family("子")
    (grandmother,) = await desk.move_in()
    request = pb.ChangeHouseholdRequest(act=make_act(), household=grandmother.household, members=[member(child, "孫")])

    (moved,) = (await desk.bring(request)).residents

    assert (moved.household, moved.relation) == (grandmother.household, "孫")
    assert [one.name for one in (await desk.household(head)).members] == [head.name]


async def test_a_head_who_changes_household_leaves_a_head(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")
    (host,) = await desk.move_in()

    def change(**values: Any) -> pb.ChangeHouseholdRequest:
        return pb.ChangeHouseholdRequest(
            act=make_act(), household=host.household, members=[member(head, "弟")], **values
        )

    assert await desk.refusal(change()) == "HEAD_LEFT_BEHIND"
    await desk.bring(change(new_head=child.name))

    assert (await desk.household(wife)).head == child.name
