"""Which written text a name, an address and a reading may be."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import ClassVar

from services.vocabulary.folding import fold, fold_address
from services.vocabulary.malformed import Malformed

# Ranges are written out, not asked of the interpreter's Unicode tables: two nodes must not differ in what they admit.
_LETTERS = (
    r"\u0020-\u007E"  # ASCII
    r"\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u024F\u1E00-\u1EFF"  # Latin with diacritics
    r"\u0391-\u03A1\u03A3-\u03A9\u03B1-\u03C9\u0401\u0410-\u044F\u0451"  # Greek and Cyrillic of JIS X 0208
)
_SIGNS = (
    r"\u2010-\u2015\u2018\u2019\u201C\u201D\u2026\u2116\u2160-\u216B\u2170-\u217B\u2212\u2460-\u2473"
    r"\u3000-\u3003\u3005-\u3011\u3014\u3015\u301C\u303B\uFF01-\uFF5E\uFF61-\uFF65"
)
_KANA = (
    r"\u3041-\u3096\u309B-\u309F\u30A1-\u30FF\u31F0-\u31FF\uFF66-\uFF9F"
    r"\U0001B000-\U0001B122\U0001B132\U0001B150-\U0001B152\U0001B155\U0001B164-\U0001B167"  # hentaigana, small kana
)
_UNIFIED = (
    r"\u3400-\u4DBF\u4E00-\u9FFF\uFA0E\uFA0F\uFA11\uFA13\uFA14\uFA1F\uFA21\uFA23\uFA24\uFA27-\uFA29"
    r"\U00020000-\U0002A6DF\U0002A700-\U0002B739\U0002B740-\U0002B81D\U0002B820-\U0002CEA1\U0002CEB0-\U0002EBE0"
    r"\U0002EBF0-\U0002EE5D\U00030000-\U0003134A\U00031350-\U000323AF"
)
_COMPATIBILITY = r"\uF900-\uFA6D\uFA70-\uFAD9\U0002F800-\U0002FA1D"

_SEMI_VOICED = r"[かきくけこカキクケコセツトㇷ]\u309A"  # the kana of JIS X 0213 that Unicode writes as two characters

_ADMITTED = re.compile(
    f"(?:[{_UNIFIED}][\\U000E0100-\\U000E01EF]?|{_SEMI_VOICED}|[{_KANA}{_LETTERS}{_SIGNS}{_COMPATIBILITY}])*"
)
_COMPOSABLE = re.compile(f"[^{_COMPATIBILITY}]+")
_KATAKANA = re.compile(f"(?:{_SEMI_VOICED}|[\\u30A1-\\u30FC\\u31F0-\\u31FF \\u3000])*")
_SPACES = " \u3000"


def compose(text: str) -> str:
    """Composes kana with their voicing marks and letters with their diacritics, and leaves all ideographs as they are.

    Plain NFC would also replace the compatibility ideographs by unified ones (U+FA19 by U+795E), which changes how a
    name is written; these blocks are therefore passed over.
    """
    if unicodedata.is_normalized("NFC", text):
        return text
    return _COMPOSABLE.sub(lambda run: unicodedata.normalize("NFC", run[0]), text)


@dataclass(frozen=True, slots=True, repr=False)
class _Written:
    """Text as a register holds it; subclasses fix its greatest length and its folding.

    `text` is composed, `original` is what came in; equality is that of `text`. Length counts code points.
    """

    limit: ClassVar[int]

    text: str
    original: str = field(init=False, compare=False)
    _folded: str | None = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "original", self.text)
        object.__setattr__(self, "text", compose(self.text))
        _refuse_empty_or_long(self.text, self.limit)
        self._refuse_unsupported()

    def _refuse_unsupported(self) -> None:
        _refuse_outside(_ADMITTED, self.text, "CHARACTER_UNSUPPORTED", "replace it by one of the network's characters")

    @property
    def folded(self) -> str:
        """Gives the form for comparison, computed once; never to be stored in place of `text`."""
        if self._folded is None:
            object.__setattr__(self, "_folded", self._fold())
        return self._folded  # type: ignore[return-value] # set in the line above

    def _fold(self) -> str:
        return fold(self.text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(****)"


@dataclass(frozen=True, slots=True, repr=False)
class PersonName(_Written):
    """A person's name (氏名), surname first, up to 100 characters of the network's set (住基ネット統一文字).

    Admitted are ideographs with their variation selectors, kana, Latin, Greek and Cyrillic letters, digits and the
    punctuation of names and addresses. Raises `Malformed`: TEXT_EMPTY, TEXT_TOO_LONG, TEXT_SPACE_AT_EDGE, or
    CHARACTER_UNSUPPORTED, whose advice names the position, never the character.
    """

    limit = 100


@dataclass(frozen=True, slots=True, repr=False)
class Address(_Written):
    """An address (住所), up to 200 characters of the same set and with the same refusals as a name."""

    limit = 200

    def _fold(self) -> str:
        return fold_address(self.text)


@dataclass(frozen=True, slots=True, repr=False)
class Kana(_Written):
    """A reading (フリガナ) in full-width katakana, middle dot, long-vowel mark and spaces, up to 100 characters.

    Raises `Malformed` as a name does, with KANA_NOT_KATAKANA for any other character.
    """

    limit = 100

    def _refuse_unsupported(self) -> None:
        _refuse_outside(_KATAKANA, self.text, "KANA_NOT_KATAKANA", "write the reading in full-width katakana")


def _refuse_empty_or_long(text: str, limit: int) -> None:
    if not text.strip(_SPACES):
        raise Malformed("TEXT_EMPTY", "write at least one character")
    if len(text) > limit:
        raise Malformed("TEXT_TOO_LONG", f"shorten the text to {limit} characters")
    if text[0] in _SPACES or text[-1] in _SPACES:
        raise Malformed("TEXT_SPACE_AT_EDGE", "remove the spaces before and after the text")


def _refuse_outside(admitted: re.Pattern[str], text: str, reason: str, advice: str) -> None:
    read = admitted.match(text)
    end = read.end() if read else 0
    if end != len(text):
        raise Malformed(reason, f"character {end + 1} is not admitted: {advice}")
