"""Bad input is refused with its own reason over the wire, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import grpc
import pytest

from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.audit.v1 import audit_service_pb2_grpc as audit_rpc
from juki.common.v1 import change_pb2, civil_date_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_service_pb2 as pb
from services.foundation.refusals import Refusal
from tests.counters import make_act, make_day, make_entrant, target
from tests.e2e.callers import CALL_S, PENSION, Callers, Counter, again, days_ago, refused
from tests.e2e.federation import AGENCY, CHIYODA, SHINJUKU

MERGED = "013668"
"""大成町, which became part of another town on 2005-09-01."""
NOWHERE = "131997"
"""A code with the right check digit that no municipality has."""


async def _state(callers: Callers) -> tuple[object, ...]:
    """What an act would leave: rows of the stream, drawn codes, and entries of the log other than refusals."""
    pool = await callers.counter(CHIYODA).reads.GetCodePool(read_pb.GetCodePoolRequest(), timeout=CALL_S)
    acts = [json.loads(entry)["act"] for entry in await callers.entries(f"municipal/{CHIYODA}")]
    return await callers.last_sent(CHIYODA), pool.drawn_count, [act for act in acts if act != "REFUSE"]


@asynccontextmanager
async def _nothing_left(callers: Callers) -> AsyncIterator[None]:
    before = await _state(callers)
    yield
    assert await _state(callers) == before


async def _last_refusal(callers: Callers, node: str) -> str:
    entries = [json.loads(entry) for entry in await callers.entries(node)]
    return next((str(entry["res"]) for entry in reversed(entries) if entry["act"] == "REFUSE"), "")


_FIELDS: dict[str, tuple[str, Callable[[Counter], Any]]] = {
    "a bad check digit of a resident code": (
        "FIELD_MALFORMED:RESIDENT_CODE_CHECK_DIGIT",
        lambda counter: counter.moving_in(make_entrant(resident_code="12345678901")),
    ),
    "a bad check digit of a municipality": (
        "FIELD_MALFORMED:LOCAL_GOVERNMENT_CODE_CHECK_DIGIT",
        lambda counter: counter.moving_in(former_municipality_code="141004"),
    ),
    "a day of birth that no calendar has": (
        "FIELD_MALFORMED:DATE_IMPOSSIBLE",
        lambda counter: counter.moving_in(
            make_entrant(birth_date=civil_date_pb2.CivilDate(year=2001, month=2, day=29))
        ),
    ),
    "a day of the event that no calendar has": (
        "FIELD_MALFORMED:DATE_IMPOSSIBLE",
        lambda counter: counter.moving_in(act=_act_on(civil_date_pb2.CivilDate(year=2026, month=4, day=31))),
    ),
    "an event in the future": (
        "DATE_IN_FUTURE",
        lambda counter: counter.moving_in(act=make_act(days_ago(0) + timedelta(days=3))),
    ),
    "an event before the birth": (
        "DATE_BEFORE_BIRTH",
        lambda counter: counter.moving_in(make_entrant(birth_date=make_day(days_ago(5)))),
    ),
    "a municipality that does not exist": (
        "MUNICIPALITY_UNKNOWN",
        lambda counter: counter.moving_in(former_municipality_code=NOWHERE),
    ),
    "a municipality that was abolished before that day": (
        "MUNICIPALITY_ABOLISHED",
        lambda counter: counter.moving_in(former_municipality_code=MERGED),
    ),
    "a character that the network does not have": (
        "FIELD_MALFORMED:CHARACTER_UNSUPPORTED",
        lambda counter: counter.moving_in(make_entrant(name="試験\U0001f600太郎")),
    ),
    "a kana reading that is none": (
        "FIELD_MALFORMED:KANA_NOT_KATAKANA",
        lambda counter: counter.moving_in(make_entrant(kana="試験")),
    ),
    "a request id that is none": (
        "FIELD_MALFORMED:REQUEST_ID_MALFORMED",
        lambda counter: counter.moving_in(act=_act_with("山田")),
    ),
    "nobody who moves in": ("FIELD_MISSING", lambda counter: pb.ReportMoveInRequest(act=make_act(), address="x")),
}


def _act_on(day: civil_date_pb2.CivilDate) -> Any:
    act = make_act(days_ago(1))
    act.event_date.CopyFrom(day)
    return act


def _act_with(request_id: str) -> Any:
    act = make_act(days_ago(1))
    act.request_id = request_id
    return act


def _told(refusal: Refusal) -> str:
    form = refusal.facts.get("form")
    return f"{refusal.reason}:{form}" if form else refusal.reason


@pytest.mark.parametrize("what", _FIELDS)
async def test_a_malformed_move_in_is_refused(callers: Callers, what: str) -> None:
    reason, make = _FIELDS[what]
    counter = callers.counter(CHIYODA)
    await counter.move_in()

    async with _nothing_left(callers):
        refusal = await refused(counter.answer(make(counter)))

        assert _told(refusal) == reason
        assert await _last_refusal(callers, f"municipal/{CHIYODA}") == f"REFUSED:{refusal.reason}"


async def test_a_municipality_of_its_day_is_taken_though_it_is_gone_now(callers: Callers) -> None:
    day = days_ago(0).replace(year=2004)
    birth = civil_date_pb2.CivilDate(year=1950, month=1, day=1)

    (resident,) = await callers.counter(CHIYODA).move_in(
        make_entrant(birth_date=birth), former_municipality_code=MERGED, act=make_act(day)
    )

    assert resident.revision == 1


def _raw(callers: Callers, caller: str, node: str, method: str) -> Callable[[bytes], Awaitable[bytes]]:
    """Returns a method that sends bytes as they are."""
    channel = callers.channel(caller, node)
    bound = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
    return lambda request: bound(request, timeout=CALL_S)


_MOVE_IN = "/juki.municipal.v1.RegisterService/ReportMoveIn"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("ten megabytes", "MESSAGE_TOO_LARGE"),
        ("invalid UTF-8", "MESSAGE_MALFORMED"),
        ("no message at all", "MESSAGE_MALFORMED"),
    ],
)
async def test_bytes_that_are_no_message_are_refused(callers: Callers, what: str, reason: str) -> None:
    counter = callers.counter(CHIYODA)
    good = counter.moving_in()
    request = {
        "ten megabytes": counter.moving_in(former_address="遠" * 3_500_000).SerializeToString(),
        "invalid UTF-8": good.SerializeToString() + b"\x1a\x02\xff\xfe",
        "no message at all": b"\xff\xff\xff\xff",
    }[what]

    async with _nothing_left(callers):
        send = _raw(callers, f"counter/{CHIYODA}-1", f"municipal/{CHIYODA}", _MOVE_IN)

        assert (await refused(send(request))).reason == reason


async def test_a_call_without_a_deadline_is_refused(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)

    async with _nothing_left(callers):
        assert (await refused(counter.acts.ReportMoveIn(counter.moving_in()))).reason == "DEADLINE_MISSING"


async def test_a_resident_is_registered_once(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    (resident,) = await counter.move_in()
    same = make_entrant()
    same.CopyFrom(again(resident))
    same.resident_code = ""

    async with _nothing_left(callers):
        by_code = await refused(counter.answer(counter.moving_in(again(resident))))
        by_attributes = await refused(counter.answer(counter.moving_in(same, address=resident.attributes.address)))

    assert [by_code.reason, by_attributes.reason] == ["RESIDENT_ALREADY_REGISTERED"] * 2


async def test_a_resident_of_another_municipality_is_not_acted_upon(callers: Callers) -> None:
    (stranger,) = await callers.counter(SHINJUKU).move_in()
    counter = callers.counter(CHIYODA)
    await counter.move_in()

    async with _nothing_left(callers):
        request = pb.ReportDeathRequest(act=make_act(days_ago(1)), target=target(stranger))

        assert (await refused(counter.answer(request))).reason == "RESIDENT_NOT_FOUND"


async def test_nothing_more_happens_to_the_dead(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    (resident,) = await counter.move_in()
    dead = await counter.die(resident)
    acts = [
        pb.ReportDeathRequest(act=make_act(days_ago(1)), target=target(dead)),
        pb.ReportRelocationRequest(act=make_act(days_ago(1)), targets=[target(dead)], address="見本町1番地"),
        pb.ChangeResidentCodeRequest(act=make_act(days_ago(1)), target=target(dead)),
        pb.CorrectRecordRequest(
            act=make_act(days_ago(1)),
            target=target(dead),
            reason=change_pb2.CHANGE_REASON_ERROR_CORRECTION,
            attributes=dead.attributes,
        ),
    ]

    async with _nothing_left(callers):
        assert [(await refused(counter.answer(act))).reason for act in acts] == ["RECORD_REMOVED"] * len(acts)


async def test_a_repeated_request_is_answered_as_the_first_time(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    request = counter.moving_in()
    first = await counter.answer(request)

    sequence, drawn, acts = await _state(callers)

    assert await counter.answer(request) == first

    # What is answered again is in the log again; nothing else is done twice.
    assert await _state(callers) == (sequence, drawn, [*cast("list[str]", acts), "REPEAT_REPLY"])


async def test_a_request_id_serves_one_intent(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    request = counter.moving_in()
    await counter.answer(request)
    request.address = "見本市別町2番地"

    async with _nothing_left(callers):
        assert (await refused(counter.answer(request))).reason == "REQUEST_ID_REUSED"


async def test_the_second_of_two_operators_at_one_record_is_told(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    (resident,) = await counter.move_in()
    await counter.change_code(resident)

    async with _nothing_left(callers):
        request = pb.ReportDeathRequest(act=make_act(days_ago(1)), target=target(resident))

        assert (await refused(counter.answer(request))).reason == "RECORD_CHANGED"


@pytest.mark.parametrize(
    ("caller", "node", "method"),
    [
        (f"counter/{SHINJUKU}-1", f"municipal/{CHIYODA}", _MOVE_IN),
        ("relying/local-pension", f"municipal/{CHIYODA}", _MOVE_IN),
        ("prefecture/13", f"municipal/{CHIYODA}", "/juki.municipal.v1.RegisterReadService/SearchResidents"),
        (f"counter/{CHIYODA}-1", AGENCY, "/juki.confirmation.v1.ConfirmationService/ConfirmByCode"),
        (f"counter/{CHIYODA}-1", AGENCY, "/juki.agency.v1.CodePoolService/AllotCodes"),
        ("auditor/board", AGENCY, "/juki.exchange.v1.StreamStatusService/RetryHeld"),
    ],
)
async def test_a_caller_of_the_wrong_tier_is_refused(callers: Callers, caller: str, node: str, method: str) -> None:
    refusal = await refused(_raw(callers, caller, node, method)(b""))

    assert refusal.reason == "METHOD_NOT_PERMITTED"
    assert await _last_refusal(callers, node) == "REFUSED:METHOD_NOT_PERMITTED"


@pytest.mark.parametrize(
    ("affair", "reason"),
    [("b9-99", "PURPOSE_UNKNOWN"), ("b1-98", "PURPOSE_NOT_GRANTED"), ("b5-21", "PURPOSE_NOT_GRANTED")],
)
async def test_an_affair_that_is_not_the_askers_is_refused_and_logged(
    callers: Callers, affair: str, reason: str
) -> None:
    (resident,) = await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)
    body = callers.body(PENSION)
    request = confirmation_pb.ConfirmByCodeRequest(purpose=body.purpose(affair), resident_code=resident.resident_code)

    refusal = await refused(body.stub.ConfirmByCode(request, timeout=CALL_S))

    assert refusal.reason == reason
    assert await _last_refusal(callers, AGENCY) == f"REFUSED:{reason}"


async def test_a_code_with_a_wrong_check_digit_is_not_looked_up(callers: Callers) -> None:
    body = callers.body(PENSION)

    refusal = await refused(body.by_code("12345678901"))

    assert _told(refusal) == "FIELD_MALFORMED:RESIDENT_CODE_CHECK_DIGIT"


async def test_a_stranger_without_a_certificate_does_not_get_in(callers: Callers) -> None:
    federation = callers.federation
    roots = (federation.layout.trust / "roots.crt").read_bytes()
    channel = grpc.aio.secure_channel(f"localhost:{federation.port(AGENCY)}", grpc.ssl_channel_credentials(roots))

    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await audit_rpc.AuditServiceStub(channel).GetCheckpoint(audit_pb.GetCheckpointRequest(), timeout=CALL_S)

    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
