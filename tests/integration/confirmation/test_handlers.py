"""What a relying body is answered over the wire, what it is refused, and what the log has of it."""

from __future__ import annotations

import asyncio
import json

import pytest

from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as pb
from relying.client import BulkAnswers, Refused, RelyingClient
from relying.receipts import ReceiptUnproved
from services.foundation.audit.entry import opens
from services.foundation.audit.merkle import leaf_hash
from services.foundation.audit.salts import Sealer
from services.vocabulary.change import ChangeReason
from tests.integration.audit.makers import ORIGIN, SALT_KEY
from tests.integration.confirmation.conftest import Node
from tests.unit.confirmation.makers import attributes, change, code

CASE = "2026/annual-0001"
CODE = code()
FIRST = 1
"""Place of the first call in the log: before it stands the adoption of the purposes table."""
NAME = attributes().name.text
ADDRESS = attributes().address.text


def asserted(name: str = NAME, address: str = ADDRESS, year: int = 1985) -> person_pb2.FourAttributes:
    return person_pb2.FourAttributes(
        name=name,
        birth_date=civil_date_pb2.CivilDate(year=year, month=4, day=1),
        sex=person_pb2.SEX_MALE,
        address=address,
    )


async def test_a_match_releases_the_granted_items_and_no_code(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    answer = (await pension.confirm("b1-19", CASE, CODE, asserted())).answer

    assert answer.outcome == pb.OUTCOME_MATCH
    assert (answer.name, answer.address, answer.birth_date.year) == (NAME, ADDRESS, 1985)
    assert (answer.change_reason, answer.change_date.year) == (change_pb2.CHANGE_REASON_MOVE_IN, 2026)
    assert answer.resident_code == ""
    assert answer.verdicts.name == pb.VERDICT_SAME


async def test_an_item_that_is_not_granted_stays(node: Node, construction: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    answer = (await construction.confirm("b1-98", CASE, CODE)).answer

    assert answer.name == NAME
    assert not answer.sex
    assert not answer.change_reason
    assert not answer.HasField("change_date")
    assert not answer.HasField("verdicts")


async def test_a_mismatch_names_the_attribute(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    answer = (await pension.confirm("b1-19", CASE, CODE, asserted(name="別人 花子"))).answer

    assert answer.outcome == pb.OUTCOME_MISMATCH
    assert (answer.verdicts.name, answer.verdicts.address) == (pb.VERDICT_DIFFERENT, pb.VERDICT_SAME)


async def test_the_dead_are_told_with_the_day(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN), change(ChangeReason.DEATH, minutes=1)])

    answer = (await pension.confirm("b1-19", CASE, CODE)).answer

    assert answer.outcome == pb.OUTCOME_DECEASED
    assert (answer.change_date.year, answer.change_date.month, answer.change_date.day) == (2026, 11, 1)


async def test_a_code_given_up_and_a_code_unknown_are_told_apart(node: Node, pension: RelyingClient) -> None:
    renamed = change(ChangeReason.CODE_CHANGE_REQUESTED, minutes=1, about=code(2), former_code=CODE)
    await node.apply([change(ChangeReason.MOVE_IN), renamed])

    outcomes = [(await pension.confirm("b1-19", CASE, code(number))).answer.outcome for number in (1, 2, 3)]

    assert outcomes == [pb.OUTCOME_CODE_CHANGED, pb.OUTCOME_MATCH, pb.OUTCOME_NOT_FOUND]


async def test_by_attributes_the_code_is_released_where_it_is_granted(node: Node, construction: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    with_code = await construction.confirm_by_attributes("b1-113", CASE, asserted(name="試験太郎"))
    without = await construction.confirm_by_attributes("b1-99", CASE, asserted())

    assert (with_code.answer.outcome, with_code.answer.resident_code) == (pb.OUTCOME_MATCH, CODE)
    assert (without.answer.outcome, without.answer.resident_code) == (pb.OUTCOME_MATCH, "")


async def test_by_a_former_address_the_resident_has_moved(node: Node, construction: RelyingClient) -> None:
    moved = attributes(address="東京都千代田区神田一丁目2番3号")
    await node.apply([change(ChangeReason.MOVE_IN), change(ChangeReason.RELOCATION, minutes=1, held=moved)])

    answer = (await construction.confirm_by_attributes("b1-99", CASE, asserted())).answer

    assert (answer.outcome, answer.address) == (pb.OUTCOME_MOVED, moved.address.text)


async def test_a_former_address_asserted_with_another_birth_date_finds_nobody(
    node: Node, construction: RelyingClient
) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    answer = (await construction.confirm_by_attributes("b1-99", CASE, asserted(year=1990))).answer

    assert answer == pb.Answer(outcome=pb.OUTCOME_NOT_FOUND)


@pytest.mark.parametrize(
    ("affair", "case", "digits", "reason"),
    [
        ("b9-99", CASE, CODE, "PURPOSE_UNKNOWN"),
        ("b1-98", CASE, CODE, "PURPOSE_NOT_GRANTED"),
        ("b5-6", CASE, CODE, "PURPOSE_NOT_GRANTED"),
        ("b1-19", "山田太郎", CODE, "CASE_NUMBER_MALFORMED"),
        ("b1-19", CASE, "00000000018", "FIELD_MALFORMED"),
        ("b1-19", CASE, "", "FIELD_MISSING"),
    ],
)
async def test_what_may_not_be_asked_is_refused_and_recorded(
    node: Node, pension: RelyingClient, affair: str, case: str, digits: str, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        await pension.confirm(affair, case, digits)

    assert refused.value.reason == reason
    assert [told.reason for _, told in node.recorded] == [reason]
    assert await node.entries() == []


async def test_a_refusal_names_affair_case_and_article(node: Node, pension: RelyingClient) -> None:
    with pytest.raises(Refused) as refused:
        await pension.confirm("b1-98", CASE, CODE)

    assert refused.value.facts["affair"] == "b1-98"
    assert node.recorded[0][1].facts["case"] == CASE
    assert refused.value.facts["case"] == CASE
    assert refused.value.facts["article"].startswith("住民基本台帳法")


async def test_a_refusal_after_the_gate_names_affair_and_case_too(node: Node, pension: RelyingClient) -> None:
    for asking in (
        pension.confirm("b1-19", CASE, "00000000018"),
        anext(pension.changes("b1-19", CASE, ["00000000018"])),
        anext(pension.bulk("b1-19", CASE, [questions(*[1] * 1001)])),
        pension.confirm("b9-99", CASE, CODE),
    ):
        with pytest.raises(Refused):
            await asking

    named = [(told.facts.get("affair"), told.facts.get("case"), told.reason) for _, told in node.recorded]
    assert set(named) == {
        ("b1-19", CASE, "FIELD_MALFORMED"),
        ("b1-19", CASE, "BATCH_TOO_LARGE"),
        ("b9-99", CASE, "PURPOSE_UNKNOWN"),
    }


@pytest.mark.parametrize("affair", ["山田太郎" * 100, CODE], ids=["a name", "a code"])
async def test_an_affair_of_no_form_is_not_repeated(pension: RelyingClient, affair: str) -> None:
    with pytest.raises(Refused) as refused:
        await pension.confirm(affair, CASE, CODE)

    assert (refused.value.reason, "affair" in refused.value.facts) == ("PURPOSE_UNKNOWN", False)


async def test_asking_in_another_way_is_refused(connect: object, pension: RelyingClient) -> None:
    with pytest.raises(Refused) as refused:
        await pension.confirm_by_attributes("b1-19", CASE, asserted())

    assert refused.value.reason == "WAY_NOT_GRANTED"


async def test_every_answer_has_its_entry_and_the_receipt_points_to_it(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    responses = await asyncio.gather(*(pension.confirm("b1-19", f"case-{n}", CODE) for n in range(50)))

    entries = await node.entries()
    assert len(entries) == 50
    for number, response in enumerate(responses):
        entry = entries[response.receipt.index - FIRST]
        assert json.loads(entry)["case"] == f"case-{number}"
        assert leaf_hash(entry) == response.receipt.leaf_hash


async def test_an_entry_says_who_asked_what_for_and_nothing_of_the_resident(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    await pension.confirm("b1-19", CASE, CODE, asserted())

    (body,) = await node.entries()
    entry = json.loads(body)
    assert (entry["act"], entry["task"], entry["case"], entry["n"]) == ("CONFIRM_BY_CODE", "b1-19", CASE, 1)
    assert entry["agency"] == "spiffe://national.juki.example/relying/local-pension"
    assert entry["fields"] == ["address", "birth_date", "change", "name", "sex"]
    assert not any(part in body.decode() for part in (CODE, NAME, ADDRESS, "1985"))


async def test_the_resident_who_was_found_by_attributes_is_the_subject(node: Node, construction: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    await construction.confirm_by_attributes("b1-99", CASE, asserted())

    (body,) = await node.entries()
    salt = Sealer(SALT_KEY, ORIGIN).open(await node.owner.fetchval("SELECT sealed FROM audit_salt ORDER BY seq DESC"))
    assert opens(body, salt, CODE)


async def test_a_receipt_is_proved_by_the_published_log(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])
    receipt = (await pension.confirm("b1-19", CASE, CODE)).receipt

    checkpoint = await pension.verify(receipt)

    assert (checkpoint.origin, checkpoint.size > receipt.index) == (ORIGIN, True)


async def test_a_forged_receipt_is_not_proved(node: Node, pension: RelyingClient) -> None:
    receipt = (await pension.confirm("b1-19", CASE, CODE)).receipt
    receipt.leaf_hash = bytes(32)

    with pytest.raises(ReceiptUnproved):
        await pension.verify(receipt)


async def test_no_log_no_answer(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])
    await node.owner.execute("ALTER TABLE audit_entry RENAME TO audit_entry_away")

    with pytest.raises(Refused) as refused:
        await pension.confirm("b1-19", CASE, CODE)

    assert refused.value.code == "INTERNAL"


async def test_changes_are_listed_by_page_with_the_granted_items(node: Node, pension: RelyingClient) -> None:
    moved = attributes(address="東京都千代田区神田一丁目2番3号")
    await node.apply([change(ChangeReason.MOVE_IN), change(ChangeReason.MOVE_IN, about=code(2))])
    await node.apply([change(ChangeReason.RELOCATION, minutes=1, held=moved)])

    pages = [page async for page in pension.changes("b1-19", CASE, [code(2), CODE], page_size=2)]

    lines = [line for page in pages for line in page.changes]
    assert [(line.code_index, line.position) for line in lines] == [(1, 1), (0, 2), (1, 3)]
    assert list(lines[0].changed_items) == ["name", "birth_date", "sex", "address"]
    assert list(lines[2].changed_items) == ["address"]
    assert pages[-1].next_position == 3
    counts = [json.loads(entry)["n"] for entry in await node.entries()]
    assert counts == [1, 1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("codes", "reason"), [([CODE] * 501, "TOO_MANY_CODES"), ([CODE, "12345678901"], "FIELD_MALFORMED")]
)
async def test_a_list_of_codes_that_cannot_be_is_refused(
    node: Node, pension: RelyingClient, codes: list[str], reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        await anext(pension.changes("b1-19", CASE, codes))

    assert refused.value.reason == reason


async def test_a_body_lists_its_own_purposes_and_that_is_recorded(node: Node, construction: RelyingClient) -> None:
    listed = await construction.purposes()

    assert [one.affair_id for one in listed.purposes] == ["b1-113", "b1-98", "b1-99"]
    assert list(listed.purposes[0].items) == ["name", "address", "resident_code"]
    assert len(listed.table_version) == 64
    assert json.loads((await node.entries())[0])["act"] == "LIST_PURPOSES"


def questions(*numbers: int) -> list[pb.BulkQuestion]:
    return [pb.BulkQuestion(resident_code=code(number)) for number in numbers]


async def answered(client: RelyingClient, batches: list[list[pb.BulkQuestion]]) -> list[BulkAnswers]:
    return [one async for one in client.bulk("b1-19", CASE, batches)]


async def test_bulk_answers_every_question_in_order_and_records_each(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN, about=code(number)) for number in range(1, 40, 2)])
    batches = [questions(*range(start, start + 4)) for start in range(1, 41, 4)]

    batches_answered = await answered(pension, batches)

    assert [one.number for one in batches_answered] == list(range(1, 11))
    for one in batches_answered:
        assert [answer.outcome for answer in one.answers] == [pb.OUTCOME_MATCH, pb.OUTCOME_NOT_FOUND] * 2
    entries = await node.entries()
    assert len(entries) == 40
    assert {json.loads(entry)["rid"] for entry in entries} == {json.loads(entries[0])["rid"]}
    receipt = batches_answered[3].first_receipt
    assert leaf_hash(entries[receipt.index - FIRST]) == receipt.leaf_hash


async def test_a_malformed_code_in_bulk_is_not_found(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    (one,) = await answered(pension, [[pb.BulkQuestion(resident_code="1234"), *questions(1)]])

    assert [answer.outcome for answer in one.answers] == [pb.OUTCOME_NOT_FOUND, pb.OUTCOME_MATCH]


async def test_bulk_compares_what_is_asserted(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    (one,) = await answered(pension, [[pb.BulkQuestion(resident_code=CODE, asserted=asserted(name="別人 花子"))]])

    assert one.answers[0].outcome == pb.OUTCOME_MISMATCH


async def test_a_malformed_assertion_in_bulk_says_where(node: Node, pension: RelyingClient) -> None:
    batches = [questions(1), [*questions(1), pb.BulkQuestion(resident_code=CODE, asserted=asserted(name="\x07"))]]
    stream = pension.bulk("b1-19", CASE, batches)

    assert (await anext(stream)).number == 1
    with pytest.raises(Refused) as refused:
        await anext(stream)

    assert (refused.value.facts["batch"], refused.value.facts["field"]) == ("2", "batch.questions[1].asserted.name")


async def test_bulk_without_the_grant_is_refused(node: Node, construction: RelyingClient) -> None:
    with pytest.raises(Refused) as refused:
        await anext(construction.bulk("b1-98", CASE, [questions(1)]))

    assert (refused.value.reason, refused.value.facts["case"]) == ("WAY_NOT_GRANTED", CASE)


async def test_a_batch_that_is_too_large_is_refused(node: Node, pension: RelyingClient) -> None:
    with pytest.raises(Refused) as refused:
        await answered(pension, [questions(*[1] * 1001)])

    assert refused.value.reason == "BATCH_TOO_LARGE"


async def test_bulk_takes_no_more_batches_than_are_under_way(node: Node, pension: RelyingClient) -> None:
    taken = 0

    def batches() -> object:
        nonlocal taken
        for number in range(1, 31):
            taken = number
            yield questions(number)

    stream = pension.bulk("b1-19", CASE, batches())  # type: ignore[arg-type]
    first = await anext(stream)
    await asyncio.sleep(0.3)

    assert first.number == 1
    assert taken <= 6
    assert [one.number async for one in stream] == list(range(2, 31))
