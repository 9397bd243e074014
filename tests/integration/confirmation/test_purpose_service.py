"""What a body may ask, how much, why not, and what it may hand to another, over the wire."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from juki.confirmation.v1 import confirmation_service_pb2 as pb
from relying.client import BulkAnswers, Refused, RelyingClient
from relying.handed_over import NotForUs, open_handed_over
from services.vocabulary.change import ChangeReason
from tests.integration.confirmation.conftest import GRACE_SECONDS, Connect, Node
from tests.purposes import Table, changed, grant_of
from tests.unit.confirmation.makers import change, code

CASE = "2026/0001"
PENSION, CONSTRUCTION = "relying/local-pension", "relying/construction"
KEY = X25519PrivateKey.generate()


def limited(**limits: float) -> bytes:
    return changed(lambda table: grant_of(table, "b1-19").update(limits))


def handing_over(table: Table) -> None:
    next(row for row in table["bodies"] if row["name"] == CONSTRUCTION)["key"] = base64.b64encode(
        KEY.public_key().public_bytes_raw()
    ).decode()
    grant_of(table, "b1-19")["hand_over"] = [CONSTRUCTION]


async def refused(call: Awaitable[object]) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


async def collect(answers: AsyncIterator[BulkAnswers], into: list[BulkAnswers]) -> None:
    async for one in answers:
        into.append(one)  # noqa: PERF401 - what came before a refusal is looked at, too


async def test_the_quota_is_refused_when_it_is_used_up(node: Node, pension: RelyingClient) -> None:
    await node.adopt(limited(quota_per_day=3))
    for _ in range(2):
        await pension.confirm("b1-19", CASE, code())
    assert await node.owner.fetchval("SELECT asked FROM purpose_use WHERE affair = 'b1-19'") == 2

    await refused(pension.confirm("b1-19", CASE, "00000000018"))
    await pension.confirm("b1-19", CASE, code())
    refusal = await refused(pension.confirm("b1-19", CASE, code()))

    assert (refusal.code, refusal.reason, refusal.facts["quota"]) == ("RESOURCE_EXHAUSTED", "QUOTA_EXHAUSTED", "3")
    assert node.recorded[-1][1].facts["affair"] == "b1-19"
    listed = (await pension.purposes()).purposes[0]
    assert (listed.quota_per_day, listed.quota_left) == (3, 0)
    assert await node.owner.fetchval("SELECT asked FROM purpose_use WHERE affair = 'b1-19'") == 3


async def test_a_bulk_confirmation_ends_at_the_quota_with_what_was_answered_kept(
    node: Node, pension: RelyingClient
) -> None:
    await node.adopt(limited(quota_per_day=5))
    batches = [[pb.BulkQuestion(resident_code=code(number)) for number in range(2)] for _ in range(4)]

    answered: list[BulkAnswers] = []
    refusal = await refused(collect(pension.bulk("b1-19", CASE, batches), answered))

    assert refusal.reason == "QUOTA_EXHAUSTED"
    assert len(answered) == 2
    assert await node.owner.fetchval("SELECT asked FROM purpose_use") == 4


async def test_the_codes_of_a_list_of_changes_count(node: Node, pension: RelyingClient) -> None:
    await node.adopt(limited(quota_per_day=3))

    async for _ in pension.changes("b1-19", CASE, [code(), code(2)]):
        pass

    assert await node.owner.fetchval("SELECT asked FROM purpose_use") == 2


async def test_whoever_asks_too_fast_is_told_to_wait(node: Node, pension: RelyingClient) -> None:
    await node.adopt(limited(pace_per_second=0.1, pace_burst=2))
    for _ in range(2):
        await pension.confirm("b1-19", CASE, code())

    refusal = await refused(pension.confirm("b1-19", CASE, code()))

    assert refusal.reason == "PACE_EXCEEDED"
    assert 1 <= int(refusal.facts["retry_seconds"]) <= 10


async def test_a_bulk_confirmation_goes_at_its_pace(node: Node, pension: RelyingClient) -> None:
    await node.adopt(limited(pace_per_second=20, pace_burst=1))
    loop = asyncio.get_running_loop()
    batches = [[pb.BulkQuestion(resident_code=code(number)) for number in range(5)] for _ in range(3)]

    began = loop.time()
    answered = [one async for one in pension.bulk("b1-19", CASE, batches)]

    assert len(answered) == 3
    assert loop.time() - began >= 0.4


async def test_a_row_that_ended_refuses_the_rest_of_an_open_stream(node: Node, pension: RelyingClient) -> None:
    many = ([pb.BulkQuestion(resident_code=code())] for _ in range(10_000))
    ended = changed(lambda table: grant_of(table, "b1-19").update(until="2020-01-01"))

    answered: list[BulkAnswers] = []
    asking = asyncio.create_task(collect(pension.bulk("b1-19", CASE, many), answered))
    await node.adopt(ended)

    assert (await refused(asking)).reason == "PURPOSE_NOT_IN_FORCE"
    assert 1 <= len(answered) < 10_000


async def test_verdicts_only_tells_a_match_and_no_value(node: Node, pension: RelyingClient) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])
    await node.adopt(
        changed(lambda table: grant_of(table, "b1-19").update(items=[], verdicts_only=True, ways=["by_code"]))
    )

    answer = (await pension.confirm("b1-19", CASE, code())).answer

    fields = {field.name for field, _ in answer.ListFields()}
    assert fields == {"outcome", "pairwise_id", "pairwise_key_version"}
    assert answer.outcome == pb.OUTCOME_MATCH


async def test_two_bodies_are_told_two_identifiers_of_one_resident(
    node: Node, pension: RelyingClient, construction: RelyingClient
) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])

    first = [(await pension.confirm("b1-19", CASE, code())).answer.pairwise_id for _ in range(2)]
    second = (await construction.confirm("b1-98", CASE, code())).answer.pairwise_id

    assert first[0] == first[1] != second
    assert len(second) == 32


@pytest.mark.parametrize(
    ("affair", "case", "way", "failing", "reason"),
    [
        ("b1-19", CASE, "by_code", "", ""),
        ("b1-19", "山田太郎", "by_code", "case_number", "CASE_NUMBER_MALFORMED"),
        ("b9-99", CASE, "by_code", "affair", "PURPOSE_UNKNOWN"),
        ("b1-98", CASE, "by_code", "body", "PURPOSE_NOT_GRANTED"),
        ("b1-19", CASE, "by_attributes", "way", "WAY_NOT_GRANTED"),
    ],
)
async def test_a_dry_run_says_what_would_be_answered_and_looks_nobody_up(
    node: Node, pension: RelyingClient, affair: str, case: str, way: str, failing: str, reason: str
) -> None:
    told = await pension.explain(affair, case, way, ["name"])

    assert told.answered == (not failing)
    assert [(check.name, check.reason) for check in told.checks if not check.passed] == [(failing, reason)] * bool(
        failing
    )
    assert list(told.released) == ([] if failing else ["name"])
    assert told.article.startswith("住民基本台帳法") == (affair != "b9-99")
    (entry,) = map(json.loads, await node.entries())
    assert (entry["act"], "subj" in entry) == ("EXPLAIN_PURPOSE", False)
    assert "山田" not in json.dumps(entry, ensure_ascii=False)
    assert await node.owner.fetchval("SELECT count(*) FROM purpose_use") == 0


async def test_a_dry_run_names_the_items_that_would_be_withheld(pension: RelyingClient) -> None:
    told = await pension.explain("b1-19", CASE, "by_code", ["name", "resident_code"])

    assert (told.answered, list(told.withheld)) == (False, ["resident_code"])
    assert [check.name for check in told.checks][-3:] == ["pace", "quota", "items"]


async def test_a_dry_run_agrees_with_the_gate_on_a_quota_used_up(node: Node, pension: RelyingClient) -> None:
    await node.adopt(limited(quota_per_day=1))
    await pension.confirm("b1-19", CASE, code())

    told = await pension.explain("b1-19", CASE, "by_code")

    assert [(check.name, check.reason) for check in told.checks if not check.passed] == [("quota", "QUOTA_EXHAUSTED")]


@pytest.mark.parametrize(("way", "items"), [("by_guess", []), ("by_code", ["honseki"])])
async def test_a_dry_run_of_no_way_or_item_is_refused(pension: RelyingClient, way: str, items: list[str]) -> None:
    assert (await refused(pension.explain("b1-19", CASE, way, items))).reason == "FIELD_MALFORMED"


async def test_a_missing_case_number_is_refused(node: Node, pension: RelyingClient) -> None:
    assert (await refused(pension.confirm("b1-19", "", code()))).reason == "FIELD_MISSING"
    assert [told.reason for _, told in node.recorded] == ["FIELD_MISSING"]


async def test_an_identifier_is_handed_over_to_its_owner_alone(
    node: Node, pension: RelyingClient, construction: RelyingClient
) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])
    await node.adopt(changed(handing_over))
    own = (await construction.confirm("b1-98", CASE, code())).answer.pairwise_id

    response = await pension.hand_over("b1-19", CASE, code(), (CONSTRUCTION, "b1-98"))

    opened = open_handed_over(response.sealed, KEY, PENSION, CONSTRUCTION, "b1-98")
    assert opened.pairwise_id == own
    assert own.encode() not in response.sealed
    for key, sender, affair in (
        (X25519PrivateKey.generate(), PENSION, "b1-98"),
        (KEY, "relying/other", "b1-98"),
        (KEY, PENSION, "b1-99"),
    ):
        with pytest.raises(NotForUs):
            open_handed_over(response.sealed, key, sender, CONSTRUCTION, affair)
    entry = json.loads((await node.entries())[-1])
    assert (entry["act"], entry["fields"], entry["n"]) == ("HAND_OVER", ["pairwise_id"], 1)


async def test_nobody_is_nothing_to_hand_over(node: Node, pension: RelyingClient) -> None:
    await node.adopt(changed(handing_over))

    response = await pension.hand_over("b1-19", CASE, code(), (CONSTRUCTION, "b1-98"))

    assert (response.outcome, response.sealed) == (pb.OUTCOME_NOT_FOUND, b"")


@pytest.mark.parametrize(
    ("affair", "to", "reason"),
    [
        ("b1-19", (CONSTRUCTION, "b1-98"), "HAND_OVER_NOT_GRANTED"),
        ("b1-19", ("relying/nobody", "b1-98"), "HAND_OVER_NOT_GRANTED"),
        ("b1-98", (CONSTRUCTION, "b1-98"), "PURPOSE_NOT_GRANTED"),
    ],
)
async def test_a_hand_over_that_the_table_does_not_name_is_refused(
    node: Node, pension: RelyingClient, affair: str, to: tuple[str, str], reason: str
) -> None:
    refusal = await refused(pension.hand_over(affair, CASE, code(), to))

    assert (refusal.reason, refusal.facts["article"]) == (reason, "住民基本台帳法第三十条の九")
    assert await node.entries() == []


@pytest.mark.parametrize("to_affair", ["b1-19", "b9-99"])
async def test_a_hand_over_for_an_affair_that_the_receiver_has_not_is_refused(
    node: Node, pension: RelyingClient, to_affair: str
) -> None:
    await node.adopt(changed(handing_over))

    refusal = await refused(pension.hand_over("b1-19", CASE, code(), (CONSTRUCTION, to_affair)))

    assert refusal.reason == "HAND_OVER_NOT_GRANTED"


async def test_a_body_that_may_not_ask_by_code_hands_nothing_over(node: Node, connect: Connect) -> None:
    def two_way(table: Table) -> None:
        handing_over(table)
        next(row for row in table["bodies"] if row["name"] == PENSION)["key"] = table["bodies"][1]["key"]
        grant_of(table, "b1-113")["hand_over"] = [PENSION]

    await node.adopt(changed(two_way))

    refusal = await refused(connect(CONSTRUCTION).hand_over("b1-113", CASE, code(), (PENSION, "b1-19")))

    assert refusal.reason == "WAY_NOT_GRANTED"


async def test_confirmations_are_refused_while_the_tables_of_two_tiers_differ(
    node: Node, pension: RelyingClient
) -> None:
    node.purposes.compared(9, "0" * 64)
    await pension.confirm("b1-19", CASE, code())
    await asyncio.sleep(GRACE_SECONDS)

    assert (await refused(pension.confirm("b1-19", CASE, code()))).reason == "PURPOSES_VERSION_DIFFERS"
    assert [check.name for check in (await pension.explain("b1-19", CASE, "by_code")).checks] == ["version"]
    assert (await pension.purposes()).order_number == 1
