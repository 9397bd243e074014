"""How the four attributes of a person are compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from services.vocabulary.civil_date import CivilDate
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, PersonName


class Verdict(Enum):
    """What the comparison of one attribute found."""

    SAME = "SAME"
    """Identical as written."""
    SAME_FOLDED = "SAME_FOLDED"
    """Equal once width, variant characters and spacing are disregarded."""
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True, repr=False)
class FourAttributes:
    """The four attributes (4情報) that identify a person: name, date of birth, sex and address."""

    name: PersonName
    birth_date: CivilDate
    sex: Sex
    address: Address

    def __repr__(self) -> str:
        return "FourAttributes(****)"


@dataclass(frozen=True, slots=True)
class AttributeComparison:
    """The verdict on each of the four attributes; it tells nothing of their values."""

    name: Verdict
    birth_date: Verdict
    sex: Verdict
    address: Verdict

    @property
    def all_match(self) -> bool:
        """True when no attribute differs."""
        return Verdict.DIFFERENT not in (self.name, self.birth_date, self.sex, self.address)

    @property
    def all_same(self) -> bool:
        """True when every attribute is identical as written."""
        return self.name is self.birth_date is self.sex is self.address is Verdict.SAME


def compare(asked: FourAttributes, held: FourAttributes) -> AttributeComparison:
    """Compares what is `asked` with what is `held`, attribute by attribute.

    Date of birth and sex have no folding: they are the same or they differ.
    """
    return AttributeComparison(
        name=_text(asked.name, held.name),
        birth_date=Verdict.SAME if asked.birth_date.matches(held.birth_date) else Verdict.DIFFERENT,
        sex=Verdict.SAME if asked.sex is held.sex else Verdict.DIFFERENT,
        address=_text(asked.address, held.address),
    )


def _text(asked: PersonName | Address, held: PersonName | Address) -> Verdict:
    if asked == held:
        return Verdict.SAME
    return Verdict.SAME_FOLDED if asked.folded == held.folded else Verdict.DIFFERENT
