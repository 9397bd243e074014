"""The directory of municipalities: who has which code on which day."""

from datetime import date
from itertools import pairwise

import pytest

from services.vocabulary import municipalities
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.malformed import Malformed
from services.vocabulary.municipalities import (
    MunicipalityKind,
    municipality_at,
    prefecture_name,
    successor_chain,
)


def refusal(code: str, day: date) -> Malformed:
    with pytest.raises(Malformed) as refused:
        municipality_at(LocalGovernmentCode(code), day)
    return refused.value


def test_a_municipality_in_force_has_its_name_and_reading() -> None:
    found = municipality_at(LocalGovernmentCode("131016"), date(2003, 8, 25))

    assert (found.name, found.kana, found.prefecture_name) == ("千代田区", "チヨダク", "東京都")
    assert found.kind is MunicipalityKind.SPECIAL_WARD


def test_a_merged_municipality_exists_to_the_day_before_and_then_names_its_successor() -> None:
    urawa = LocalGovernmentCode.from_body("11204")

    assert municipality_at(urawa, date(2001, 4, 30)).name == "浦和市"
    refused = refusal(urawa.digits, date(2001, 5, 1))
    assert refused.reason == "MUNICIPALITY_ABOLISHED"
    assert successor_chain(urawa)[0].digits in refused.advice


def test_a_municipality_founded_by_a_merger_is_not_there_the_day_before() -> None:
    daisen = LocalGovernmentCode("052124")

    assert refusal(daisen.digits, date(2005, 3, 21)).reason == "MUNICIPALITY_NOT_YET"
    assert municipality_at(daisen, date(2005, 3, 22)).name == "大仙市"


def test_a_city_that_a_merger_founded_anew_under_its_old_code_was_there_before() -> None:
    assert municipality_at(LocalGovernmentCode("242012"), date(2005, 12, 31)).name == "津市"


def test_a_renamed_municipality_has_the_name_of_the_day() -> None:
    nagakute = LocalGovernmentCode("233048")

    assert municipality_at(nagakute, date(1971, 3, 31)).name == "長久手村"
    assert municipality_at(nagakute, date(1971, 4, 1)).name == "長久手町"
    assert municipality_at(nagakute, date(1971, 4, 1)).kana == ""
    assert refusal("233048", date(2012, 1, 4)).reason == "MUNICIPALITY_ABOLISHED"


def test_a_municipality_renamed_and_given_up_on_one_day_never_bore_the_new_name() -> None:
    assert municipality_at(LocalGovernmentCode("235211"), date(2010, 1, 3)).name == "三好町"


def test_a_divided_municipality_names_every_part() -> None:
    advice = refusal("193411", date(2006, 3, 1)).advice

    assert "192015" in advice
    assert "194301" in advice


def test_a_chain_follows_every_later_code_once() -> None:
    urawa = LocalGovernmentCode.from_body("11204")

    assert [code.digits for code in successor_chain(urawa)] == ["112445", "111007"]
    assert [code.digits for code in successor_chain(LocalGovernmentCode("221350"))] == ["221384", "221392"]
    assert successor_chain(LocalGovernmentCode("131016")) == ()


@pytest.mark.parametrize("code", ["130001", "139998"])
def test_a_code_of_no_municipality_is_refused(code: str) -> None:
    known = LocalGovernmentCode.from_body(code[:5])

    assert refusal(known.digits, date(2024, 1, 1)).reason == "MUNICIPALITY_UNKNOWN"
    with pytest.raises(Malformed) as refused:
        successor_chain(known)
    assert refused.value.reason == "MUNICIPALITY_UNKNOWN"


def test_wards_of_cities_and_villages_without_office_keep_no_register() -> None:
    day = date(2024, 4, 1)
    keeps = {
        code: municipality_at(LocalGovernmentCode.from_body(code), day).keeps_register
        for code in ("01101", "01695", "01100", "13101")
    }

    assert keeps == {"01101": False, "01695": False, "01100": True, "13101": True}


def test_prefectures_are_named_by_their_two_digits() -> None:
    assert [prefecture_name(digits) for digits in ("01", "13", "14", "47")] == [
        "北海道",
        "東京都",
        "神奈川県",
        "沖縄県",
    ]
    with pytest.raises(Malformed) as refused:
        prefecture_name("48")
    assert refused.value.reason == "PREFECTURE_UNKNOWN"


def test_the_advice_names_the_successor_that_is_in_force_on_the_day() -> None:
    urawa = LocalGovernmentCode.from_body("11204").digits

    assert "112445" in refusal(urawa, date(2002, 1, 1)).advice
    assert "111007" in refusal(urawa, date(2010, 1, 1)).advice


def test_the_last_day_of_the_calendar_is_answered() -> None:
    assert municipality_at(LocalGovernmentCode("131016"), date.max).name == "千代田区"
    assert "221384" in refusal("221317", date.max).advice


def test_the_directory_holds_every_body_and_every_chain_ends_in_force() -> None:
    directory = municipalities._directory()
    in_force = {code for code, periods in directory.items() if periods[-1].until is None}
    bodies = [code for code in in_force if directory[code][-1].municipality.keeps_register]

    assert len(bodies) == 1741
    for code in directory.keys() - in_force:
        heirs = municipalities._heirs(LocalGovernmentCode(code), date.max)
        assert {heir.digits for heir in heirs} <= in_force
        assert set(heirs) <= set(successor_chain(LocalGovernmentCode(code)))


def test_the_periods_of_a_code_follow_one_another_without_a_gap() -> None:
    for periods in municipalities._directory().values():
        for period in periods:
            assert period.since is None or period.until is None or period.since < period.until
        assert all(one.until == following.since is not None for one, following in pairwise(periods))
