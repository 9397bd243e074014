"""How numbers are read that are written in kanji."""

from __future__ import annotations

_DIGITS = {"〇": 0, "零": 0} | {
    numeral: value
    for value, numerals in enumerate(("一壱壹", "二弐貳", "三参參", "四", "五伍", "六", "七", "八", "九"), start=1)
    for numeral in numerals
}
_UNITS = {"十": 10, "拾": 10, "百": 100, "千": 1000}

KANJI_NUMERALS = "".join((*_DIGITS, *_UNITS))
"""Every numeral that is read."""


def kanji_number(text: str) -> int | None:
    """Reads a number below 10,000 written with units (二十三) or by digits (二三, 一〇一); None when it is neither."""
    if not text or any(numeral not in KANJI_NUMERALS for numeral in text):
        return None
    if not any(numeral in _UNITS for numeral in text):
        return int("".join(str(_DIGITS[numeral]) for numeral in text))
    return _with_units(text)


def _with_units(text: str) -> int | None:
    total, digit, last_unit = 0, None, 10_000
    for numeral in text:
        if numeral in _DIGITS:
            if digit is not None or not _DIGITS[numeral]:
                return None
            digit = _DIGITS[numeral]
            continue
        unit = _UNITS[numeral]
        if unit >= last_unit:
            return None
        total, digit, last_unit = total + unit * (1 if digit is None else digit), None, unit
    return total + (digit or 0)
