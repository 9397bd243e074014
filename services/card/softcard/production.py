"""How a blank card comes into being: no application, nobody's, with transport keys of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.card.securechannel import StaticKeys
from services.card.softcard.keys import KeyStore
from services.card.softcard.lifecycle import State
from services.card.softcard.memory import Area, Memory, Storage
from services.card.softcard.registry import DOMAIN, SYSTEM
from services.card.softcard.session import CardDate
from services.card.softcard.terminals import EPOCH

NUMBER_SIZE = 10
"""Octets of a card number; it is also what keys are diversified by."""


@dataclass(frozen=True, slots=True, repr=False)
class Production:
    """What a blank card leaves production with: its number, its transport keys, and the day on which it is made.

    The issuer replaces the transport keys; there are no default ones, so whoever makes cards chooses a set for each.
    The day is where the card's date begins. Raises ValueError for a number that has not ten octets or a key version
    that is not 1 to 127.
    """

    number: bytes
    keys: StaticKeys
    key_version: int = 1
    made_at: datetime = EPOCH

    def __post_init__(self) -> None:
        if len(self.number) != NUMBER_SIZE or not 0x01 <= self.key_version <= 0x7F:
            raise ValueError("a card number has ten octets, and a key version is 1 to 127")


class _Unwritten:
    """A storage before its first content."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def load(self) -> bytes:
        return b""

    def save(self, content: bytes) -> None:
        self._storage.save(content)


def produce(storage: Storage, production: Production) -> None:
    """Makes a blank card in the storage, replacing whatever is there; raises `MemoryFault`."""
    memory = Memory(_Unwritten(storage))
    domain = Area(memory, DOMAIN)
    Area(memory, SYSTEM).put("state", bytes((State.ISSUED,)))
    domain.put("number", production.number)
    CardDate(domain).advance(production.made_at)
    KeyStore(domain).put_key_set(production.key_version, production.keys)
    memory.commit()
