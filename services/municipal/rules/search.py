"""What a search of the register must give, and what it may leave open."""

from __future__ import annotations

from dataclasses import dataclass

from services.municipal import refusals
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Search:
    """What is looked for; texts are folded, and match from their beginning."""

    code: ResidentCode | None = None
    """Present or former code."""
    name: str = ""
    """Beginning of the name, or of its reading."""
    born: CivilDate | None = None
    """Date of birth; only the parts that are given count."""
    sex: Sex | None = None
    address: str = ""
    include_removed: bool = False

    def __repr__(self) -> str:
        return "Search(****)"


def check_narrow(search: Search) -> None:
    """Refuses SEARCH_TOO_WIDE unless a code, a name, or an address with something else narrows the search."""
    by_address = search.address and (search.born is not None or search.sex is not None)
    if not (search.code or search.name or by_address):
        raise refusals.SearchTooWide("give a code, a name, or an address with a date of birth or a sex")
