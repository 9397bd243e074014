"""What a resident code is, and which digit checks it."""

from __future__ import annotations

from dataclasses import dataclass

from services.vocabulary.malformed import Malformed

_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
"""Weight of each body digit from the left: n + 1 for the six rightmost, n - 5 for the four before them."""


def check_digit(body: str) -> int:
    """Computes the check digit of the ten digits of `body`; raises `Malformed` when they are not ten ASCII digits.

    The sum is weighted by position, modulo 11 (Enforcement Rules of the Act, art. 1; public notice 436 of 2002).
    """
    if len(body) != 10 or not (body.isascii() and body.isdigit()):
        raise Malformed("RESIDENT_CODE_BODY_NOT_TEN_DIGITS", "give the ten digits before the check digit, half width")
    return digit_of_remainder(sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11)


def digit_of_remainder(remainder: int) -> int:
    """Turns the weighted sum's remainder (0 to 10) into the check digit.

    Remainders 0 and 1 would give 11 and 10; both are written 0, as the twin scheme of the individual number does
    (ministerial order 85 of 2014, art. 5).
    """
    return 0 if remainder <= 1 else 11 - remainder


@dataclass(frozen=True, slots=True, repr=False)
class ResidentCode:
    """A resident code (住民票コード): ten random digits and a check digit that has been verified.

    Written in ASCII digits without separators; raises `Malformed` otherwise. What the check lets through:

    - a wrong body digit passes only when it moves the remainder from 0 to 1 or back, since both are written 0;
    - two neighbouring body digits exchanged, likewise;
    - the last body digit exchanged with the check digit: always from an ending of 01, and back from 10 when the
      remainder is 1;
    - two digits exchanged that stand six places apart pass always: their weights are equal.

    A wrong check digit never passes.
    """

    digits: str

    def __post_init__(self) -> None:
        digits = self.digits
        if len(digits) != 11 or not (digits.isascii() and digits.isdigit()):
            raise Malformed("RESIDENT_CODE_NOT_ELEVEN_DIGITS", "give eleven half-width digits without separators")
        if int(digits[-1]) != check_digit(digits[:-1]):
            raise Malformed("RESIDENT_CODE_CHECK_DIGIT", "a digit is wrong: compare the code with the document")

    @classmethod
    def from_body(cls, ten_digits: str) -> ResidentCode:
        """Completes the ten drawn digits with their check digit."""
        return cls(f"{ten_digits}{check_digit(ten_digits)}")

    def __repr__(self) -> str:
        return "ResidentCode(***********)"
