"""A private PC/SC service with virtual readers, for the tests that need the real one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from services.card.readers.monitor import look
from services.card.readers.protocol import Presence
from services.card.readers.scard import Scard
from services.card.refusals import PcscUnavailable
from services.card.virtual.pcscd import PrivatePcscd
from services.card.virtual.vpcd import VirtualSlot
from tests.cards import QuickChip
from tests.issued_cards import IssuedCard, issue_resident

InReader = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def pcscd() -> Iterator[PrivatePcscd]:
    """A pcscd with two readers of two slots; pcsc-lite reads its address once, so there is one for all tests."""
    service = PrivatePcscd(2)
    try:
        service.start()
        os.environ.update(service.environment)
        Scard().release()
    except PcscUnavailable as absent:
        pytest.skip(f"not judged here: {absent.advice}")
    yield service
    service.stop()


@pytest.fixture
def in_reader(pcscd: PrivatePcscd) -> InReader:
    """Puts a card into a slot while the block runs, and gives the reader's name."""

    @contextmanager
    def put(card: object, slot: int = 0) -> Iterator[str]:
        virtual = VirtualSlot(lambda: pcscd.connect(slot), card)  # type: ignore[arg-type]
        virtual.insert()
        try:
            name = f"Virtual {slot // 2:02} 00 {slot % 2:02}"
            wait_for(name, empty=False)
            yield name
        finally:
            virtual.remove()
            wait_for(name, empty=True)

    return put


def wait_for(reader: str, *, empty: bool, seconds: float = 5.0) -> None:
    """Waits until PC/SC sees a card in a reader, or none."""
    scard = Scard()
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = scard.status_change({reader: scard.SCARD_STATE_UNAWARE}, 0)
            if found and (look(scard, found[0]).presence is Presence.EMPTY) == empty:
                return
            time.sleep(0.02)
        raise TimeoutError(reader)
    finally:
        scard.release()


@pytest.fixture
def resident() -> IssuedCard:
    """An active resident card of a synthetic person."""
    return issue_resident(QuickChip())
