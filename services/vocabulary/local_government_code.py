"""What a local government code is, and which digit checks it."""

from __future__ import annotations

from dataclasses import dataclass

from services.vocabulary.malformed import Malformed

_WEIGHTS = (6, 5, 4, 3, 2)


def local_check_digit(body: str) -> int:
    """Computes the check digit of the five digits of `body`; raises `Malformed` when they are not five ASCII digits.

    The sum is weighted by position, modulo 11; the digit is the last one of 11 less the remainder.
    """
    if len(body) != 5 or not (body.isascii() and body.isdigit()):
        raise Malformed("LOCAL_GOVERNMENT_CODE_BODY_NOT_FIVE_DIGITS", "give the five digits before the check digit")
    return (11 - sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11) % 10


@dataclass(frozen=True, slots=True, order=True)
class LocalGovernmentCode:
    """A local government code (全国地方公共団体コード): prefecture, municipality and a verified check digit.

    Six ASCII digits: two of JIS X 0401, three of JIS X 0402, one check digit; raises `Malformed` otherwise. That such a
    body exists on a day is asked of the directory, not of this type.
    """

    digits: str

    def __post_init__(self) -> None:
        digits = self.digits
        if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
            raise Malformed("LOCAL_GOVERNMENT_CODE_NOT_SIX_DIGITS", "give six half-width digits, check digit included")
        if not 1 <= int(digits[:2]) <= 47:
            raise Malformed("LOCAL_GOVERNMENT_CODE_PREFECTURE", "the first two digits are a prefecture, 01 to 47")
        if int(digits[-1]) != local_check_digit(digits[:-1]):
            raise Malformed("LOCAL_GOVERNMENT_CODE_CHECK_DIGIT", "a digit is wrong: look the code up in the directory")

    @classmethod
    def from_body(cls, five_digits: str) -> LocalGovernmentCode:
        """Completes the five digits of JIS X 0401 and 0402 with their check digit."""
        return cls(f"{five_digits}{local_check_digit(five_digits)}")

    @property
    def prefecture(self) -> str:
        """Two digits of the prefecture (JIS X 0401)."""
        return self.digits[:2]

    @property
    def is_prefecture(self) -> bool:
        """True for the code of a prefecture itself."""
        return self.digits[2:5] == "000"

    def __str__(self) -> str:
        return self.digits
