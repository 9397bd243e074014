"""What a card is to hold, and which PINs it therefore has."""

from __future__ import annotations

import calendar
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import Enum

from services.card.refusals import CardExpired, PhotographMalformed, PinMissing
from services.vocabulary.resident_code import ResidentCode

LONGEST_YEARS = 10
"""How long a resident card is good (住民基本台帳カード, ten years)."""
PHOTOGRAPH_LIMIT = 12_288
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"


class PinName(Enum):
    """A PIN of a card; docs/specs/card.md, section 6."""

    JUKI_NET = "juki_net"
    AUTHENTICATION = "authentication"
    SIGNATURE = "signature"
    OPERATOR = "operator"


class KeyName(Enum):
    """A key pair of a card, with the PIN that lets it sign."""

    AUTHENTICATION = PinName.AUTHENTICATION
    SIGNATURE = PinName.SIGNATURE
    OPERATOR = PinName.OPERATOR


class CertificateName(Enum):
    """A certificate of a card: the pair that it is about, and whether it is of its authority."""

    AUTHENTICATION = (KeyName.AUTHENTICATION, False)
    AUTHENTICATION_AUTHORITY = (KeyName.AUTHENTICATION, True)
    SIGNATURE = (KeyName.SIGNATURE, False)
    SIGNATURE_AUTHORITY = (KeyName.SIGNATURE, True)
    OPERATOR = (KeyName.OPERATOR, False)


@dataclass(frozen=True, slots=True, repr=False)
class ResidentCard:
    """What a resident's card is to hold; its `repr` tells nothing of the resident."""

    code: ResidentCode
    expires_on: date
    photograph: bytes
    jpki: bool

    @property
    def pins(self) -> frozenset[PinName]:
        """The PINs that the card has."""
        jpki = {PinName.AUTHENTICATION, PinName.SIGNATURE} if self.jpki else set()
        return frozenset({PinName.JUKI_NET, *jpki})


@dataclass(frozen=True, slots=True)
class OperatorCard:
    """An operator's card: it holds a key pair, a certificate and a PIN."""

    @property
    def pins(self) -> frozenset[PinName]:
        """The PINs that the card has."""
        return frozenset({PinName.OPERATOR})


Profile = ResidentCard | OperatorCard


def check_profile(profile: Profile, today: date) -> None:
    """Refuses CARD_EXPIRED and PHOTOGRAPH_MALFORMED for what no card may hold."""
    if isinstance(profile, OperatorCard):
        return
    if not today <= profile.expires_on <= years_after(today, LONGEST_YEARS):
        raise CardExpired("give a last day from today to ten years ahead", years=LONGEST_YEARS)
    photograph = profile.photograph
    is_jpeg = photograph.startswith(_JPEG_START) and photograph.endswith(_JPEG_END)
    if photograph and (len(photograph) > PHOTOGRAPH_LIMIT or not is_jpeg):
        raise PhotographMalformed("give a whole JPEG of at most 12,288 octets, or none", limit=PHOTOGRAPH_LIMIT)


def check_pins(card: Collection[PinName], given: Collection[PinName]) -> None:
    """Refuses PIN_MISSING unless exactly the PINs that the card has are given."""
    for pin in PinName:
        if (pin in card) != (pin in given):
            raise PinMissing("give one value for each PIN that the card has, and no other", pin=pin.value)


def years_after(day: date, years: int) -> date:
    """Returns the same day of a later year; the 28th for a 29th of February that the year does not have."""
    year = day.year + years
    return day.replace(year=year, day=min(day.day, calendar.monthrange(year, day.month)[1]))
