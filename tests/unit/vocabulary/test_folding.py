"""Folding for comparison: what becomes equal, what stays apart, and that folding twice changes nothing."""

import unicodedata
from importlib import resources

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.vocabulary.folding import fold, fold_address

FAMILIES = [
    line.split()
    for line in resources.files("services.vocabulary").joinpath("data/variants.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]

names = st.text(
    st.one_of(
        st.characters(min_codepoint=0x3041, max_codepoint=0x30FF),
        st.characters(min_codepoint=0xFF01, max_codepoint=0xFF9F),
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
        st.characters(min_codepoint=0xF900, max_codepoint=0xFAD9),
        st.characters(min_codepoint=0x20, max_codepoint=0x7E),
        st.characters(min_codepoint=0xC0, max_codepoint=0x24F),
        st.sampled_from("\U000e0100\u3099\u309a\u309b\u309cヷ㌔ßſ①Ⅻ㈱"),
    ),
    max_size=12,
)
addresses = st.lists(
    st.sampled_from(
        [
            "千代田", "霞が関", "三", "一", "十二", "〇", "百", "1", "２", "30", "丁目", "番地", "番", "号", "の",
            "ノ", "ー", "-",
            "−", " ", "　", "条", "線", "町", "丁", "室", "館", "階", "メゾン", "ヶ", "谷", "ッ", "タワー", "A",
            "字", "甲",
        ]
    ),
    max_size=9,
).map("".join)  # fmt: skip


@given(names)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.one_of(addresses, names))
def test_folding_an_address_twice_changes_nothing(text: str) -> None:
    assert fold_address(fold_address(text)) == fold_address(text)


@given(names)
def test_how_wide_text_is_written_does_not_matter(text: str) -> None:
    assert fold(unicodedata.normalize("NFKC", text)) == fold(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("髙島屋", "高島屋"), ("渡邊", "渡辺"), ("渡邉", "渡辺"), ("山﨑", "山崎"), ("澤田", "沢田"),
        ("廣瀨", "広瀬"),
        ("齋藤", "斎藤"), ("齊藤", "斉藤"), ("𠮷野", "吉野"), ("嶋", "島"), ("龍馬", "竜馬"), ("國", "国"),
        ("濵", "浜"),
        ("\ufa19", "\u795e"), ("葛\U000e0100城", "葛城"), ("さくら", "サクラ"), ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("か\u3099", "ガ"),
        ("カ゛", "ガ"), ("Smith  John", "ＳＭＩＴＨ　ＪＯＨＮ"), ("山田 太郎", "山田　太郎"),
        ("山田太郎", "山田　太郎"), ("ﾊﾟｰﾙ", "ぱーる"),
    ],
)  # fmt: skip
def test_two_ways_of_writing_a_name_are_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("斎藤", "斉藤"), ("山崎", "山埼"), ("崎", "碕"), ("島", "嶼"), ("芦", "蘆"), ("畑", "畠"), ("荘", "庄"),
        ("弁", "辯"),
        ("カ", "ガ"), ("ハ", "パ"), ("ツ", "ッ"), ("ヤ", "ャ"), ("オオノ", "オーノ"), ("藤", "籐"), ("一", "ー"),
        ("二", "ニ"),
        ("工", "エ"), ("太郎", "大郎"), ("吉", "喜"), ("亨", "享"), ("祇", "祗"), ("智", "知"), ("郎", "朗"),
        ("神谷", "神屋"),
    ],
)  # fmt: skip
def test_characters_that_dictionaries_hold_apart_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_the_table_of_variants_is_large_and_names_each_character_once() -> None:
    characters = [character for family in FAMILIES for character in family]

    assert sum(len(family) - 1 for family in FAMILIES) >= 150
    assert len(set(characters)) == len(characters)
    assert all(len(character) == 1 for character in characters)


def test_every_variant_of_the_table_folds_into_its_common_form() -> None:
    for common, *variants in FAMILIES:
        assert variants
        assert {fold(variant) for variant in variants} == {fold(common)} == {common}


