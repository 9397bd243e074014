"""The suite against cards in readers of the real PC/SC service, with specimen files: what a card-maker does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.card.refusals import PcscUnavailable
from services.card.virtual.pcscd import PrivatePcscd
from services.card.virtual.vpcd import VirtualSlot
from tests.conformance.card.specify import specify, take
from tests.conformance.running import judge

_FEWEST = {"blank": 35, "resident": 300, "operator": 200}
"""How many tests concern a card of the kind, at least."""


@pytest.fixture
def pcscd() -> Iterator[PrivatePcscd]:
    """A PC/SC service with a virtual reader; the suite's own process is its client."""
    pytest.importorskip("smartcard", reason="not judged behind PC/SC here: pyscard is not installed")
    service = PrivatePcscd()
    try:
        service.start()
    except PcscUnavailable as absent:
        pytest.skip(f"not judged behind PC/SC here: {absent.advice}")
    yield service
    service.stop()


@pytest.mark.parametrize("kind", _FEWEST)
def test_a_card_in_a_reader_conforms(pcscd: PrivatePcscd, tmp_path: Path, kind: str) -> None:
    specimen = specify(tmp_path, kind)
    slot = VirtualSlot(lambda: pcscd.connect(0), take(specimen))
    slot.insert()
    try:
        verdict = judge("Virtual 00 00 00", specimen, environment=pcscd.environment)
    finally:
        slot.remove()

    assert (verdict.code, verdict.failed) == (0, frozenset()), verdict.said
    assert verdict.passed >= _FEWEST[kind], verdict.said
