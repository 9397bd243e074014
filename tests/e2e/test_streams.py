"""A stream that breaks its rules is refused with a reason, kept as evidence, and leaves nothing behind."""

from __future__ import annotations

import pytest

from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from tests.e2e.callers import CALL_S, LICENSING, Callers, refused
from tests.e2e.federation import AGENCY, CHIYODA, TOKYO, YOKOHAMA
from tests.e2e.municipality import Municipality, make_change, new_code


async def _alarms(callers: Callers, town: Municipality) -> list[str]:
    answer = await callers.streams(TOKYO).ListAlarms(exchange_pb.ListAlarmsRequest(), timeout=CALL_S)
    return [one.reason for one in answer.alarms if one.sender == f"municipal/{town.code}"]


def _forged(delivery: exchange_pb.Delivery) -> exchange_pb.Delivery:
    delivery.envelope.signature = bytes([delivery.envelope.signature[0] ^ 1]) + delivery.envelope.signature[1:]
    return delivery


async def test_a_forged_signature_is_refused_and_raises_an_alarm(callers: Callers) -> None:
    town = Municipality.found(callers, "131032")
    code = new_code()

    refusal = await refused(town.deliver(_forged(town.seal(make_change(code, town.code)))))

    assert refusal.reason == "SIGNATURE_INVALID"
    assert await town.position() == 0
    assert await _alarms(callers, town) == ["SIGNATURE_INVALID"]
    assert await callers.body(LICENSING, TOKYO).outcome(code) == "NOT_FOUND"


async def test_a_gap_is_refused_with_the_sequence_expected(callers: Callers) -> None:
    town = Municipality.found(callers, "131059")
    first, second, third = (town.seal(make_change(new_code(), town.code)) for _ in range(3))
    await town.deliver(first)

    refusal = await refused(town.deliver(third))

    assert (refusal.reason, refusal.facts["expected"]) == ("SEQUENCE_GAP", "2")
    assert await town.position() == 1
    assert (await town.deliver(second, third)).received_sequence == 3


async def test_an_envelope_that_came_before_is_taken_once(callers: Callers) -> None:
    town = Municipality.found(callers, "131067")
    code = new_code()
    only = town.seal(make_change(code, town.code))

    answers = [await town.deliver(only) for _ in range(3)]

    assert [one.received_sequence for one in answers] == [1, 1, 1]
    assert len((await callers.body(LICENSING, TOKYO).changes(code))[0]) == 1


async def test_two_stories_for_one_place_raise_an_alarm(callers: Callers) -> None:
    town, liar = (Municipality.found(callers, "131075") for _ in range(2))
    told, other = new_code(), new_code()
    await town.deliver(town.seal(make_change(told, town.code)))

    refusal = await refused(liar.deliver(liar.seal(make_change(other, liar.code))))

    assert refusal.reason == "EQUIVOCATION"
    assert await _alarms(callers, town) == ["EQUIVOCATION"]
    body = callers.body(LICENSING, TOKYO)
    assert [await body.outcome(code) for code in (told, other)] == ["MATCH", "NOT_FOUND"]


async def test_a_municipality_speaks_for_its_own_residents_only(callers: Callers) -> None:
    town = Municipality.found(callers, "131083")
    (resident,) = await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)

    stolen = make_change(new_code(), CHIYODA)
    removal = make_change(resident.resident_code, town.code, reason=12, attributes=resident.attributes)
    answer = await town.deliver(town.seal(stolen), town.seal(removal))

    assert [one.reason for one in answer.held] == ["CHANGE_OF_ANOTHER_MUNICIPALITY"] * 2
    assert await callers.body(LICENSING, TOKYO).outcome(resident.resident_code, resident.attributes) == "MATCH"


async def test_a_municipality_signs_with_its_own_key_only(callers: Callers) -> None:
    town, neighbour = Municipality.found(callers, "131091"), Municipality.found(callers, "131105")

    refusal = await refused(town.deliver(neighbour.seal(make_change(new_code(), neighbour.code))))

    assert refusal.reason == "SENDER_MISMATCH"


@pytest.mark.parametrize(
    ("caller", "node"),
    [
        (f"municipal/{CHIYODA}", AGENCY),
        (f"municipal/{YOKOHAMA}", TOKYO),
        (f"counter/{CHIYODA}-1", TOKYO),
        ("relying/local-pension", AGENCY),
        (AGENCY, TOKYO),
    ],
)
async def test_a_caller_of_the_wrong_tier_delivers_nothing(callers: Callers, caller: str, node: str) -> None:
    stub = callers.exchange(node, caller)

    refusal = await refused(stub.GetPosition(exchange_pb.GetPositionRequest(), timeout=CALL_S))

    assert refusal.reason == "METHOD_NOT_PERMITTED"
