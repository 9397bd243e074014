"""Who may ask what: every cell of the table, and every way in which its files can be wrong."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.confirmation.purposes import load_purposes
from services.confirmation.refusals import PurposesTableRefused
from services.confirmation.rules.matching import match_code
from services.confirmation.rules.purposes import Item, Way, check_case_number, decide
from services.confirmation.rules.release import release
from services.foundation.refusals import Refusal
from tests.unit.confirmation.makers import affair, grant, purposes, record

TABLE = Path(__file__).parents[3] / "deploy" / "purposes"
NODES = ("agency/national", "prefecture/13", "prefecture/14")
BODIES = (
    "relying/local-pension",
    "relying/construction",
    "relying/tokyo-licensing",
    "relying/nobody",
    "municipal/131016",
)
TODAY = date(2026, 11, 24)


def as_written() -> dict[tuple[str, str, str], tuple[set[str], set[str]]]:
    """Reads the grants without the code under test: (node, body, affair) to items and ways."""
    rows = tomllib.loads((TABLE / "grants.toml").read_text(encoding="utf-8"))["grant"]
    return {
        (row["at"], row["body"], affair_id): (set(row["items"]), set(row["ways"]))
        for row in rows
        for affair_id in row["affairs"]
    }


def affair_rows() -> list[dict[str, str]]:
    with (TABLE / "affairs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("node", NODES)
def test_every_body_affair_way_and_item_is_as_the_table_has_it(node: str) -> None:
    table, written = load_purposes(TABLE, node), as_written()
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

    assert cells == len(BODIES) * len(affairs) * len(Way) * len(Item)


def test_every_affair_of_the_seed_is_in_the_table() -> None:
    assert len(affair_rows()) == 17
    assert all(row["article_ja"].startswith("住民基本台帳法第三十条の") for row in affair_rows())


def test_the_version_follows_the_files(tmp_path: Path) -> None:
    copy(tmp_path)
    before = load_purposes(tmp_path, "agency/national").version
    (tmp_path / "grants.toml").write_text((TABLE / "grants.toml").read_text() + "\n# more\n")

    assert before == load_purposes(TABLE, "agency/national").version
    assert load_purposes(tmp_path, "agency/national").version != before


def test_a_body_sees_its_own_grants_only() -> None:
    table = load_purposes(TABLE, "agency/national")

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


@given(st.integers(-500, 500))
def test_a_grant_holds_from_its_first_day_on(days: int) -> None:
    since = date(2003, 4, 1)
    table, day = purposes(grant(of=affair(since=since))), since + timedelta(days=days)

    if days >= 0:
        assert decide(table, "relying/local-pension", "b1-19", Way.BY_CODE, day).affair.effective_from == since
        return
    with pytest.raises(Refusal) as refused:
        decide(table, "relying/local-pension", "b1-19", Way.BY_CODE, day)
    assert refused.value.reason == "PURPOSE_NOT_IN_FORCE"


@pytest.mark.parametrize("case", ["A-2026/0001", "x", "a" * 64, "1.2_3"])
def test_a_case_number_passes(case: str) -> None:
    assert check_case_number(case) == case


@pytest.mark.parametrize("case", ["", "a" * 65, "山田太郎", "a b", "a\n", "a;b"])
def test_another_case_number_is_refused(case: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_case_number(case)

    assert refused.value.reason == "CASE_NUMBER_MALFORMED"


def copy(target: Path, affairs: Callable[[str], str] = str, grants: Callable[[str], str] = str) -> None:
    for name, change in (("affairs.csv", affairs), ("grants.toml", grants)):
        (target / name).write_text(change((TABLE / name).read_text(encoding="utf-8")), encoding="utf-8")


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def twice(text: str) -> str:
    return text + text.splitlines()[1] + "\n"


@pytest.mark.parametrize(
    "spoil",
    [
        {"affairs": twice},
        {"affairs": replaced("2003-04-01", "2003-04-31")},
        {"affairs": replaced("national", "local")},
        {"affairs": replaced("affair_id,", "id,")},
        {"affairs": replaced("b1-16,", ",")},
        {"affairs": lambda text: text.splitlines()[0] + "\n"},
        {"affairs": replaced("b1-19,", "b1-19@,")},
        {"grants": replaced('"b1-19"', '"b1-20"')},
        {"grants": replaced('"b1-19"', '"b5-6"')},
        {"grants": replaced('"b1-19"', '"b1-19", "b1-19"')},
        {"grants": replaced('"by_code"', '"by_guess"')},
        {"grants": replaced('"birth_date"', '"honseki"')},
        {"grants": replaced(', "change"]', "]")},
        {"grants": replaced('at = "agency/national"\n', "")},
        {"grants": replaced('at = "agency/national"', 'at = "national"')},
        {"grants": replaced("[[grant]]\nbody", "[[right]]\nbody")},
        {"grants": replaced("[[grant]]\nbody", "[[grant\nbody")},
        {"grants": lambda text: text + text},
        {"grants": replaced('affairs = ["b1-19"]', 'affairs = "b1-19"')},
    ],
)
def test_a_table_that_is_wrong_anywhere_is_refused(tmp_path: Path, spoil: dict[str, Callable[[str], str]]) -> None:
    copy(tmp_path, **spoil)

    with pytest.raises(PurposesTableRefused) as refused:
        load_purposes(tmp_path, "agency/national")

    assert refused.value.facts["file"] in ("affairs.csv", "grants.toml")


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PurposesTableRefused):
        load_purposes(tmp_path, "agency/national")


def test_a_table_that_is_not_text_is_refused(tmp_path: Path) -> None:
    copy(tmp_path)
    for name in ("affairs.csv", "grants.toml"):
        (tmp_path / name).write_bytes(b"\xff\xfe")
        with pytest.raises(PurposesTableRefused):
            load_purposes(tmp_path, "agency/national")
        copy(tmp_path)
