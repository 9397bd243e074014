"""How the register writes sex."""

from __future__ import annotations

from enum import IntEnum

from services.vocabulary.malformed import Malformed


class Sex(IntEnum):
    """Sex (性別) as the network's certificates code it after JIS X 0303: 1, 2, or 9 when it is not known."""

    MALE = 1
    """男"""
    FEMALE = 2
    """女"""
    UNKNOWN = 9
    """不明"""

    @classmethod
    def of(cls, number: int) -> Sex:
        """Reads the code 1, 2 or 9; raises `Malformed` with SEX_CODE_UNKNOWN for any other."""
        try:
            return cls(number)
        except ValueError:
            raise Malformed("SEX_CODE_UNKNOWN", "give 1 for male, 2 for female or 9 for not known") from None

    @property
    def japanese(self) -> str:
        """Gives the word the certificate prints: 男, 女 or 不明."""
        return _JAPANESE[self]


_JAPANESE = {Sex.MALE: "男", Sex.FEMALE: "女", Sex.UNKNOWN: "不明"}
