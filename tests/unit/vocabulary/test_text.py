"""Names, addresses and readings: which characters are admitted, and that none is silently changed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vocabulary.malformed import Malformed
from services.vocabulary.text import Address, Kana, PersonName, compose

GOD = "\ufa19"
"""The compatibility ideograph that plain normalisation would replace by U+795E."""
GA = "か\u3099"
KUZU = "葛\U000e0100"

ideographs = st.one_of(
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
    st.characters(min_codepoint=0x20000, max_codepoint=0x2A6DF),
    st.characters(min_codepoint=0xFA70, max_codepoint=0xFAD9),
)
names = st.text(st.one_of(ideographs, st.sampled_from("あがパー々ヶaZ9Ａ")), min_size=1, max_size=20)


def refusal(text: str) -> Malformed:
    with pytest.raises(Malformed) as refused:
        PersonName(text)
    return refused.value


def test_composition_leaves_compatibility_ideographs_alone_where_plain_normalisation_does_not() -> None:
    assert unicodedata.normalize("NFC", GOD + GA) == "\u795eが"
    assert compose(GOD + GA) == GOD + "が"
    assert compose("\U0002f800" + GA + GOD) == "\U0002f800" + "が" + GOD


def test_a_name_keeps_what_came_beside_what_was_composed() -> None:
    name = PersonName(GOD + GA)

    assert (name.original, name.text) == (GOD + GA, GOD + "が")
    assert name == PersonName(GOD + "が")
    assert hash(name) == hash(PersonName(GOD + "が"))
    assert name != PersonName("\u795eが")


@given(names)
def test_a_composed_name_is_kept_to_the_character(text: str) -> None:
    assert PersonName(text).text == PersonName(text).original == text


@given(st.text())
def test_composing_twice_changes_nothing(text: str) -> None:
    assert compose(compose(text)) == compose(text)


def test_a_variation_selector_is_kept_after_an_ideograph() -> None:
    assert PersonName(KUZU + "城").text == KUZU + "城"
    assert PersonName(KUZU) != PersonName("葛")


@pytest.mark.parametrize(
    "text",
    [
        "山田　太郎", "髙﨑", "𠮷野", "佐々木", "〆木", "ジョン・スミス", "SMITH JOHN-PAUL", "NGUYỄN", "Ωμεγα",
        "Иван",
        "〇〇", "ﾔﾏﾀﾞ", "セ\u309aル", "𛀁み", "山田（旧姓）", "\u9fff", "\U000323af",
    ],
)  # fmt: skip
def test_characters_of_names_are_admitted(text: str) -> None:
    assert PersonName(text).original == text


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("山\u0000", 2), ("山\n田", 2), ("\u200b山", 1), ("山\ufeff", 2), ("山\u202e田", 2), ("山\u2066田", 2),
        ("\ue000", 1), ("山\U000f0000", 2), ("山\ud800", 2), ("山\u0378", 2), ("山😀", 2), ("山☺", 2), ("山〓", 2),
        ("山●", 2), ("\U000e0100山", 1), ("あ\U000e0100", 2), ("葛\U000e0100\U000e0101", 3), ("\ufa19\U000e0100", 2),
        ("葛\ufe00", 2), ("山\u3099", 2), ("か\u3099\u3099", 2), ("あ\u3099", 2), ("ラ\u309a", 2), ("가", 1),
        ("ا", 1), ("⼭", 1), ("山\u0301", 2),
        ("山\u00a0田", 2), ("山\u00ad田", 2), ("山㈱", 2), ("\ufa6e", 1), ("\U000323b0", 1), ("\t山", 1),
    ],
)  # fmt: skip
def test_other_characters_are_refused_by_their_position(text: str, position: int) -> None:
    refused = refusal(text)

    assert refused.reason == "CHARACTER_UNSUPPORTED"
    assert f"character {position} " in refused.advice
    assert refused.advice.isascii(), "the advice repeats nothing of the text"


@given(st.characters(categories=["Cc", "Cf", "Cs", "Co"]))
def test_no_control_surrogate_or_private_character_is_admitted(character: str) -> None:
    assert refusal(f"山{character}田").reason == "CHARACTER_UNSUPPORTED"


NEWER = [chr(code) for code in (0x1B132, 0x1B155, *range(0x2A000, 0x32400))]
"""Where kana and ideographs are admitted that later editions of Unicode assign than the interpreter may know."""


@given(st.characters(categories=["Cn"], exclude_characters=NEWER))
def test_no_unassigned_character_is_admitted(character: str) -> None:
    assert refusal(f"山{character}田").reason == "CHARACTER_UNSUPPORTED"


@pytest.mark.parametrize("text", ["", " ", "\u3000 \u3000"])
@pytest.mark.parametrize("kind", [PersonName, Address, Kana])
def test_text_of_nothing_or_spaces_is_refused(kind: type[PersonName | Address | Kana], text: str) -> None:
    with pytest.raises(Malformed) as refused:
        kind(text)

    assert refused.value.reason == "TEXT_EMPTY"


@pytest.mark.parametrize("text", [" 山田", "山田 ", "\u3000山田", "山田\u3000"])
def test_spaces_at_the_edge_are_refused(text: str) -> None:
    assert refusal(text).reason == "TEXT_SPACE_AT_EDGE"


@pytest.mark.parametrize(("kind", "limit"), [(PersonName, 100), (Address, 200), (Kana, 100)])
def test_text_has_a_greatest_length(kind: type[PersonName | Address | Kana], limit: int) -> None:
    assert len(kind("ア" * limit).text) == limit
    with pytest.raises(Malformed) as refused:
        kind("ア" * (limit + 1))
    assert refused.value.reason == "TEXT_TOO_LONG"


def test_length_is_that_of_the_composed_text() -> None:
    assert len(PersonName(GA * 100).text) == 100


@pytest.mark.parametrize("text", ["ヤマダ　タロウ", "ジョン・スミス", "ヴァンパー", "カ\u309a", "ㇷ゚", "ヤマタ\u3099"])
def test_a_reading_is_katakana(text: str) -> None:
    assert Kana(text).original == text


@pytest.mark.parametrize("text", ["やまだ", "ﾔﾏﾀﾞ", "山田", "YAMADA", "ヤマダ1", "ヤマダ-", "ヿ"])
def test_a_reading_in_other_characters_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        Kana(text)

    assert refused.value.reason == "KANA_NOT_KATAKANA"


def test_the_folded_form_is_the_same_each_time_and_kind_by_kind() -> None:
    name, address = PersonName("髙橋 一丁目"), Address("髙橋 一丁目")

    assert name.folded == name.folded == "高橋一丁目"
    assert address.folded == address.folded == "高橋1"
    assert name.text == "髙橋 一丁目", "what is held stays as it was written"
    assert Kana("ヤマダ　タロウ").folded == "ヤマダタロウ"


@pytest.mark.parametrize("value", [PersonName("ヤマダ"), Address("ヤマダ"), Kana("ヤマダ")])
def test_no_text_is_shown_by_its_repr(value: PersonName | Address | Kana) -> None:
    assert value.folded
    assert "ヤマダ" not in repr(value) + str(value)