@pytest.mark.parametrize(
    "text",
    [
        "千代田一丁目１番１号", "千代田1丁目1番1号", "千代田１－１－１", "千代田1‐1‐1", "千代田1ー1ー1",
        "千代田一ー一ー一", "千代田1丁目1-1",
        "千代田一丁目一番地の一", "千代田一丁目一番地一", "千代田１の１の１", "千代田一の一の一", "千代田 1-1-1",
        "千代田　一丁目　１番　１号", "千代田1 - 1 - 1", "千代田1−1−1",
        "千代田壱丁目壱番壱号", "千代田1-1-1番地", "千代田1-1-1号",
    ],
)  # fmt: skip
def test_every_usual_writing_of_a_block_number_is_alike(text: str) -> None:
    assert fold_address(text) == "千代田1-1-1"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("霞ヶ関三丁目二番一号　メゾン１０１号室", "霞ケ関3-2-1メゾン101号室"),
        ("霞が関3-2-1 メゾン一〇一号室", "霞ケ関3-2-1メゾン101号室"),
        ("四ッ谷", "四ツ谷"),
        ("丸の内二丁目", "丸ノ内2"),
        ("三番町五番地", "三番町5"),
        ("四番丁二十三番地", "四番丁23"),
        ("北十二条西三丁目", "北12条西3"),
        ("東七線百二十番地", "東7線120"),
        ("大字下千二百三番地ノ四", "大字下1203-4"),
        ("千代田1-1-1 101", "千代田1-1-1-101"),
        ("千代田1番1号三井ビル", "千代田1-1三井ビル"),
        ("千代田1番1号 三井ビル", "千代田1-1三井ビル"),
        ("千代田1-1 千代田ビル", "千代田1-1千代田ビル"),
        ("大字三 1番地", "大字三1"),
        ("二の宮三の丸1番地", "二ノ宮三ノ丸1"),
        ("大手町一号館", "大手町一号館"),
        ("タワー1", "タワー1"),
        ("十百番地", "十百番地"),
        ("三条通", "3条通"),
        ("二十四軒一条", "二十四軒1条"),
    ],
)
def test_addresses_fold_as_documented(text: str, folded: str) -> None:
    assert fold_address(text) == folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("千代田1-11", "千代田11-1"), ("千代田1-1 101", "千代田1-1101"), ("三番町1", "3番町1"),
        ("大字本町1", "本町1"),
        ("千代田1丁目1番", "千代田1丁目11番"), ("一番町1", "二番町1"), ("千代田十一番地", "千代田十番一号"),
        ("千代田1-1 十一号", "千代田1-11 一号"), ("千代田1番地一 十一", "千代田1番地1 一号"),
        ("千代田1 一番11", "千代田11番11"), ("千代田1 一 一", "千代田1 一 十一"), ("千代田1番二3", "千代田1番23"),
    ],
)  # fmt: skip
def test_other_addresses_stay_apart(one: str, other: str) -> None:
    assert fold_address(one) != fold_address(other)


blocks = st.tuples(st.integers(1, 99), st.integers(1, 999), st.integers(1, 99))


def kanji(number: int) -> str:
    """Writes a number below 1,000 with units."""
    digits = ("", "一", "二", "三", "四", "五", "六", "七", "八", "九")
    hundreds, tens = digits[number // 100], digits[number // 10 % 10]
    return hundreds + ("百" if hundreds else "") + tens + ("十" if tens else "") + digits[number % 10]


@given(blocks)
def test_a_block_number_folds_alike_however_it_is_written(block: tuple[int, int, int]) -> None:
    chome, ban, go = block
    in_kanji = "本町{}丁目{}番{}号".format(*map(kanji, block))
    others = (
        f"本町{chome}丁目{ban}番地{go}",
        f"本町{chome}−{ban}－{go}",
        f"本町 {kanji(chome)}丁目{ban}番地の{kanji(go)}",
    )

    assert {fold_address(text) for text in (in_kanji, *others)} == {f"本町{chome}-{ban}-{go}"}


@given(blocks, blocks)
def test_other_block_numbers_never_fold_alike(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    first, second = ("本町{}丁目{}番{}号".format(*map(kanji, block)) for block in (one, other))

    assert (fold_address(first) == fold_address(second)) is (one == other)


def written(numbers: tuple[int, int, int]) -> st.SearchStrategy[str]:
    """Writes numbers in kanji or in digits, with spaces, marks or dashes between them."""
    one = st.tuples(*(st.sampled_from([str(number), kanji(number)]) for number in numbers))
    between = st.tuples(*[st.sampled_from(["-", "ー", " ", "番", "番地", "番地の", "号", "丁目", "の"])] * 2)
    end = st.sampled_from(["", "号", "番"])
    return st.builds(
        lambda parts, marks, last: f"本町{parts[0]}{marks[0]}{parts[1]}{marks[1]}{parts[2]}{last}", one, between, end
    )


small = st.integers(1, 12)


@given(st.data(), st.tuples(small, small, small), st.tuples(small, small, small))
def test_other_numbers_never_fold_alike_however_they_are_written(
    data: st.DataObject, one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    assume(one != other)
    first, second = data.draw(written(one)), data.draw(written(other))

    assert fold_address(first) != fold_address(second)
