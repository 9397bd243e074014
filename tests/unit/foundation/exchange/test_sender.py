"""A sender's attempts: what it sends, how long it waits, and what it never does."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from services.foundation.db.refusals import RaceLost
from services.foundation.exchange.envelope import NO_HASH
from services.foundation.exchange.messages import Delivery
from services.foundation.exchange.outbox import Outbox
from services.foundation.exchange.outbox_reader import Outgoing
from services.foundation.exchange.refusals import Equivocation, SequenceGap, SignerUnknown
from services.foundation.exchange.rules import Cursor
from services.foundation.exchange.sender import IDLE_SECONDS, Sender
from services.foundation.refusals import Refusal
from services.foundation.rpc.refusals import NeighbourUnreachable
from tests.doubles.exchange import MemoryOutboxReader
from tests.streams import CITY, FixedClock, Pki, Stream

SIGNER = Pki(CITY.trust_domain).signer(CITY)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Scripted:
    """A neighbour that refuses as told, call by call, and otherwise takes everything."""

    def __init__(self, *script: Exception | None) -> None:
        self._script = list(script)
        self.position = Cursor()
        self.calls: list[tuple[int, int]] = []
        self.traceparents: list[str] = []

    async def get_position(self) -> Cursor:
        return self.position

    async def deliver(self, deliveries: Sequence[Delivery], certificates: Sequence[bytes]) -> int:
        self.calls.append((len(deliveries), len(certificates)))
        failure = self._script.pop(0) if self._script else None
        if failure is not None:
            raise failure
        self.traceparents += [each.traceparent for each in deliveries]
        self.position = Cursor(self.position.sequence + len(deliveries), hash_of(deliveries))
        return self.position.sequence


HASHES: dict[bytes, bytes] = {}


def hash_of(deliveries: Sequence[Delivery]) -> bytes:
    return HASHES[deliveries[-1].envelope]


def make(neighbour: Scripted, count: int, *, traceparent: str = "") -> Sender:
    stream, reader = Stream(SIGNER), MemoryOutboxReader()
    for _ in range(count):
        delivery = stream.add("1")
        HASHES[delivery.envelope] = stream.hash
        reader.envelopes.append(Outgoing(stream.sequence, delivery.envelope, traceparent))
        reader.hashes.append(stream.hash)
    return Sender(
        "prefecture/13",
        neighbour,
        Outbox(SIGNER),
        reader,
        FixedClock(),
        longest_pause=5.0,
        chance=random.Random(1),
    )


def equivocation() -> Refusal:
    return Equivocation("stop", CITY.name, 1, NO_HASH, NO_HASH)


async def test_at_most_two_hundred_go_at_once_and_certificates_only_with_the_first() -> None:
    neighbour = Scripted()
    sender = make(neighbour, 450)

    steps = [await sender.step() for _ in range(4)]

    assert [step.sent for step in steps] == [200, 200, 50, 0]
    assert steps[-1].pause == IDLE_SECONDS
    assert neighbour.calls == [(200, 2), (200, 0), (50, 0)]


async def test_pauses_double_up_to_the_longest_and_end_with_success() -> None:
    neighbour = Scripted(*[NeighbourUnreachable("away")] * 9)
    sender = make(neighbour, 1)

    pauses = [(await sender.step()).pause for _ in range(9)]

    for number, pause in enumerate(pauses):
        longest = min(5.0, 0.2 * 2**number)
        assert longest / 2 <= pause <= longest
    assert sender.last_failure == "NEIGHBOUR_UNREACHABLE"
    assert (await sender.step()).sent == 1
    assert sender.last_failure == ""


async def test_a_lost_race_is_passing_and_an_equivocation_waits_longest() -> None:
    sender = make(Scripted(RaceLost("again"), equivocation()), 1)

    assert (await sender.step()).pause <= 0.2
    assert (await sender.step()).pause == 5.0


async def test_a_signer_that_was_forgotten_is_introduced_again_at_once() -> None:
    neighbour = Scripted(None, SignerUnknown("show it"))
    sender = make(neighbour, 250)
    await sender.step()

    assert (await sender.step()).pause == 0.0
    assert (await sender.step()).sent == 50
    assert [certificates for _, certificates in neighbour.calls] == [2, 0, 2]


async def test_a_gap_is_answered_at_once_from_where_the_neighbour_stands_but_not_for_ever() -> None:
    sender = make(Scripted(SequenceGap("go back", expected=1), SequenceGap("go back", expected=1)), 1)

    assert (await sender.step()).pause == 0.0
    assert (await sender.step()).pause == 5.0


async def test_a_bug_shows_in_the_status_and_does_not_end_the_sending() -> None:
    sender = make(Scripted(ZeroDivisionError()), 1)

    await sender.step()

    assert sender.last_failure == "INTERNAL"
    assert (await sender.step()).sent == 1


@pytest.mark.parametrize(("traceparent", "sent"), [(TRACE, TRACE), ("", ""), ("rubbish", "")])
async def test_the_trace_of_the_act_goes_on(traceparent: str, sent: str) -> None:
    neighbour = Scripted()

    await make(neighbour, 1, traceparent=traceparent).step()

    assert neighbour.traceparents == [sent]


async def test_lag_is_told_while_something_waits() -> None:
    sender = make(Scripted(NeighbourUnreachable("away")), 1)

    await sender.step()
    (before, attributes), *_ = sender.gauge().read()
    await sender.step()
    await sender.step()
    (after, _), *_ = sender.gauge().read()

    assert before > 0
    assert (after, attributes) == (0.0, {"peer": "prefecture/13"})
