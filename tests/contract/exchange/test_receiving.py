"""What a receiving node promises, whatever keeps its state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.foundation.exchange.envelope import NO_HASH
from services.foundation.exchange.messages import Delivery
from services.foundation.exchange.refusals import (
    BatchTooLarge,
    EnvelopeNotHeld,
    Equivocation,
    HashLinkBroken,
    SenderMismatch,
    SequenceGap,
    SignatureInvalid,
    SignerUnknown,
)
from tests.contract.exchange.conftest import PKI
from tests.doubles.receiving import Receiving
from tests.streams import CITY, NOW, OTHER, PREFECTURE, TOWN, FixedClock, Stream, forged


async def send(node: Receiving, stream: Stream, *deliveries: Delivery) -> tuple[int, list[tuple[int, str]]]:
    """Returns how far the stream is received and what of the call is held."""
    sender = {each.name: each for each in (CITY, TOWN, PREFECTURE, OTHER)}[stream.signer.sender]
    result = await node.receive(sender, deliveries, stream.signer.certificates)
    return result.cursor.sequence, [(held.sequence, held.reason) for held in result.held]


async def test_envelopes_are_applied_in_order_each_once(node: Receiving, city: Stream) -> None:
    first, second, third = (city.add("1", note) for note in "abc")

    assert await send(node, city, first, second) == (2, [])
    assert await send(node, city, first, second, third) == (3, [])

    assert node.tier.applied == [("1", "a"), ("1", "b"), ("1", "c")]


async def test_an_envelope_twice_in_one_call_is_applied_once(node: Receiving, city: Stream) -> None:
    first = city.add("1", "a")

    await send(node, city, first, first)

    assert node.tier.applied == [("1", "a")]


async def test_different_lines_are_applied_together_and_one_line_in_order(node: Receiving, city: Stream) -> None:
    await send(node, city, *(city.add(code) for code in "12345"), city.add("5"), city.add("1"))

    assert node.tier.calls == [5, 2]


async def test_an_empty_call_changes_nothing(node: Receiving, city: Stream) -> None:
    assert await send(node, city) == (0, [])


async def test_a_gap_is_refused_and_leaves_nothing(node: Receiving, city: Stream) -> None:
    first, _, third = (city.add("1", note) for note in "abc")

    with pytest.raises(SequenceGap) as refused:
        await send(node, city, first, third)

    assert refused.value.facts["expected"] == "2"
    assert await send(node, city) == (0, [])


async def test_a_broken_link_is_refused(node: Receiving, city: Stream) -> None:
    await send(node, city, city.add("1", "a"))
    city.hash = NO_HASH

    with pytest.raises(HashLinkBroken):
        await send(node, city, city.add("1", "b"))


async def test_another_body_at_a_received_place_is_an_equivocation(node: Receiving, city: Stream) -> None:
    await send(node, city, city.add("1", "a"))
    city.sequence, city.hash = 0, NO_HASH

    with pytest.raises(Equivocation) as refused:
        await send(node, city, city.add("1", "b"))

    assert refused.value.evidence.sequence == 1


async def test_a_forged_signature_is_refused(node: Receiving, city: Stream) -> None:
    with pytest.raises(SignatureInvalid):
        await send(node, city, forged(city.add("1")))

    assert node.tier.applied == []


async def test_anothers_stream_is_refused(node: Receiving, city: Stream) -> None:
    with pytest.raises(SenderMismatch):
        await node.receive(TOWN, [city.add("1")], city.signer.certificates)


async def test_a_key_that_nobody_introduced_is_refused_by_its_hash(node: Receiving, city: Stream) -> None:
    with pytest.raises(SignerUnknown) as refused:
        await node.receive(CITY, [city.add("1")])

    assert refused.value.facts["signer"] == city.signer.signer_hash.hex()


async def test_more_than_five_hundred_at_once_are_refused(node: Receiving, city: Stream) -> None:
    with pytest.raises(BatchTooLarge):
        await send(node, city, *[city.add("1")] * 501)


async def test_a_refused_envelope_holds_back_its_line_alone(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": ""}

    held = await send(node, city, city.add("1", "a"), city.add("2"), city.add("1", "b"), city.add("3"))

    assert held == (4, [(1, "NOT_YET"), (3, "BEHIND_QUARANTINED")])
    assert node.tier.applied == [("2", ""), ("3", "")]


async def test_a_line_stays_held_in_later_calls(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": ""}
    await send(node, city, city.add("1", "a"))

    assert await send(node, city, city.add("1", "b")) == (2, [(2, "BEHIND_QUARANTINED")])


async def test_lines_of_two_senders_do_not_hold_each_other(node: Receiving, city: Stream, town: Stream) -> None:
    node.tier.refused = {"1": ""}
    await send(node, city, city.add("1", "a"))
    node.tier.refused = {}

    assert await send(node, town, town.add("1", "b")) == (1, [])


async def test_a_retry_applies_the_line_in_order(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": ""}
    await send(node, city, city.add("1", "a"), city.add("1", "b"), city.add("1", "c"))
    node.tier.refused = {}

    result = await node.retry(CITY, 2)

    assert (len(result.applied), result.held) == (3, ())
    assert node.tier.applied == [("1", "a"), ("1", "b"), ("1", "c")]


async def test_a_retry_that_is_refused_again_leaves_the_line_held(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": ""}
    await send(node, city, city.add("1", "a"), city.add("1", "b"))

    result = await node.retry(CITY, 1)

    assert [(held.sequence, held.reason) for held in result.held] == [(1, "NOT_YET"), (2, "BEHIND_QUARANTINED")]


async def test_what_is_not_held_cannot_be_retried(node: Receiving, city: Stream) -> None:
    await send(node, city, city.add("1"))

    for sequence in (1, 2):
        with pytest.raises(EnvelopeNotHeld):
            await node.retry(CITY, sequence)


async def test_a_correction_takes_the_place_of_what_it_supersedes(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": ""}
    await send(node, city, city.add("1", "wrong"), city.add("1", "b"))
    node.tier.refused = {}

    await send(node, city, city.add("1", "right", supersedes=1))

    assert node.tier.applied == [("1", "right"), ("1", "b")]
    assert await node.state_of(CITY, 1) == "SUPERSEDED SUPERSEDED"
    assert await node.state_of(CITY, 3) == "APPLIED"


async def test_a_correction_in_the_same_call_takes_its_place_too(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": "", "2": ""}
    wrong, behind = city.add("1", "wrong"), city.add("1", "b")
    right, after = city.add("3", "right", supersedes=1), city.add("3", "c")

    await send(node, city, wrong, behind, right, after)

    assert node.tier.applied == [("3", "right"), ("3", "c")]
    assert await node.state_of(CITY, 2) == "QUARANTINED NOT_YET"


async def test_a_correction_that_is_refused_is_quarantined_in_its_place(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": ""}
    await send(node, city, city.add("1", "wrong"), city.add("1", "b"))

    held = await send(node, city, city.add("1", "wrong again", supersedes=1))
    node.tier.refused = {}
    await send(node, city, city.add("1", "right", supersedes=3))

    assert held == (3, [(3, "NOT_YET")])
    assert node.tier.applied == [("1", "right"), ("1", "b")]


async def test_a_correction_of_what_was_applied_comes_after_it(node: Receiving, city: Stream) -> None:
    await send(node, city, city.add("1", "a"), city.add("1", "b", supersedes=1))

    assert node.tier.applied == [("1", "a"), ("1", "b")]


async def test_a_second_correction_of_the_same_envelope_comes_after_the_first(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": ""}
    await send(node, city, city.add("1", "wrong"), city.add("1", "x", supersedes=1))

    assert await send(node, city, city.add("1", "y", supersedes=1)) == (3, [(3, "BEHIND_QUARANTINED")])


async def test_a_correction_of_a_waiting_envelope_keeps_the_order(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": ""}
    await send(node, city, city.add("1", "a"), city.add("1", "wrong"), city.add("1", "c"))
    await send(node, city, city.add("1", "b", supersedes=2))
    node.tier.refused = {}

    await node.retry(CITY, 1)

    assert node.tier.applied == [("1", "a"), ("1", "b"), ("1", "c")]


async def test_what_waits_for_a_key_is_applied_when_another_sender_makes_it_true(
    node: Receiving, city: Stream, town: Stream
) -> None:
    node.tier.refused = {"in": "left"}
    node.tier.keys = {"out": "left"}
    await send(node, town, town.add("in", "a"), town.add("in", "b"))

    await send(node, city, city.add("out"))

    assert node.tier.applied == [("out", ""), ("in", "a"), ("in", "b")]
    assert await node.state_of(TOWN, 2) == "APPLIED"


async def test_keys_wake_in_a_chain_also_within_one_call(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"3": "two", "2": "one"}
    node.tier.keys = {"1": "one", "2": "two"}

    assert await send(node, city, city.add("3"), city.add("2"), city.add("1")) == (3, [])

    assert [code for code, _ in node.tier.applied] == ["1", "2", "3"]


async def test_a_tier_may_wake_what_waits_itself(node: Receiving, city: Stream) -> None:
    node.tier.refused = {"1": "key"}
    await send(node, city, city.add("1"))
    node.tier.refused = {}

    assert len((await node.wake("other")).applied) == 0
    assert len((await node.wake("key")).applied) == 1


async def test_a_message_that_the_tier_cannot_read_is_quarantined_and_holds_nothing(
    node: Receiving, city: Stream
) -> None:
    held = await send(node, city, city.add(""), city.add("1"), city.add(""))

    assert held == (3, [(1, "UNREADABLE"), (3, "UNREADABLE")])
    result = await node.retry(CITY, 1)
    assert [each.reason for each in result.held] == ["UNREADABLE"]


async def relay(node: Receiving, prefecture: Stream, *inner: Stream, envelopes: list[bytes]) -> list[tuple[int, str]]:
    deliveries = [prefecture.add(relayed=envelope) for envelope in envelopes]
    certificates = [der for stream in (prefecture, *inner) for der in stream.signer.certificates]
    result = await node.receive(PREFECTURE, deliveries, certificates)
    return [(held.sequence, held.reason) for held in result.held]


async def test_a_relayed_envelope_is_verified_and_applied_as_its_origins(
    node: Receiving, city: Stream, prefecture: Stream
) -> None:
    assert await relay(node, prefecture, city, envelopes=[city.add("1").envelope]) == []

    assert node.tier.applied == [("1", "")]


async def test_a_relayed_envelope_whose_signature_is_forged_is_quarantined_with_an_alarm(
    node: Receiving, city: Stream, prefecture: Stream
) -> None:
    envelope = city.add("1")

    held = await relay(node, prefecture, city, envelopes=[forged(envelope).envelope, city.add("2").envelope])

    assert held == [(1, "SIGNATURE_INVALID")]
    assert node.tier.applied == [("2", "")]
    # What was forged does not stand in the way of what is genuine.
    assert await relay(node, prefecture, city, envelopes=[envelope.envelope]) == [(3, "BEHIND_QUARANTINED")]


async def test_an_envelope_relayed_twice_is_applied_once(node: Receiving, city: Stream, prefecture: Stream) -> None:
    envelope = city.add("1").envelope

    assert await relay(node, prefecture, city, envelopes=[envelope, envelope]) == []
    assert await relay(node, prefecture, city, envelopes=[envelope]) == []

    assert node.tier.applied == [("1", "")]
    assert await node.state_of(PREFECTURE, 3) == "SUPERSEDED RELAYED_BEFORE"


async def test_two_bodies_relayed_for_one_place_are_an_equivocation(
    node: Receiving, city: Stream, prefecture: Stream
) -> None:
    one = city.add("1", "a").envelope
    city.sequence, city.hash = 0, NO_HASH
    other = city.add("1", "b").envelope

    assert await relay(node, prefecture, city, envelopes=[one, other]) == [(2, "EQUIVOCATION")]

    assert node.tier.applied == [("1", "a")]


async def test_the_second_of_two_bodies_is_not_applied_when_its_line_is_released(
    node: Receiving, city: Stream, prefecture: Stream
) -> None:
    node.tier.refused = {"1": "key"}
    waiting, one = city.add("1", "a").envelope, city.add("2", "b").envelope
    city.sequence, city.hash = 1, city.sealed[0].body_hash
    other = city.add("1", "c").envelope
    await relay(node, prefecture, city, envelopes=[waiting, one, other])
    node.tier.refused = {}

    await node.wake("key")
    await node.retry(PREFECTURE, 3)

    assert node.tier.applied == [("2", "b"), ("1", "a")]
    assert await node.state_of(PREFECTURE, 3) == "QUARANTINED EQUIVOCATION"


async def test_what_was_relayed_again_once_its_signer_was_trusted_is_applied_once(
    node: Receiving, prefecture: Stream, clock: FixedClock
) -> None:
    city = Stream(PKI.signer(CITY, days=30))
    envelope = city.add("1", "a").envelope
    clock.time = NOW + timedelta(days=31)
    assert await relay(node, prefecture, city, envelopes=[envelope]) == [(1, "SIGNER_UNKNOWN")]
    clock.time = NOW
    assert await relay(node, prefecture, city, envelopes=[envelope]) == [(2, "BEHIND_QUARANTINED")]

    await node.retry(PREFECTURE, 1)

    assert node.tier.applied == [("1", "a")]
    assert await node.state_of(PREFECTURE, 1) == "SUPERSEDED RELAYED_BEFORE"


async def test_the_end_of_a_certificate_does_not_keep_what_was_received_before_from_being_applied(
    node: Receiving, prefecture: Stream, clock: FixedClock
) -> None:
    city = Stream(PKI.signer(CITY, days=30))
    node.tier.refused = {"1": "key"}
    await relay(node, prefecture, city, envelopes=[city.add("1").envelope])
    node.tier.refused = {}
    clock.time = NOW + timedelta(days=31)

    await node.wake("key")

    assert await node.state_of(PREFECTURE, 1) == "APPLIED"


async def test_an_origin_of_another_authority_is_not_relayed(
    node: Receiving, stranger: Stream, prefecture: Stream
) -> None:
    held = await relay(node, prefecture, stranger, envelopes=[stranger.add("1").envelope])

    assert held == [(1, "SENDER_MISMATCH")]


async def test_an_envelope_inside_an_envelope_inside_an_envelope_is_quarantined(
    node: Receiving, city: Stream, town: Stream, prefecture: Stream
) -> None:
    twice = town.add(relayed=city.add("1").envelope).envelope

    assert await relay(node, prefecture, town, envelopes=[twice]) == [(1, "ENVELOPE_MALFORMED")]


async def test_an_origin_that_nobody_introduced_is_refused_so_that_it_can_be(
    node: Receiving, city: Stream, prefecture: Stream
) -> None:
    delivery = prefecture.add(relayed=city.add("1").envelope)

    with pytest.raises(SignerUnknown):
        await node.receive(PREFECTURE, [delivery], prefecture.signer.certificates)

    certificates = [*prefecture.signer.certificates, *city.signer.certificates]
    assert (await node.receive(PREFECTURE, [delivery], certificates)).cursor.sequence == 1
