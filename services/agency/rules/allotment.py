"""How many resident codes may be allotted at once, and which."""

from __future__ import annotations

import random

from services.agency.refusals import CountOutOfRange
from services.vocabulary.resident_code import ResidentCode

LARGEST_ALLOTMENT = 10_000
_BODIES = 10**10  # ten random digits before the check digit (住民基本台帳法施行規則 art. 1)


def check_count(count: int) -> None:
    """Refuses COUNT_OUT_OF_RANGE unless `count` is 1 to 10,000."""
    if not 1 <= count <= LARGEST_ALLOTMENT:
        raise CountOutOfRange("ask for 1 to 10,000 codes", largest=LARGEST_ALLOTMENT)


def draw(count: int, source: random.Random) -> list[ResidentCode]:
    """Draws `count` different codes at random from all there are; whether they are free is for the store to say.

    `source` must be unpredictable in operation (`random.SystemRandom`), since a code must not tell its neighbours.
    """
    bodies: set[int] = set()
    while len(bodies) < count:
        bodies.add(source.randrange(_BODIES))
    return [ResidentCode.from_body(f"{body:010d}") for body in bodies]
