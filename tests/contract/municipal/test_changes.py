"""Relocations, corrections, changes of code."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from juki.common.v1 import change_pb2, person_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from tests.counters import ELSEWHERE, HOME, Desk, make_act, make_day, make_entrant, target, targets


def make_relocation(*residents: resident_pb2.Resident, **values: Any) -> pb.ReportRelocationRequest:
    return pb.ReportRelocationRequest(
        **{"act": make_act(), "targets": targets(residents), "address": ELSEWHERE, **values}
    )


def make_correction(
    resident: resident_pb2.Resident,
    reason: str = "ERROR_CORRECTION",
    kana: str = "",
    relation: str = "",
    **values: Any,
) -> pb.CorrectRecordRequest:
    attributes = person_pb2.FourAttributes()
    attributes.CopyFrom(resident.attributes)
    attributes.MergeFrom(person_pb2.FourAttributes(**values))
    return pb.CorrectRecordRequest(
        act=make_act(),
        target=target(resident),
        reason=change_pb2.ChangeReason.Value(f"CHANGE_REASON_{reason}"),
        attributes=attributes,
        kana=kana,
        relation=relation,
    )


async def test_a_household_that_relocates_together_stays_one(desk: Desk) -> None:
    family = await desk.family("妻", "子")

    moved = (await desk.bring(make_relocation(*family))).residents

    assert {one.household for one in moved} == {family[0].household}
    household = await desk.household(family[0])
    assert household.address == ELSEWHERE
    assert household.head == family[0].name


async def test_a_relocation_tells_the_former_address(desk: Desk) -> None:
    (resident,) = await desk.move_in()

    await desk.bring(make_relocation(resident))

    event = (await desk.sent())[-1]
    assert event.reason == change_pb2.CHANGE_REASON_RELOCATION
    assert event.former_attributes.address == HOME
    assert event.attributes.address == ELSEWHERE


async def test_one_who_relocates_alone_heads_a_household_of_their_own(desk: Desk) -> None:
    head, child = await desk.family("子")

    (moved,) = (await desk.bring(make_relocation(child))).residents

    assert moved.household != head.household
    assert moved.relation == "世帯主"
    assert [one.name for one in (await desk.household(head)).members] == [head.name]


async def test_relocating_into_a_household_takes_a_relation(desk: Desk) -> None:
    (head,) = await desk.move_in()
    (host,) = await desk.move_in(address=ELSEWHERE)
    bare = make_relocation(head, household=host.household)
    full = make_relocation(head, household=host.household, targets=[target(head, "弟")])

    assert await desk.refusal(bare) == "RELATION_MISSING"
    (moved,) = (await desk.bring(full)).residents

    assert (moved.household, moved.relation) == (host.household, "弟")
    assert (await desk.household(head)).head == ""


async def test_a_head_who_relocates_names_a_new_one(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")

    assert await desk.refusal(make_relocation(head)) == "HEAD_LEFT_BEHIND"
    await desk.bring(make_relocation(head, new_head=wife.name))

    assert (await desk.household(child)).head == wife.name


async def test_a_relocation_that_goes_nowhere_is_refused(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (other,) = await desk.move_in(address=ELSEWHERE)

    assert await desk.refusal(make_relocation(resident, address=HOME)) == "NOTHING_CHANGED"
    assert await desk.refusal(make_relocation(resident, household=resident.household)) == "SAME_HOUSEHOLD"
    elsewhere = make_relocation(resident, household=other.household, address="東京都千代田区霞が関2-1")
    elsewhere.targets[0].relation = "弟"
    assert await desk.refusal(elsewhere) == "ADDRESS_DIFFERS"


async def test_a_new_head_is_not_named_where_everybody_moves(desk: Desk) -> None:
    head, wife = await desk.family("妻")

    assert await desk.refusal(make_relocation(head, wife, new_head=wife.name)) == "HEAD_STAYS"


async def test_relocations_keep_the_days_in_order(desk: Desk) -> None:
    (resident,) = await desk.move_in(act=make_act(date(2026, 3, 10)))

    assert await desk.refusal(make_relocation(resident, act=make_act(date(2026, 3, 9)))) == "DATE_BEFORE_ENTRY"
    assert await desk.refusal(make_relocation(resident, act=make_act(date(2026, 4, 2)))) == "DATE_IN_FUTURE"


async def test_nothing_of_history_is_overwritten(desk: Desk) -> None:
    (first,) = await desk.move_in()
    (second,) = (await desk.bring(make_relocation(first))).residents
    (third,) = (await desk.bring(make_correction(second, name="試験 花子"))).residents

    assert await desk.history(first) == [third, second, first]
    assert [third.revision, second.revision, first.revision] == [3, 2, 1]
    assert len({third.etag, second.etag, first.etag}) == 3


@pytest.mark.parametrize(
    ("reason", "values", "refused"),
    [
        ("ERROR_CORRECTION", {}, "NOTHING_CHANGED"),
        ("NAME_CHANGE", {"sex": person_pb2.SEX_FEMALE}, "REASON_DOES_NOT_COVER"),
        ("MINOR_CORRECTION", {"name": "試験 別名"}, "REASON_DOES_NOT_COVER"),
        ("DEATH", {"name": "試験 別名"}, "REASON_NOT_A_CORRECTION"),
        ("ERROR_CORRECTION", {"birth_date": make_day(date(2026, 4, 2))}, "DATE_BEFORE_BIRTH"),
    ],
)
async def test_a_correction_that_is_none_is_refused(
    desk: Desk, reason: str, values: dict[str, Any], refused: str
) -> None:
    (resident,) = await desk.move_in()

    assert await desk.refusal(make_correction(resident, reason, **values)) == refused


async def test_a_name_is_changed_and_notified(desk: Desk) -> None:
    (resident,) = await desk.move_in()

    (changed,) = (
        await desk.bring(make_correction(resident, "NAME_CHANGE", kana="シケン ハナコ", name="試験 花子"))
    ).residents

    assert (changed.attributes.name, changed.kana) == ("試験 花子", "シケン ハナコ")
    assert (await desk.sent())[-1].former_attributes.name == resident.attributes.name


async def test_a_corrected_reading_is_nobodys_business_above(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    before = len(await desk.sent())

    await desk.bring(make_correction(resident, kana="シケン ジロウ"))

    assert len(await desk.sent()) == before


async def test_a_relation_is_corrected(desk: Desk) -> None:
    head, child = await desk.family("子")

    (corrected,) = (await desk.bring(make_correction(child, relation="長男"))).residents

    assert corrected.relation == "長男"
    assert await desk.refusal(make_correction(corrected, relation="世帯主")) == "HEAD_TAKEN"
    assert await desk.refusal(make_correction(head, relation="父")) == "HEAD_LEFT_BEHIND"


async def test_a_corrected_address_is_that_of_the_household(desk: Desk) -> None:
    head, child = await desk.family("子")
    before = len(await desk.sent())

    await desk.bring(make_correction(child, "MINOR_CORRECTION", address="東京都千代田区新町1"))

    assert (await desk.read(head)).attributes.address == "東京都千代田区新町1"
    assert (await desk.household(head)).address == "東京都千代田区新町1"
    assert len(await desk.sent()) == before + 2


async def test_nobody_is_corrected_into_somebody_else(desk: Desk) -> None:
    entrant = make_entrant()
    await desk.move_in(entrant)
    (other,) = await desk.move_in(make_entrant(birth_date=entrant.birth_date))

    request = make_correction(other, name=entrant.name)

    assert await desk.refusal(request) == "RESIDENT_ALREADY_REGISTERED"


async def test_a_code_is_changed_at_any_time_and_never_comes_back(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    codes = [resident.resident_code]
    for _ in range(3):
        request = pb.ChangeResidentCodeRequest(act=make_act(), target=target(resident))
        (resident,) = (await desk.bring(request)).residents
        codes.append(resident.resident_code)

    event = (await desk.sent())[-1]

    assert len(set(codes)) == 4
    assert [event.former_resident_code, event.resident_code] == codes[-2:]
    assert event.reason == change_pb2.CHANGE_REASON_CODE_CHANGE_REQUESTED
