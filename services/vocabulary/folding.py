"""What two ways of writing a name or an address have in common."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

from services.vocabulary.numerals import KANJI_NUMERALS, kanji_number

_SPACES = re.compile(r"\s+")
_IDEOGRAPH = r"[\u3005-\u3007\u3400-\u4DBF\u4E00-\u9FFF\U00020000-\U000323AF]"
_K = rf"[{KANJI_NUMERALS}]+"
_MARK = r"(?:丁目|番地|番(?![丁町街館])|号(?![室棟館線地車]))"

_NUMBER = rf"(?:[0-9]|{_K}(?!{_IDEOGRAPH}))"

_DASHES = re.compile(rf" *[\u2010-\u2015\u2212-] *|(?<=[0-9{KANJI_NUMERALS}])ー(?={_NUMBER})")
_SPACED_NUMBERS = re.compile(rf"(?<=[0-9]) +(?={_NUMBER})")
_BETWEEN_IDEOGRAPHS = re.compile(rf"(?<={_IDEOGRAPH})[ヶガッ](?={_IDEOGRAPH})")
# A numeral that touches a digit is left, since reading it would make one number of the two.
_BEFORE_MARK = re.compile(rf"(?<![0-9{KANJI_NUMERALS}]){_K}(?={_MARK}|[条線階]|号室|ノ(?:{_NUMBER}|{_K}{_MARK})|-)")
_AFTER_MARK = re.compile(
    rf"(?:(?<=丁目)|(?<=番地)|(?<=[番号-])|(?<=[0-9地番号]ノ)){_K}(?!{_IDEOGRAPH}|[0-9{KANJI_NUMERALS}])"
)
_MARKS = re.compile(rf"(?<=[0-9])(?:{_MARK})+(?:ノ(?=[0-9]))?")
_JOINING_NO = re.compile(r"(?<=[0-9])ノ(?=[0-9])")


def fold(text: str) -> str:
    """Folds `text` for comparison only, never for storage: what is equal folded is alike, not the same.

    Disregarded: width; hiragana against katakana; case of Latin letters; spaces; variation selectors; compatibility
    ideographs; and the variants listed in `data/variants.txt`, old and new forms of one character (髙 for 高).
    Kept: small kana and voicing marks, long-vowel marks, and characters that dictionaries hold apart though names mix
    them (斎 and 斉, 埼 and 崎). Folding twice changes nothing in any text that a name or an address may be.
    """
    return _SPACES.sub("", _fold_characters(text))


def fold_address(text: str) -> str:
    """Folds an address: as `fold`, and numbers, their marks and dashes to the form 千代田1-1-1.

    Kanji numbers are read before 丁目, 番地, 番, 号, 条, 線, 階 or 号室, before a dash, and after one of the marks.
    Block marks between numbers become a dash, and a trailing mark is dropped. ヶ, が and ッ between ideographs are read
    as large katakana ケ and ツ. Nothing is added or left out: 大字, the county and the prefecture stay as written, and
    三番町 stays apart from 3番町.
    """
    folded = _SPACES.sub(" ", _fold_characters(text)).strip()
    while (simpler := _simplify_numbers(folded)) != folded:
        folded = simpler
    return folded


def _simplify_numbers(text: str) -> str:
    """Takes one step towards plain numbers; each leaves fewer spaces, marks or kanji numerals, so the steps end."""
    arabic = _AFTER_MARK.sub(_arabic, _BEFORE_MARK.sub(_arabic, _DASHES.sub("-", text)))
    joined = _SPACED_NUMBERS.sub("-", arabic)
    if joined != text:
        # While there is a number to read, the spaces still tell it from the next.
        return joined
    large = _BETWEEN_IDEOGRAPHS.sub(lambda kana: "ツ" if kana[0] == "ッ" else "ケ", text.replace(" ", ""))
    return _JOINING_NO.sub("-", _MARKS.sub(_dash_before_digit, large))


def _fold_characters(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text.translate(_marks_and_selectors())).upper()
    return unicodedata.normalize("NFKC", plain.translate(_katakana_and_common_forms()))


def _arabic(numerals: re.Match[str]) -> str:
    number = kanji_number(numerals[0])
    return numerals[0] if number is None else str(number)


def _dash_before_digit(mark: re.Match[str]) -> str:
    return "-" if mark.string[mark.end() : mark.end() + 1].isdigit() else ""


@cache
def _marks_and_selectors() -> dict[int, str | None]:
    """Spacing voicing marks to combining ones, variation selectors to nothing."""
    table: dict[int, str | None] = dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
    return table | {0x309B: "\u3099", 0x309C: "\u309a"}


@cache
def _katakana_and_common_forms() -> dict[int, str]:
    """Hiragana to katakana, and the variant table: on each line the common form, then the forms folded into it."""
    lines = resources.files(__package__).joinpath("data/variants.txt").read_text("utf-8").splitlines()
    families = (line.split() for line in lines if line and not line.startswith("#"))
    katakana = {code: chr(code + 0x60) for code in (*range(0x3041, 0x3097), 0x309D, 0x309E)}
    return katakana | {ord(variant): common for common, *variants in families for variant in variants}
