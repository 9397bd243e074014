"""Births, moves in, entries by office."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from tests.counters import (
    ELSEWHERE,
    HOME,
    TODAY,
    YOKOHAMA,
    Desk,
    fill_pool,
    make_act,
    make_codes,
    make_day,
    make_entrant,
    make_move_in,
    target,
)

YESTERDAY = date(2026, 3, 31)


def make_birth(parent: resident_pb2.Resident, **child: Any) -> pb.ReportBirthRequest:
    entrant = make_entrant("子", **{"birth_date": make_day(YESTERDAY), **child})
    return pb.ReportBirthRequest(act=make_act(YESTERDAY), entrant=entrant, household=parent.household)


def make_entry(**values: Any) -> pb.EnterByOfficeRequest:
    return pb.EnterByOfficeRequest(
        **{"act": make_act(), "entrant": make_entrant(), "address": HOME, "ground": "帰化", **values}
    )


async def test_a_family_that_moves_in_is_a_household_with_a_head(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")

    household = await desk.household(wife)

    assert household.head == head.name
    assert household.address == HOME
    assert household.members[0].name == head.name
    assert {one.name for one in household.members} == {head.name, wife.name, child.name}


async def test_a_move_in_is_notified_once_for_each_person(desk: Desk) -> None:
    before = len(await desk.sent())

    residents = await desk.family("妻")

    events = (await desk.sent())[before:]
    assert [event.resident_code for event in events] == [one.resident_code for one in residents]
    assert {event.reason for event in events} == {change_pb2.CHANGE_REASON_MOVE_IN}
    assert [event.attributes for event in events] == [one.attributes for one in residents]
    assert not any(event.HasField("former_attributes") for event in events)


async def test_each_person_touched_has_an_entry_in_the_log(desk: Desk) -> None:
    before = len(await desk.logged())

    answer = await desk.bring(make_move_in(make_entrant(), make_entrant("妻")))

    assert (await desk.logged())[before:] == [("REPORT_MOVE_IN", 1)] * 2
    assert answer.receipt.index == before


async def test_dates_are_kept_apart(desk: Desk) -> None:
    act = make_act(date(2026, 3, 20), date(2026, 3, 25))

    (resident,) = await desk.move_in(act=act)

    assert resident.event_date == make_day(date(2026, 3, 20))
    assert resident.notification_date == make_day(date(2026, 3, 25))
    assert resident.process_time.ToDatetime().date() == TODAY


async def test_the_processing_day_is_the_day_in_japan(desk: Desk) -> None:
    desk.clock.time = desk.clock.time.replace(hour=16)  # one o'clock on the second of April in Tokyo

    (resident,) = await desk.move_in(act=make_act(date(2026, 4, 2)))

    assert resident.notification_date == make_day(date(2026, 4, 2))


async def test_a_move_in_from_abroad_names_no_municipality(desk: Desk) -> None:
    (resident,) = await desk.move_in(former_municipality_code="", former_address="アメリカ合衆国")

    assert resident.reason == change_pb2.CHANGE_REASON_MOVE_IN_FROM_ABROAD
    assert resident.former_address == "アメリカ合衆国"


async def test_a_code_that_comes_along_is_kept(desk: Desk) -> None:
    (code,) = make_codes(1)

    (resident,) = await desk.move_in(make_entrant(resident_code=code.digits))

    assert resident.resident_code == code.digits


async def test_somebody_may_join_a_household_that_is_there(desk: Desk) -> None:
    (head,) = await desk.move_in()

    (joining,) = await desk.move_in(make_entrant("母"), household=head.household)

    assert joining.household == head.household


async def test_a_birth_adds_a_child_to_the_household(desk: Desk) -> None:
    (parent,) = await desk.move_in(act=make_act(date(2026, 3, 1)))

    (child,) = (await desk.bring(make_birth(parent))).residents

    assert child.household == parent.household
    assert child.attributes.address == HOME
    assert child.reason == change_pb2.CHANGE_REASON_BIRTH
    assert child.resident_since == make_day(YESTERDAY)


async def test_a_birth_on_another_day_than_the_date_of_birth_is_refused(desk: Desk) -> None:
    (parent,) = await desk.move_in()

    assert await desk.refusal(make_birth(parent, birth_date=make_day(TODAY))) == "DATE_NOT_OF_BIRTH"


async def test_a_newborn_brings_no_code(desk: Desk) -> None:
    (parent,) = await desk.move_in()
    (code,) = make_codes(1)

    assert await desk.form(make_birth(parent, resident_code=code.digits)) == (
        "entrant.resident_code",
        "NEWBORN_HAS_CODE",
    )


async def test_a_birth_into_an_unknown_household_is_refused(desk: Desk) -> None:
    request = make_birth(resident_pb2.Resident(household="households/00000000-0000-4000-8000-000000000000"))

    assert await desk.refusal(request) == "HOUSEHOLD_NOT_FOUND"


async def test_an_entry_by_office_has_no_day_of_notification(desk: Desk) -> None:
    (resident,) = (await desk.bring(make_entry())).residents

    assert not resident.HasField("notification_date")
    assert resident.reason == change_pb2.CHANGE_REASON_ENTRY_BY_OFFICE


async def test_an_entry_by_office_takes_the_address_of_the_household(desk: Desk) -> None:
    (head,) = await desk.move_in()
    request = make_entry(entrant=make_entrant("同居人"), address="", household=head.household)

    (resident,) = (await desk.bring(request)).residents

    assert resident.attributes.address == head.attributes.address


async def test_an_entry_by_office_needs_an_address_or_a_household(desk: Desk) -> None:
    assert await desk.refusal(make_entry(address="")) == "ADDRESS_MISSING"


async def test_a_live_code_is_not_entered_again(desk: Desk) -> None:
    (resident,) = await desk.move_in()

    request = make_move_in(make_entrant(resident_code=resident.resident_code))

    assert await desk.refusal(request) == "RESIDENT_ALREADY_REGISTERED"


async def test_the_same_four_attributes_are_not_entered_again_in_other_characters(desk: Desk) -> None:
    entrant = make_entrant(name="髙橋　健太")
    await desk.move_in(entrant)
    again = resident_pb2.Entrant()
    again.CopyFrom(entrant)
    again.name = "高橋 健太"

    request = make_move_in(again, address="東京都千代田区千代田１－１")

    assert await desk.refusal(request) == "RESIDENT_ALREADY_REGISTERED"


async def test_one_person_is_not_entered_twice_in_one_act(desk: Desk) -> None:
    head = make_entrant()
    double = resident_pb2.Entrant()
    double.CopyFrom(head)
    double.relation = "同居人"

    assert await desk.refusal(make_move_in(head, double)) == "RESIDENT_ALREADY_REGISTERED"


async def test_a_code_of_the_pool_that_nobody_was_given_is_refused(desk: Desk) -> None:
    (code,) = make_codes(1)
    await fill_pool(desk.store, [code])

    request = make_move_in(make_entrant(resident_code=code.digits))

    assert await desk.refusal(request) == "RESIDENT_CODE_TAKEN"


async def test_somebody_who_comes_back_goes_on_in_the_same_record(desk: Desk) -> None:
    entrant = make_entrant()
    (resident,) = await desk.move_in(entrant)
    gone = pb.ReportMoveOutRequest(
        act=make_act(),
        targets=[target(resident)],
        destination_municipality_code=YOKOHAMA,
        destination_address="神奈川県横浜市",
    )
    await desk.bring(gone)
    back = resident_pb2.Entrant()
    back.CopyFrom(entrant)
    back.resident_code = resident.resident_code

    (returned,) = await desk.move_in(back, address=ELSEWHERE)

    assert returned.name == resident.name
    assert returned.revision == 3
    assert returned.state == resident_pb2.Resident.STATE_LIVE
    assert returned.destination_address == ""
    assert returned.household != resident.household


async def test_the_code_of_a_dead_person_is_not_entered_again(desk: Desk) -> None:
    entrant = make_entrant()
    (resident,) = await desk.move_in(entrant)
    await desk.bring(pb.ReportDeathRequest(act=make_act(), target=target(resident)))
    entrant.resident_code = resident.resident_code

    assert await desk.refusal(make_move_in(entrant)) == "RESIDENT_CODE_TAKEN"


async def test_a_former_code_is_not_entered_again(desk: Desk) -> None:
    entrant = make_entrant()
    (resident,) = await desk.move_in(entrant)
    await desk.bring(pb.ChangeResidentCodeRequest(act=make_act(), target=target(resident)))
    entrant.resident_code = resident.resident_code

    assert await desk.refusal(make_move_in(entrant, address=ELSEWHERE)) == "RESIDENT_CODE_TAKEN"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"former_municipality_code": "999997"}, "FIELD_MALFORMED"),
        ({"former_municipality_code": "141992"}, "MUNICIPALITY_UNKNOWN"),
        ({"former_municipality_code": "131016"}, "MUNICIPALITY_IS_OWN"),
        ({"former_municipality_code": "141011"}, "MUNICIPALITY_KEEPS_NO_REGISTER"),
        ({"former_municipality_code": "132047", "act": make_act(date(2026, 4, 2))}, "DATE_IN_FUTURE"),
        ({"act": make_act(date(1979, 1, 1))}, "DATE_BEFORE_BIRTH"),
        ({"act": make_act(date(2026, 3, 20), date(2026, 3, 19))}, "DATE_NOTIFIED_BEFORE_EVENT"),
        ({"act": make_act(date(2026, 3, 20), date(2026, 4, 2))}, "DATE_NOTIFIED_IN_FUTURE"),
        ({"entrants": [make_entrant("妻")]}, "HEAD_MISSING"),
        ({"entrants": [make_entrant(), make_entrant()]}, "HEAD_TAKEN"),
        ({"household": "households/00000000-0000-4000-8000-000000000000"}, "HOUSEHOLD_NOT_FOUND"),
    ],
)
async def test_a_wrong_move_in_is_refused(desk: Desk, values: dict[str, Any], reason: str) -> None:
    assert await desk.refusal(make_move_in(**values)) == reason


async def test_a_municipality_abolished_before_the_move_is_refused(desk: Desk) -> None:
    # Yono became part of Saitama on 2001-05-01.
    request = make_move_in(former_municipality_code="112208")

    assert await desk.refusal(request) == "MUNICIPALITY_ABOLISHED"


@pytest.mark.parametrize(
    ("entrant", "field", "form"),
    [
        ({"resident_code": "24727059607"}, "resident_code", "RESIDENT_CODE_CHECK_DIGIT"),
        ({"name": "試験\u0000"}, "name", "CHARACTER_UNSUPPORTED"),
        ({"name": "試験😀"}, "name", "CHARACTER_UNSUPPORTED"),
        ({"kana": "しけん"}, "kana", "KANA_NOT_KATAKANA"),
        ({"birth_date": civil_date_pb2.CivilDate(year=2025, month=2, day=29)}, "birth_date", "DATE_IMPOSSIBLE"),
        ({"birth_date": civil_date_pb2.CivilDate(year=1600)}, "birth_date", "DATE_YEAR_OUT_OF_RANGE"),
        ({"sex": 3}, "sex", "SEX_CODE_UNKNOWN"),
        ({"relation": "子" * 21}, "relation", "TEXT_TOO_LONG"),
    ],
)
async def test_an_entrant_of_bad_form_is_refused(desk: Desk, entrant: dict[str, Any], field: str, form: str) -> None:
    assert await desk.form(make_move_in(make_entrant(**entrant))) == (f"entrants[0].{field}", form)


async def test_a_partial_day_of_event_is_refused(desk: Desk) -> None:
    request = make_move_in()
    request.act.event_date.day = 0

    assert await desk.form(request) == ("act.event_date", "DATE_PARTIAL")


async def test_more_than_twenty_people_are_refused(desk: Desk) -> None:
    request = make_move_in(make_entrant(), *(make_entrant("同居人") for _ in range(20)))

    assert await desk.form(request) == ("entrants", "LIST_TOO_LONG")


async def test_an_unknown_birth_date_may_be_entered(desk: Desk) -> None:
    (resident,) = await desk.move_in(make_entrant(birth_date=civil_date_pb2.CivilDate()))

    assert resident.attributes.birth_date == civil_date_pb2.CivilDate()


async def test_what_was_entered_is_kept_as_it_was_entered(desk: Desk) -> None:
    entrant = make_entrant(name="カ\u3099葛\U000e0102", sex=person_pb2.SEX_NOT_KNOWN)

    (resident,) = await desk.move_in(entrant)

    assert resident.attributes.name == entrant.name
    assert (await desk.sent())[-1].attributes.name == "ガ葛\U000e0102"
