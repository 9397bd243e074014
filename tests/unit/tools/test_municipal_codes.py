"""The preparation of the directory of codes: what it derives from the table of changes."""

from tools.municipal_codes import ABSORBED, FOUNDED, KEPT, PARTED, Row, periods


def body(code: str, name: str, kind: str = "city", parent: str = "990000") -> Row:
    reading = f"{name}ノヨミ"
    return {
        "code6": code,
        "name_ja": name,
        "name_kana": reading,
        "kind": kind,
        "parent_code6": parent,
        "northern": "0",
    }


def change(day: str, how: str, old: tuple[str, str], new: tuple[str, str]) -> Row:
    return {
        "effective_date": day,
        "change_type_ja": how,
        "old_code6": old[0],
        "old_name_ja": old[1],
        "new_code6": new[0],
        "new_name_ja": new[1],
    }


def lives(bodies: list[Row], changes: list[Row]) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for code, *rest in periods({row["code6"]: row for row in bodies}, changes):
        found.setdefault(code, []).append(tuple(rest))
    return found


def test_a_body_without_changes_has_one_open_period() -> None:
    found = lives([body("992010", "甲市")], [])

    assert found == {"992010": [("", "", "city", "甲市", "甲市ノヨミ", "")]}


def test_a_prefecture_is_no_municipality() -> None:
    assert lives([body("990000", "某県", kind="prefecture")], []) == {}


def test_a_ward_bears_the_name_of_its_city_before_its_own() -> None:
    found = lives([body("991007", "甲市"), body("991015", "中区", kind="ward", parent="991007")], [])

    assert found["991015"] == [("", "", "ward", "甲市中区", "甲市ノヨミ中区ノヨミ", "")]


def test_an_absorbed_body_ends_and_the_absorbing_one_begins_nothing() -> None:
    found = lives([body("992010", "甲市")], [change("2005-01-01", ABSORBED, ("993018", "乙町"), ("992010", "甲市"))])

    assert found["993018"] == [("", "2005-01-01", "town", "乙町", "", "992010")]
    assert found["992010"][0][0] == ""


def test_a_renamed_body_has_a_period_for_each_name() -> None:
    renaming = change("1990-04-01", "町制施行", ("993018", "乙村"), ("993018", "乙町"))
    found = lives([body("993018", "乙町", kind="town")], [renaming])

    assert found["993018"] == [
        ("", "1990-04-01", "village", "乙村", "", "993018"),
        ("1990-04-01", "", "town", "乙町", "乙町ノヨミ", ""),
    ]


def test_a_name_borne_for_no_day_makes_no_period() -> None:
    renaming = change("2010-01-04", "名称変更", ("993018", "乙町"), ("993018", "おと町"))
    promotion = change("2010-01-04", "市制施行", ("993018", "おと町"), ("992036", "おと市"))
    found = lives([body("992036", "おと市")], [renaming, promotion])

    assert found["993018"] == [("", "2010-01-04", "town", "乙町", "", "992036")]
    assert found["992036"] == [("2010-01-04", "", "city", "おと市", "おと市ノヨミ", "")]


def test_a_merger_of_two_into_the_highest_number_founds_a_code() -> None:
    changes = [
        change("2005-03-22", FOUNDED, ("993018", "乙町"), ("992028", "丙市")),
        change("2005-03-22", FOUNDED, ("993026", "丁町"), ("992028", "丙市")),
    ]

    assert lives([body("992010", "甲市"), body("992028", "丙市")], changes)["992028"][0][0] == "2005-03-22"
    assert lives([body("992028", "丙市"), body("992036", "戊市")], changes)["992028"][0][0] == ""


def test_a_merger_with_one_named_participant_kept_the_code_of_the_other() -> None:
    changes = [change("2005-03-22", FOUNDED, ("993018", "乙町"), ("992028", "丙市"))]

    assert lives([body("992028", "丙市")], changes)["992028"][0][0] == ""


def test_a_merger_whose_participant_of_that_name_gave_up_another_code_founds_one() -> None:
    changes = [change("2005-03-22", FOUNDED, ("993018", "丙町"), ("992028", "丙市"))]

    assert lives([body("992028", "丙市"), body("992036", "戊市")], changes)["992028"][0][0] == "2005-03-22"


def test_a_body_with_an_earlier_history_is_not_founded_by_a_later_merger() -> None:
    changes = [
        change("1975-01-01", ABSORBED, ("993034", "己村"), ("992028", "丙市")),
        change("2005-03-22", FOUNDED, ("993018", "乙町"), ("992028", "丙市")),
        change("2005-03-22", FOUNDED, ("993026", "丁町"), ("992028", "丙市")),
    ]

    assert lives([body("992028", "丙市")], changes)["992028"][0][0] == ""


def test_a_body_that_a_part_left_lives_on() -> None:
    changes = [change("1986-11-03", PARTED, ("991015", "甲市東区"), ("991023", "甲市西区"))]
    wards = [body("991015", "東区", kind="ward", parent="991007"), body("991023", "西区", kind="ward", parent="991007")]
    found = lives([body("991007", "甲市"), *wards], changes)

    assert found["991015"][0][:2] == ("", "")
    assert found["991023"][0][:2] == ("1986-11-03", "")


def test_a_code_known_to_be_older_is_not_founded_by_a_merger() -> None:
    code = min(KEPT)
    changes = [
        change("2005-12-01", FOUNDED, ("993018", "乙町"), (code, "丙市")),
        change("2005-12-01", FOUNDED, ("993026", "丁町"), (code, "丙市")),
    ]

    assert lives([body(code, "丙市")], changes)[code][0][0] == ""
