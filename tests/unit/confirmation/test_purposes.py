"""Who may ask what: every cell of the table, and every way in which it can be wrong."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.purposes.sources import SOURCES
from services.confirmation.purposes import parse_table, write_table
from services.confirmation.refusals import PurposesTableRefused
from services.confirmation.rules.matching import match_code
from services.confirmation.rules.purposes import Item, PurposeTable, Way, check_case_number, decide
from services.confirmation.rules.release import release
from services.foundation.refusals import Refusal
from tests.purposes import Table, changed, grant_of, published
from tests.unit.confirmation.makers import affair, grant, purposes, record

NODES = ("agency/national", "prefecture/13", "prefecture/14")
BODIES = (
    "relying/local-pension",
    "relying/construction",
    "relying/tokyo-licensing",
    "relying/nobody",
    "municipal/131016",
)
TODAY = date(2026, 11, 24)


def load(node: str = "agency/national", data: bytes | None = None) -> PurposeTable:
    return parse_table(published() if data is None else data).at(node)


def as_written() -> dict[tuple[str, str, str], tuple[set[str], set[str]]]:
    """Reads the grants without the code under test: (node, body, affair) to items and ways."""
    rows = tomllib.loads((SOURCES / "grants.toml").read_text(encoding="utf-8"))["grant"]
    return {
        (row["at"], row["body"], affair_id): (set(row["items"]), set(row["ways"]))
        for row in rows
        for affair_id in row["affairs"]
    }


def affair_rows() -> list[dict[str, str]]:
    with (SOURCES / "affairs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("node", NODES)
def test_every_body_affair_way_and_item_is_as_the_table_has_it(node: str) -> None:
    table, written = load(node), as_written()
    affairs = [row["affair_id"] for row in affair_rows()] + ["b9-99"]
    cells = 0

    for body, affair_id, way in product(BODIES, affairs, Way):
        items, ways = written.get((node, body, affair_id), (set(), set()))
        try:
            granted = decide(table, body, affair_id, way, TODAY)
        except Refusal:
            released: frozenset[Item] = frozenset()
            assert way not in ways
        else:
            released = release(match_code(record(), None), granted.items).items
            assert way in ways
        for item in Item:
            assert (item in released) == (way in ways and item in items)
            cells += 1

    assert cells == len(BODIES) * 658 * len(Way) * len(Item)


def test_the_whole_of_the_law_is_in_the_table() -> None:
    table = load()
    in_force = [one for one in table.affairs.values() if one.effective_until is None]

    assert (len(table.affairs), len(in_force)) == (657, 643)
    assert all(one.article.startswith("住民基本台帳法第三十条の") for one in in_force)
    assert sum(one.level == "national" for one in in_force) == 274
    assert table.affairs["b1-19"].effective_from == date(2002, 8, 5)


def granted_wherever_there_is_a_recipient(table: Table) -> None:
    """Makes a body of each recipient, and grants it every affair that names it: odd affairs in other ways than even."""
    switched = ["13"]
    names: dict[str, str] = {}
    table["grants"], table["bodies"] = [], []
    for place, row in enumerate(table["affairs"]):
        prefectural = row["level"] == "prefecture"
        if prefectural and place % 3:
            row["prefectures"] = switched
        if not row["recipient"]:
            continue
        body = names.setdefault(row["recipient"], f"relying/body-{len(names)}")
        table["grants"].append(
            {
                "body": body,
                "at": "prefecture/13" if prefectural else "agency/national",
                "affair": row["id"],
                "items": ["name", "address"] if place % 2 else [],
                "verdicts_only": not place % 2,
                "ways": ["by_code"] if place % 2 else ["by_attributes", "bulk"],
                "from": "",
                "until": "2026-11-23" if place % 5 == 0 else "",
                "domain": "general",
                "hand_over": [],
            }
        )
    table["bodies"] = [{"name": name, "title": title, "key": ""} for title, name in names.items()]


def test_every_cell_of_a_table_with_a_body_for_each_recipient_equals_it() -> None:
    data = changed(granted_wherever_there_is_a_recipient)
    whole = json.loads(data)
    written = {(row["at"], row["body"], row["affair"]): row for row in whole["grants"]}
    prefectures = {row["id"]: row["prefectures"] for row in whole["affairs"]}
    ended = {row["id"] for row in whole["affairs"] if row["until"] and row["until"] < TODAY.isoformat()}
    bodies = [*sorted({row["body"] for row in whole["grants"]}), "relying/stranger"]
    cells = allowed = 0

    for node in ("agency/national", "prefecture/13"):
        table = load(node, data)
        for body, affair_id, way in product(bodies, table.affairs, Way):
            row = written.get((node, body, affair_id))
            expected = (
                row is not None
                and way in row["ways"]
                and not (row["until"] and row["until"] < TODAY.isoformat())
                and affair_id not in ended
                and (node == "agency/national" or "13" in prefectures[affair_id])
            )
            try:
                items: frozenset[Item] | None = decide(table, body, affair_id, way, TODAY).items
            except Refusal:
                items = None
            assert (items is not None) == expected, (node, body, affair_id, way)
            if items is not None and row is not None:
                assert items == set(row["items"])
                allowed += 1
            cells += len(Item)

    assert cells > 1_000_000
    assert allowed > 200


def test_the_version_follows_the_table() -> None:
    more = changed(lambda table: grant_of(table, "b1-19").update(quota_per_day=7))

    assert load().version == parse_table(published()).version
    assert load(data=more).version != load().version


def test_a_body_sees_its_own_grants_only() -> None:
    table = load()

    assert [one.affair.affair_id for one in table.of("relying/local-pension")] == ["b1-19"]
    assert table.of("relying/nobody") == []


@pytest.mark.parametrize(
    ("body", "affair_id", "way", "day", "reason"),
    [
        ("relying/local-pension", "b9-99", Way.BY_CODE, TODAY, "PURPOSE_UNKNOWN"),
        ("relying/other", "b1-19", Way.BY_CODE, TODAY, "PURPOSE_NOT_GRANTED"),
        ("relying/local-pension", "b1-19", Way.BY_CODE, date(2003, 3, 31), "PURPOSE_NOT_IN_FORCE"),
        ("relying/local-pension", "b1-19", Way.BULK, TODAY, "WAY_NOT_GRANTED"),
    ],
)
def test_what_is_not_granted_is_refused_for_its_reason(
    body: str, affair_id: str, way: Way, day: date, reason: str
) -> None:
    table = purposes(grant(ways=frozenset({Way.BY_CODE})))

    with pytest.raises(Refusal) as refused:
        decide(table, body, affair_id, way, day)

    assert refused.value.reason == reason
    assert ("article" in refused.value.facts) == (reason != "PURPOSE_UNKNOWN")


@given(st.integers(-500, 1500))
def test_a_grant_holds_from_its_first_day_to_its_last(days: int) -> None:
    since, until = date(2003, 4, 1), date(2006, 3, 31)
    row = grant(of=affair(since=since, until=until))
    table, day = purposes(row), since + timedelta(days=days)

    if since <= day <= until:
        assert decide(table, "relying/local-pension", "b1-19", Way.BY_CODE, day) is row
        return
    with pytest.raises(Refusal) as refused:
        decide(table, "relying/local-pension", "b1-19", Way.BY_CODE, day)
    assert refused.value.reason == "PURPOSE_NOT_IN_FORCE"
    assert ("effective_until" in refused.value.facts) == (day > until)


def test_a_prefectural_affair_is_refused_where_it_is_not_switched_on() -> None:
    at_kanagawa = changed(lambda table: grant_of(table, "b5-21").update(at="prefecture/14"))

    with pytest.raises(Refusal) as refused:
        decide(load("prefecture/14", at_kanagawa), "relying/tokyo-licensing", "b5-21", Way.BY_CODE, TODAY)

    assert refused.value.reason == "PURPOSE_SWITCHED_OFF"


def test_a_former_affair_is_known_and_no_longer_in_force() -> None:
    def grant_former(table: Table) -> None:
        grant_of(table, "b1-19").update(affair="b1-77-2@2013")

    with pytest.raises(Refusal) as refused:
        decide(load(data=changed(grant_former)), "relying/local-pension", "b1-77-2@2013", Way.BY_CODE, TODAY)

    assert (refused.value.reason, refused.value.facts["effective_until"]) == ("PURPOSE_NOT_IN_FORCE", "2013-12-31")


@pytest.mark.parametrize("case", ["A-2026/0001", "x", "a" * 64, "1.2_3"])
def test_a_case_number_passes(case: str) -> None:
    assert check_case_number(case) == case


@pytest.mark.parametrize("case", ["", "a" * 65, "山田太郎", "a b", "a\n", "a;b"])
def test_another_case_number_is_refused(case: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_case_number(case)

    assert refused.value.reason == "CASE_NUMBER_MALFORMED"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table["grants"].append(grant_of(table, "b1-19")),
        lambda table: grant_of(table, "b1-19").update(affair="b9-99"),
        lambda table: grant_of(table, "b1-19").update(affair="b1-1-10"),
        lambda table: grant_of(table, "b1-19").update(at="prefecture/13"),
        lambda table: grant_of(table, "b1-19").update(at="national"),
        lambda table: grant_of(table, "b1-19").update(body="relying/unlisted"),
        lambda table: grant_of(table, "b1-19").update(items=["honseki"]),
        lambda table: grant_of(table, "b1-19").update(items=[]),
        lambda table: grant_of(table, "b1-19").update(items=["name"]),
        lambda table: grant_of(table, "b1-19").update(verdicts_only=True),
        lambda table: grant_of(table, "b1-19").update(ways=[]),
        lambda table: grant_of(table, "b1-19").update(ways=["by_guess"]),
        lambda table: grant_of(table, "b1-19").update({"from": "2003-02-30"}),
        lambda table: grant_of(table, "b1-19").update({"from": "2026-01-02", "until": "2026-01-01"}),
        lambda table: grant_of(table, "b1-19").update(quota_per_day=0),
        lambda table: grant_of(table, "b1-19").update(quota_per_day=1.5),
        lambda table: grant_of(table, "b1-19").update(quota_per_day=True),
        lambda table: grant_of(table, "b1-19").update(pace_burst=5),
        lambda table: grant_of(table, "b1-19").update(domain="Pension"),
        lambda table: grant_of(table, "b1-19").update(hand_over=["relying/construction"]),
        lambda table: grant_of(table, "b1-19").update(note="more"),
        lambda table: table["bodies"][0].update(key="AAAA"),
        lambda table: table["bodies"][0].update(key="not base64"),
        lambda table: table["bodies"].append(table["bodies"][0]),
        lambda table: table["affairs"].append(table["affairs"][0]),
        lambda table: table["affairs"][0].update(level="local"),
        lambda table: table["affairs"][0].update(article=""),
        lambda table: table["affairs"][0].update({"from": ""}),
        lambda table: table["affairs"][0].update(prefectures=["48"]),
        lambda table: table["affairs"][0].update(prefectures=["13"]),
        lambda table: table.update(affairs=[]),
        lambda table: table.update(format="juki-purposes/v2"),
        lambda table: table.update(more=[]),
    ],
)
def test_a_table_that_is_wrong_anywhere_is_refused(spoil: Callable[[Table], object]) -> None:
    data = changed(spoil)

    with pytest.raises(PurposesTableRefused) as refused:
        parse_table(data)

    assert refused.value.facts["row"]


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b"[" * 100_000])
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(PurposesTableRefused):
        parse_table(data)


def test_a_table_in_another_form_of_the_same_json_is_refused() -> None:
    with pytest.raises(PurposesTableRefused):
        parse_table(published() + b"\n")


@cache
def small() -> bytes:
    """The table of this checkout with the affairs that are granted, and no other."""

    def keep_granted(table: Table) -> None:
        granted = {row["affair"] for row in table["grants"]}
        table["affairs"] = [row for row in table["affairs"] if row["id"] in granted]

    return changed(keep_granted)


def altered(change: Callable[[Table], object]) -> bytes:
    table: Table = json.loads(small())
    change(table)
    return write_table(table)


@given(st.binary(max_size=300), st.integers(0, 9000), st.integers(0, 300))
def test_damaged_bytes_are_refused_or_another_table(damage: bytes, place: int, cut: int) -> None:
    data = small()[:place] + damage + small()[place + cut :]

    try:
        same = parse_table(data).version == parse_table(small()).version
    except PurposesTableRefused:
        assert data != small()
    else:
        assert same == (data == small())


VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.just({}) | st.just([[]])
)


@pytest.mark.parametrize("key", ["affairs", "bodies", "grants", "format"])
@given(value=VALUES | st.lists(VALUES, min_size=1, max_size=2))
def test_a_part_of_another_kind_is_refused(key: str, value: object) -> None:
    with pytest.raises(PurposesTableRefused):
        parse_table(altered(lambda table: table.update({key: value})))


@pytest.mark.parametrize(
    "field", ["body", "at", "affair", "items", "ways", "from", "until", "hand_over", "domain", "quota_per_day"]
)
@given(value=st.none() | st.integers(-5, 0) | st.lists(st.integers(0, 9), min_size=1, max_size=2) | st.just({}))
def test_a_field_of_another_kind_is_refused(field: str, value: object) -> None:
    with pytest.raises(PurposesTableRefused):
        parse_table(altered(lambda table: grant_of(table, "b1-19").update({field: value})))


@pytest.mark.parametrize("field", ["id", "text", "recipient", "article", "level", "from", "until", "prefectures"])
@given(value=st.none() | st.integers(-5, 5) | st.lists(st.integers(0, 9), min_size=1, max_size=2) | st.just({}))
def test_a_field_of_an_affair_of_another_kind_is_refused(field: str, value: object) -> None:
    with pytest.raises(PurposesTableRefused):
        parse_table(altered(lambda table: table["affairs"][0].update({field: value})))
