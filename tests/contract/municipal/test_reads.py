"""What a counter finds, page by page, and what the log says of it."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from juki.common.v1 import civil_date_pb2, person_pb2
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from tests.contract.municipal.test_changes import make_relocation
from tests.contract.municipal.test_removals import make_death
from tests.counters import Desk, make_act, make_codes, make_entrant, target

_numbers = count(1)


def make_family_name() -> str:
    """A family name that nobody has but in one test."""
    return f"髙橋{next(_numbers):04}"


async def search(desk: Desk, **values: Any) -> list[resident_pb2.Resident]:
    return list((await desk.bring(read_pb.SearchResidentsRequest(**values))).residents)


async def test_a_code_finds_its_resident_also_when_it_was_replaced(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    request = pb.ChangeResidentCodeRequest(act=make_act(), target=target(resident))
    (changed,) = (await desk.bring(request)).residents

    assert await search(desk, resident_code=resident.resident_code) == [changed]
    assert await search(desk, resident_code=changed.resident_code) == [changed]


async def test_the_code_of_somebody_elsewhere_finds_nobody(desk: Desk) -> None:
    (code,) = make_codes(1)

    assert await search(desk, resident_code=code.digits) == []


async def test_names_are_found_in_variant_characters_and_from_their_beginning(desk: Desk) -> None:
    name = make_family_name()
    (resident,) = await desk.move_in(make_entrant(name=f"{name}　健太"))

    for written in (name, name.replace("髙", "高"), f"{name} 健太", f"{name}健"):
        assert await search(desk, name=written) == [resident]
    assert await search(desk, name=f"{name}次") == []


async def test_readings_are_found_in_hiragana_and_half_width(desk: Desk) -> None:
    kana = "ヴァ" + "ア" * next(_numbers)
    (resident,) = await desk.move_in(make_entrant(kana=f"{kana}ン"))

    assert await search(desk, name=f"{kana}ん") == [resident]


async def test_a_birth_date_narrows_as_far_as_it_is_given(desk: Desk) -> None:
    name = make_family_name()
    born = civil_date_pb2.CivilDate(year=1985, month=4, day=1)
    (resident,) = await desk.move_in(make_entrant(name=name, birth_date=born))

    for year, month, day, found in [
        (1985, 4, 1, 1),
        (1985, 4, 0, 1),
        (1985, 0, 0, 1),
        (1985, 5, 0, 0),
        (1986, 0, 0, 0),
    ]:
        asked = civil_date_pb2.CivilDate(year=year, month=month, day=day)
        assert len(await search(desk, name=name, birth_date=asked)) == found
    assert await search(desk, name=name, sex=person_pb2.SEX_MALE) == [resident]
    assert await search(desk, name=name, sex=person_pb2.SEX_FEMALE) == []


async def test_an_unknown_birth_date_is_found_as_unknown(desk: Desk) -> None:
    name = make_family_name()
    (resident,) = await desk.move_in(make_entrant(name=name, birth_date=civil_date_pb2.CivilDate()))

    assert await search(desk, name=name, birth_date=civil_date_pb2.CivilDate()) == [resident]
    assert await search(desk, name=name, birth_date=civil_date_pb2.CivilDate(year=1985)) == []


async def test_addresses_are_found_in_another_way_of_writing(desk: Desk) -> None:
    number = next(_numbers) + 1000
    (resident,) = await desk.move_in(address=f"東京都千代田区霞が関２丁目{number}番１号")

    found = await search(desk, address=f"東京都千代田区霞ヶ関2-{number}-1", sex=person_pb2.SEX_MALE)

    assert found == [resident]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"sex": person_pb2.SEX_MALE},
        {"address": "東京都千代田区"},
        {"birth_date": civil_date_pb2.CivilDate(year=1985)},
        {"include_removed": True},
    ],
)
async def test_a_search_that_nothing_narrows_is_refused(desk: Desk, values: dict[str, Any]) -> None:
    assert await desk.refusal(read_pb.SearchResidentsRequest(**values)) == "SEARCH_TOO_WIDE"


async def test_removed_records_are_found_when_asked_for(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    (dead,) = (await desk.bring(make_death(resident))).residents

    assert await search(desk, resident_code=resident.resident_code) == []
    assert await search(desk, resident_code=resident.resident_code, include_removed=True) == [dead]


async def test_percent_signs_and_underscores_stand_for_themselves(desk: Desk) -> None:
    assert await search(desk, name="%") == []
    assert await search(desk, name="_") == []


async def test_pages_follow_each_other_without_gap_or_double(desk: Desk) -> None:
    name = make_family_name()
    readings = ["サン", "イチ", "ニ", "イチ", "ゴ"]
    people = [await desk.move_in(make_entrant(name=f"{name}{index}", kana=kana)) for index, kana in enumerate(readings)]
    request = read_pb.SearchResidentsRequest(name=name, page_size=2)
    pages = []
    while True:
        answer = await desk.bring(request)
        pages.append(list(answer.residents))
        request.page_token = answer.next_page_token
        if not answer.next_page_token:
            break

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one.kana for page in pages for one in page] == sorted(readings)
    assert {one.name for page in pages for one in page} == {one.name for (one,) in people}


async def test_a_page_token_serves_its_own_query_only(desk: Desk) -> None:
    name = make_family_name()
    for index in range(2):
        await desk.move_in(make_entrant(name=f"{name}{index}"))
    request = read_pb.SearchResidentsRequest(name=name, page_size=1)
    token = (await desk.bring(request)).next_page_token

    other = read_pb.SearchResidentsRequest(name=make_family_name(), page_size=1, page_token=token)

    assert await desk.refusal(other) == "PAGE_TOKEN_INVALID"
    negative = read_pb.SearchResidentsRequest(name=name, page_size=-1)
    assert await desk.refusal(negative) == "PAGE_SIZE_NEGATIVE"


async def test_each_person_shown_has_an_entry_in_the_log(desk: Desk) -> None:
    name = make_family_name()
    for index in range(2):
        await desk.move_in(make_entrant(name=f"{name}{index}"))
    before = len(await desk.logged())

    answer = await desk.bring(read_pb.SearchResidentsRequest(name=name))
    await search(desk, name=make_family_name())
    await desk.read(answer.residents[0])
    await desk.household(answer.residents[0])

    assert answer.receipt.index == before
    assert (await desk.logged())[before:] == [
        ("SEARCH_RESIDENTS", 1),
        ("SEARCH_RESIDENTS", 1),
        ("SEARCH_RESIDENTS", 0),
        ("GET_RESIDENT", 1),
        ("GET_HOUSEHOLD", 1),
    ]


async def test_a_history_is_listed_page_by_page(desk: Desk) -> None:
    (resident,) = await desk.move_in()
    for number in range(3):
        (resident,) = (await desk.bring(make_relocation(resident, address=f"東京都千代田区{number}"))).residents
    request = read_pb.ListRevisionsRequest(resident=resident.name, page_size=3)

    first = await desk.bring(request)
    request.page_token = first.next_page_token
    second = await desk.bring(request)

    assert [row.revision for row in (*first.revisions, *second.revisions)] == [4, 3, 2, 1]
    assert second.next_page_token == ""


@pytest.mark.parametrize(
    ("request_of", "reason"),
    [
        (lambda name: read_pb.GetResidentRequest(resident=f"residents/{name}"), "RESIDENT_NOT_FOUND"),
        (lambda name: read_pb.ListRevisionsRequest(resident=f"residents/{name}"), "RESIDENT_NOT_FOUND"),
        (lambda name: read_pb.GetHouseholdRequest(household=f"households/{name}"), "HOUSEHOLD_NOT_FOUND"),
    ],
)
async def test_what_is_not_there_is_not_found(desk: Desk, request_of: Any, reason: str) -> None:
    assert await desk.refusal(request_of("00000000-0000-4000-8000-000000000000")) == reason


async def test_the_pool_says_when_it_is_low(desk: Desk) -> None:
    before = await desk.bring(read_pb.GetCodePoolRequest())

    await desk.move_in()

    after = await desk.bring(read_pb.GetCodePoolRequest())
    assert after.free_count == before.free_count - 1
    assert after.drawn_count == before.drawn_count + 1
    assert after.low == (after.free_count < 500)
