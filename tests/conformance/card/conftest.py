"""The card that the suite judges, and what each test is given of it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.card.terminal.applications import JPKI_AID
from services.foundation.refusals import Refusal
from tests.conformance.card.card import Card, Service
from tests.conformance.card.life import Life
from tests.conformance.card.links import SIMULATOR, Link, open_link
from tests.conformance.card.specify import specify
from tests.conformance.card.specimen import load
from tests.conformance.card.terminal import Terminal

_SOFTWARE = f"{SIMULATOR}tests.conformance.card.specify:take"
_SECTION = re.compile(r"::test_(\d)(?:_(\d))?_")

Take = Callable[[str], Card]


@pytest.fixture(scope="session")
def take(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Take]:
    """Gives the card of a kind: that in the reader which the environment names, or a software card for each kind."""
    reader, given = os.environ.get("JUKI_CARD_READER", _SOFTWARE), os.environ.get("JUKI_CARD_SPECIMEN")
    if reader != _SOFTWARE and given is None:
        pytest.exit("JUKI_CARD_READER asks for JUKI_CARD_SPECIMEN: see tests/conformance/README.md", 4)
    state = tmp_path_factory.mktemp("software-cards")
    cards: dict[str, Card] = {}

    def of(kind: str) -> Card:
        path = Path(given) if given else None
        if path is not None and load(path).kind != kind:
            pytest.skip(f"this needs a card of kind {kind}: JUKI_CARD_SPECIMEN describes another")
        if kind not in cards:
            path = path or specify(state, kind)
            cards[kind] = Card(load(path), _open(reader, path))
        return cards[kind]

    yield of
    for card in cards.values():
        card.link.release()


@pytest.fixture
def resident(take: Take) -> Card:
    """An active resident card, freshly reset."""
    return _reset(take("resident"))


@pytest.fixture
def operator(take: Take) -> Card:
    """An active operator card, freshly reset."""
    return _reset(take("operator"))


@pytest.fixture
def card(take: Take) -> Card:
    """Any active card, freshly reset."""
    given = os.environ.get("JUKI_CARD_SPECIMEN")
    kind = load(Path(given)).kind if given else "resident"
    return _reset(take("resident" if kind == "blank" else kind))


@pytest.fixture
def expendable(card: Card) -> Card:
    """An active card that may be locked, and whose keys and PINs may be tried to the end."""
    if not card.specimen.is_expendable:
        pytest.skip("this may damage the card: declare it expendable in its specimen file")
    return card


@pytest.fixture
def terminal(card: Card) -> Terminal:
    """The basic channel of a card that was just reset: the security domain is selected."""
    return card.fresh()


@pytest.fixture
def jpki(resident: Card) -> Terminal:
    """The basic channel of a resident card with the JPKI application selected."""
    return resident.fresh().select(JPKI_AID)


@pytest.fixture
def service(card: Card) -> Iterator[Service]:
    """An own service, installed for the test."""
    yield from _installed(card, 0xFF01)


@pytest.fixture
def neighbour(card: Card) -> Iterator[Service]:
    """Another own service on the same card."""
    yield from _installed(card, 0xFF02)


@pytest.fixture(scope="session")
def life(take: Take) -> Life:
    """The life of a blank card, from production to termination, lived once; tests look at what it answered."""
    blank = take("blank")
    if not blank.specimen.is_expendable:
        pytest.skip("this uses the card up: declare it expendable in its specimen file")
    return Life(blank)


def _open(reader: str, path: Path) -> Link:
    """Opens the card; without one there is nothing to judge."""
    try:
        link = open_link(reader, path)
        link.reset()
    except Refusal as refusal:
        pytest.exit(f"{refusal.reason}: {refusal.advice}", 4)
    return link


def _reset(card: Card) -> Card:
    card.link.reset()
    return card


def _installed(card: Card, number: int) -> Iterator[Service]:
    service = card.install(number)
    card.link.reset()
    yield service
    card.remove(service.aid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints how many tests of each section of the specification passed, when the suite ran alone."""
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            found = _SECTION.search(report.nodeid)
            if found is None:
                return
            section = ".".join(part for part in found.groups() if part)
            counts.setdefault(section, Counter())[outcome] += 1
    if not counts:
        return
    terminalreporter.section("docs/specs/card.md, by section")
    for section in sorted(counts):
        terminalreporter.line(f"  {section:<5}" + ", ".join(f"{n} {name}" for name, n in counts[section].items()))
