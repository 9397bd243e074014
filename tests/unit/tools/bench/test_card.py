"""The card's bench counts what it says, and divides neighbours of the same round."""

from __future__ import annotations

import pytest

from services.card.apdu import Command
from tests.cards import QuickChip
from tests.doubles.cards import EchoCard
from tests.issued_cards import CardChannel, issue_resident
from tools.bench.card import Kind, WrongAnswer, count, kinds, result


def test_each_kind_is_done_on_a_real_card() -> None:
    issued = issue_resident(QuickChip())
    issued.card.power_on()
    channel = CardChannel(issued.card)

    rates = {kind.name: count(kind, channel, 0.01) for kind in kinds(issued, "here")}

    assert set(rates) == {"command, here", "SCP03, here", "SCP11a, here", "signature, here"}
    assert all(rate > 0 for rate in rates.values())


def test_a_card_that_does_not_do_its_work_is_not_counted() -> None:
    issued = issue_resident(QuickChip())
    issued.card.power_off()
    issued.card.power_on()
    channel = CardChannel(issued.card)
    command = next(kind for kind in kinds(issued, "here") if kind.name == "command, here")
    work = command.prepare(channel)
    channel.transmit(Command(0x00, 0xA4, 0x04, 0x0C, bytes.fromhex("A000000151000000")))

    with pytest.raises(WrongAnswer):
        work()


def test_ratios_are_taken_round_by_round() -> None:
    found = {"signature, in process": [50.0, 90.0, 30.0], "signature, cryptography": [100.0, 100.0, 60.0]}

    (ratio,) = result(found)["ratios"].values()

    assert ratio == {"median": 0.5, "least": 0.5, "most": 0.9}


def test_a_count_is_a_rate() -> None:
    done: list[int] = []
    rate = count(Kind("any", lambda _: lambda: done.append(1)), EchoChannel(), 0.02)

    assert rate == pytest.approx(len(done) / 0.02, rel=0.5)


class EchoChannel(CardChannel):
    def __init__(self) -> None:
        super().__init__(EchoCard())  # type: ignore[arg-type]
