"""What happens at a counter is confirmed at the prefecture and at the agency."""

from __future__ import annotations

import pytest

from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.municipal.v1 import register_service_pb2 as pb
from services.vocabulary.resident_code import ResidentCode
from tests.counters import make_act, make_entrant, target
from tests.e2e.callers import CONSTRUCTION, LICENSING, PENSION, Callers, days_ago, outcome_of
from tests.e2e.federation import CHIYODA, SHINJUKU, TOKYO, YOKOHAMA

_DIFFERENT = {
    "name": "別人 次郎",
    "birth_date": civil_date_pb2.CivilDate(year=1901, month=1, day=1),
    "sex": person_pb2.SEX_FEMALE,
    "address": "どこか別の町1番地",
}


def _with(attributes: person_pb2.FourAttributes, **other: object) -> person_pb2.FourAttributes:
    given = {field.name: value for field, value in attributes.ListFields()}
    return person_pb2.FourAttributes(**{**given, **other})


async def test_a_move_in_is_confirmed_at_both_upper_tiers(callers: Callers) -> None:
    (resident,) = await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)

    for body in (callers.body(PENSION), callers.body(LICENSING, TOKYO)):
        answer = await body.by_code(resident.resident_code, resident.attributes)

        assert outcome_of(answer) == "MATCH"
        assert (answer.name, answer.address) == (resident.attributes.name, resident.attributes.address)
        assert {verdict for _, verdict in answer.verdicts.ListFields()} == {confirmation_pb.VERDICT_SAME}
        assert answer.resident_code == ""


async def test_a_birth_a_relocation_and_a_correction_arrive_in_order(callers: Callers) -> None:
    counter = callers.counter(SHINJUKU)
    (mother,) = await counter.move_in()
    born = pb.ReportBirthRequest(
        act=make_act(days_ago(7)),
        entrant=make_entrant("子", birth_date=civil_date_pb2.CivilDate(**_parts(7))),
        household=mother.household,
    )
    (child,) = await counter.act(born)
    moved = pb.ReportRelocationRequest(
        act=make_act(days_ago(4)), targets=[target(mother), target(child)], address="見本市試験町転居先7番地"
    )
    _, child = sorted(await counter.act(moved), key=lambda one: one.name == child.name)
    corrected = pb.CorrectRecordRequest(
        act=make_act(days_ago(2)),
        target=target(child),
        reason=change_pb2.CHANGE_REASON_NAME_CHANGE,
        attributes=_with(child.attributes, name="試験 改名"),
    )
    (child,) = await counter.act(corrected)
    await callers.arrived(SHINJUKU)

    pension = callers.body(PENSION)
    assert await pension.outcome(child.resident_code, child.attributes) == "MATCH"
    assert await pension.changes(child.resident_code) == [
        [change_pb2.CHANGE_REASON_BIRTH, change_pb2.CHANGE_REASON_RELOCATION, change_pb2.CHANGE_REASON_NAME_CHANGE]
    ]


@pytest.mark.parametrize("attribute", _DIFFERENT)
async def test_a_mismatch_says_which_attribute_differs(callers: Callers, attribute: str) -> None:
    (resident,) = await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)

    asserted = _with(resident.attributes, **{attribute: _DIFFERENT[attribute]})
    answer = await callers.body(PENSION).by_code(resident.resident_code, asserted)

    assert outcome_of(answer) == "MISMATCH"
    differing = [
        field.name for field, verdict in answer.verdicts.ListFields() if verdict == confirmation_pb.VERDICT_DIFFERENT
    ]
    assert differing == [attribute]


async def test_variant_characters_match_and_the_answer_says_so(callers: Callers) -> None:
    (resident,) = await callers.counter(CHIYODA).move_in(make_entrant(name="髙橋 試験"))
    await callers.arrived(CHIYODA)

    asserted = _with(resident.attributes, name="高橋　試験")
    answer = await callers.body(PENSION).by_code(resident.resident_code, asserted)

    assert outcome_of(answer) == "MATCH"
    assert answer.verdicts.name == confirmation_pb.VERDICT_SAME_FOLDED
    assert answer.name == "髙橋 試験"


async def test_who_left_and_who_died_are_told_apart(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    (leaver,), (dead,) = await counter.move_in(), await counter.move_in()
    await counter.move_out(leaver)
    await counter.die(dead)
    await callers.arrived(CHIYODA)

    pension, construction = callers.body(PENSION), callers.body(CONSTRUCTION)
    assert await pension.outcome(leaver.resident_code) == "MOVED"
    assert await pension.outcome(dead.resident_code) == "DECEASED"
    assert outcome_of(await construction.by_attributes(leaver.attributes)) == "MOVED"
    assert outcome_of(await construction.by_attributes(dead.attributes)) == "DECEASED"


async def test_a_code_that_nobody_has_is_not_found(callers: Callers) -> None:
    assert await callers.body(PENSION).outcome(ResidentCode.from_body("0000000000").digits) == "NOT_FOUND"


async def test_two_with_the_same_attributes_are_several_candidates(callers: Callers) -> None:
    twin = make_entrant()
    address = "見本市双子町1番地"
    (one,) = await callers.counter(CHIYODA).move_in(twin, address=address)
    (other,) = await callers.counter(YOKOHAMA).move_in(twin, address=address)
    await callers.arrived(CHIYODA, YOKOHAMA)

    answer = await callers.body(CONSTRUCTION).by_attributes(one.attributes)

    assert one.resident_code != other.resident_code
    assert outcome_of(answer) == "SEVERAL_CANDIDATES"
    assert answer.name == ""


async def test_a_code_that_was_given_up_is_told_as_changed(callers: Callers) -> None:
    counter = callers.counter(YOKOHAMA)
    (resident,) = await counter.move_in()
    renamed = await counter.change_code(resident)
    await callers.arrived(YOKOHAMA)

    pension = callers.body(PENSION)
    assert renamed.resident_code != resident.resident_code
    assert await pension.outcome(resident.resident_code) == "CODE_CHANGED"
    assert await pension.outcome(renamed.resident_code, renamed.attributes) == "MATCH"


def _parts(days: int) -> dict[str, int]:
    day = days_ago(days)
    return {"year": day.year, "month": day.month, "day": day.day}
