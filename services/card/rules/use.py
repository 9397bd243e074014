"""When a card may be used, and what may be asked of it."""

from __future__ import annotations

from services.card.refusals import (
    CardBlank,
    CardNotOurs,
    CardRecalled,
    CardTerminated,
    ChallengeLength,
    DigestLength,
    FileOutOfRange,
    PinRuleOutOfRange,
    QuotaOutOfRange,
    ServiceNumberOutOfRange,
)
from services.card.rules.issuing import Life
from services.card.rules.profile import KeyName

DIGEST_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}
MEMORY = 32_768
"""Octets that the own services of a card share."""
PART_LIMIT = 4_096
"""Most octets of a file that are read or written at a time."""
_FILE_LIMIT = MEMORY - 32  # a file counts its size and 32 octets
_KEPT_FILES = (0x0018, 0x3F00)


def check_not_ended(life: Life) -> None:
    """Refuses CARD_TERMINATED: such a card does not even tell its number."""
    if life is Life.TERMINATED:
        raise CardTerminated("keep the card: it has been ended")


def check_issued(life: Life) -> None:
    """Refuses CARD_BLANK: a session with such a card is of no use."""
    if life is Life.ISSUED:
        raise CardBlank("issue the card first")


def check_ours(issuer: str, own: str) -> None:
    """Refuses CARD_NOT_OURS: the issuer's keys open no other municipality's card."""
    if issuer != own:
        raise CardNotOurs("have the municipality that issued the card do it", issuer=issuer)


def check_not_recalled(*, recalled: bool) -> None:
    """Refuses CARD_RECALLED."""
    if recalled:
        raise CardRecalled("keep the card, and issue another")


def check_digest(key: KeyName, algorithm: str, digest: bytes) -> None:
    """Refuses DIGEST_LENGTH: an operator's key signs SHA-256 only."""
    if len(digest) != DIGEST_SIZES[algorithm] or (key is KeyName.OPERATOR and algorithm != "sha256"):
        raise DigestLength("give the whole digest, of an algorithm that the key signs", size=len(digest))


def check_challenge(challenge: bytes) -> None:
    """Refuses CHALLENGE_LENGTH."""
    if not 16 <= len(challenge) <= 64:
        raise ChallengeLength("give 16 to 64 random octets", size=len(challenge))


def check_service(number: int) -> None:
    """Refuses SERVICE_NUMBER_OUT_OF_RANGE."""
    if not 1 <= number <= 0xFFFF:
        raise ServiceNumberOutOfRange("give the number that the municipality gave the service, 1 to 65,535")


def check_quota(quota: int) -> None:
    """Refuses QUOTA_OUT_OF_RANGE."""
    if not 1 <= quota <= MEMORY:
        raise QuotaOutOfRange("give a quota of 1 to 32,768 octets", limit=MEMORY)


def check_pin_rule(minimum: int, maximum: int, tries: int) -> None:
    """Refuses PIN_RULE_OUT_OF_RANGE."""
    if not (1 <= minimum <= maximum <= 16 and 1 <= tries <= 15):
        raise PinRuleOutOfRange("ask for 1 to 16 characters and 1 to 15 tries")


def check_file(file: int) -> None:
    """Refuses FILE_OUT_OF_RANGE for numbers that the card keeps for itself."""
    if not 1 <= file <= 0xFFFE or file in _KEPT_FILES:
        raise FileOutOfRange("give a number from 1 to 65,534 that the card does not keep", field="file")


def check_file_size(size: int) -> None:
    """Refuses FILE_OUT_OF_RANGE."""
    if not 1 <= size <= _FILE_LIMIT:
        raise FileOutOfRange("give a size of 1 to 32,736 octets", field="size")


def check_part(offset: int, size: int) -> None:
    """Refuses FILE_OUT_OF_RANGE for a part that no file has, or too large to be read or written at a time."""
    if offset < 0 or offset + size > _FILE_LIMIT:
        raise FileOutOfRange("stay within the file", field="offset")
    if not 1 <= size <= PART_LIMIT:
        raise FileOutOfRange("read or write 1 to 4,096 octets at a time", field="size")
