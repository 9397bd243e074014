"""Whatever order three municipalities' streams arrive in, the same state comes out and nothing stays held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.confirmation.applying import WAITING
from services.confirmation.refusals import ChangeRefused
from services.confirmation.rules.ledger import Ledger
from services.confirmation.rules.record import ReportedChange, State
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from tests.unit.confirmation.makers import CHIYODA, HACHIOJI, NOW, YOKOHAMA, attributes, change, code

PLACES = (CHIYODA, HACHIOJI, YOKOHAMA)


@dataclass
class Federation:
    """Receives changes as the exchange does: a refused one stops its line until the key that it waits for opens."""

    ledger: Ledger = field(default_factory=lambda: Ledger({}, {}))
    held: list[tuple[str, ReportedChange, str]] = field(default_factory=list)
    """Sender, change, and the code waited for; empty for what only stands behind another."""

    def receive(self, sender: str, reported: ReportedChange) -> None:
        if any(other == sender and waiting.about == reported.about for other, waiting, _ in self.held):
            self.held.append((sender, reported, ""))
        else:
            self._try(sender, reported, len(self.held))

    def _try(self, sender: str, reported: ReportedChange, place: int) -> None:
        try:
            settled = self.ledger.apply(reported, sender, NOW)
        except WAITING:
            self.held.insert(place, (sender, reported, self.ledger.present(reported.about)))
            return
        self._release_line(sender, reported.about)
        if settled.opens:
            for key in sorted({settled.record.resident_code, settled.renamed_from} - {""}):
                self._retry(key)

    def _release_line(self, sender: str, about: str) -> None:
        for place, (other, waiting, key) in enumerate(self.held):
            if other == sender and waiting.about == about and not key:
                del self.held[place]
                self._try(other, waiting, place)
                return

    def _retry(self, key: str) -> None:
        for one in [one for one in self.held if one[2] == key]:
            if one in self.held:  # what was released meanwhile is not tried twice
                place = self.held.index(one)
                del self.held[place]
                self._try(one[0], one[1], place)


def state_of(federation: Federation) -> object:
    ledger = federation.ledger
    history = Counter((row.resident_code, row.reason, row.event_date) for row in ledger.rows)
    formers = {code: pairs for code, pairs in ledger.formers.items() if pairs}
    return ledger.records, ledger.aliases, formers, history


def received(stream: Iterable[ReportedChange]) -> Federation:
    federation = Federation()
    for reported in stream:
        federation.receive(reported.municipality.digits, reported)
    return federation


@st.composite
def lives(draw: st.DrawFn) -> list[ReportedChange]:
    """The changes of one resident in the order in which they happened, at three municipalities."""
    story = Story(draw(st.sampled_from(PLACES)))
    stays = draw(st.integers(1, 5))
    for stay in range(stays):
        story.enter(first=stay == 0 and draw(st.booleans()))
        for _ in range(draw(st.integers(0, 3))):
            draw(st.sampled_from([story.relocate, story.rename, story.change_code, story.leave_and_return]))()
        if stay < stays - 1:
            destination = draw(st.sampled_from([place for place in PLACES if place != story.municipality]))
            story.move(destination, by_notice=draw(st.booleans()))
    end = draw(st.sampled_from([None, ChangeReason.MOVE_OUT, ChangeReason.DEATH, ChangeReason.REMOVAL_BY_OFFICE]))
    if end is not None:
        story.report(end)
    return story.changes


class Story:
    """Reports of one resident, minute by minute."""

    def __init__(self, municipality: str) -> None:
        self.changes: list[ReportedChange] = []
        self.municipality = municipality
        self.code = code()
        self.held = attributes()
        self.counter = 0
        self.entered_by_notice = False

    def report(
        self,
        reason: ChangeReason,
        *,
        municipality: str = "",
        former_code: str | None = None,
        held: FourAttributes | None = None,
    ) -> None:
        self.counter += 1
        self.changes.append(
            change(
                reason,
                municipality or self.municipality,
                minutes=self.counter,
                about=self.code,
                former_code=former_code,
                held=held or self.held,
            )
        )

    def enter(self, *, first: bool) -> None:
        if self.entered_by_notice:
            self.entered_by_notice = False
            return
        self.report(ChangeReason.BIRTH if first else ChangeReason.MOVE_IN)

    def relocate(self) -> None:
        self.counter += 1
        self.held = attributes(name=self.held.name.text, address=f"{self.municipality} 試験町{self.counter}番地")
        self.report(ChangeReason.RELOCATION)

    def rename(self) -> None:
        self.counter += 1
        self.held = attributes(name=f"試験 {self.counter}子", address=self.held.address.text)
        self.report(ChangeReason.NAME_CHANGE)

    def change_code(self) -> None:
        former, self.code = self.code, code(self.counter + 100)
        self.report(ChangeReason.CODE_CHANGE_REQUESTED, former_code=former)

    def leave_and_return(self) -> None:
        self.report(ChangeReason.MOVE_OUT)
        self.report(ChangeReason.EVENT_CANCELLED_RESTORING)

    def move(self, destination: str, *, by_notice: bool) -> None:
        """Goes to another municipality; by notice it is entered there before the former one closes its record."""
        origin, before = self.municipality, self.held
        self.municipality = destination
        self.counter += 1
        self.held = attributes(name=before.name.text, address=f"{self.municipality} 新町{self.counter}番地")
        if by_notice:
            self.report(ChangeReason.MOVE_IN)
        self.report(ChangeReason.MOVE_OUT, municipality=origin, held=before)
        self.entered_by_notice = by_notice


def interleaved(changes: Sequence[ReportedChange], turns: Sequence[str]) -> list[ReportedChange]:
    streams = {name: [one for one in changes if one.municipality.digits == name] for name in PLACES}
    rest = (place for place in PLACES for _ in changes)
    return [streams[turn].pop(0) for turn in (*turns, *rest) if streams[turn]]


@settings(max_examples=500)
@given(lives(), st.data())
def test_any_interleaving_of_three_streams_gives_the_same_state(
    changes: list[ReportedChange], data: st.DataObject
) -> None:
    runs = data.draw(st.lists(st.tuples(st.sampled_from(PLACES), st.integers(1, len(changes))), max_size=len(changes)))
    turns = [place for place, length in runs for _ in range(length)]

    expected = received(changes)
    seen = received(interleaved(changes, turns))

    assert (expected.held, seen.held) == ([], [])
    assert state_of(seen) == state_of(expected)


def test_a_change_of_code_joins_a_former_stay_to_a_later_one_at_the_same_municipality() -> None:
    story = Story(CHIYODA)
    for destination, changes_code in ((YOKOHAMA, False), (HACHIOJI, False), (CHIYODA, True), (HACHIOJI, True)):
        story.enter(first=False)
        if changes_code:
            story.change_code()
        story.move(destination, by_notice=False)
    story.enter(first=False)
    # What the second of the three sends of the departure comes last, so the third's first stay is held until then.
    turns = [*[CHIYODA] * 9, YOKOHAMA, *[HACHIOJI] * 9, YOKOHAMA]

    seen = received(interleaved(story.changes, turns))

    assert seen.held == []
    assert state_of(seen) == state_of(received(story.changes))
    (record,) = seen.ledger.records.values()
    assert (record.municipality_code, record.state, record.open_elsewhere) == (HACHIOJI, State.LIVE, frozenset())


@given(lives())
def test_whoever_reported_last_has_the_resident(changes: list[ReportedChange]) -> None:
    federation = received(changes)

    (record,) = federation.ledger.records.values()
    entries = [one for one in changes if one.reason in (ChangeReason.BIRTH, ChangeReason.MOVE_IN)]
    assert record.municipality_code == entries[-1].municipality.digits
    assert record.open_elsewhere == frozenset()


def test_an_entry_waits_for_the_departure_and_for_nothing_else() -> None:
    federation = received([change(ChangeReason.BIRTH), change(ChangeReason.MOVE_IN, HACHIOJI, minutes=1)])
    federation.receive(CHIYODA, change(ChangeReason.RELOCATION, minutes=2))
    assert len(federation.held) == 1

    federation.receive(CHIYODA, change(ChangeReason.MOVE_OUT, minutes=3))

    assert federation.held == []
    assert federation.ledger.records[code()].municipality_code == HACHIOJI


def test_a_refused_change_leaves_no_trace() -> None:
    federation = received([change(ChangeReason.BIRTH)])
    before = state_of(federation)

    with pytest.raises(ChangeRefused) as refused:
        federation.ledger.apply(change(ChangeReason.DEATH, HACHIOJI, minutes=1), HACHIOJI, NOW)

    assert refused.value.reason == "CHANGE_OF_ANOTHER_MUNICIPALITY"
    assert state_of(federation) == before
