"""One trace leads from the counter to the agency, metrics come, and nobody's name is in any of it."""

from __future__ import annotations

import asyncio
import json
import secrets
from uuid import uuid4

from deploy.local.layout import CHECKOUT
from juki.common.v1 import change_pb2, civil_date_pb2, person_pb2
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_service_pb2 as pb
from services.foundation.identity import log_origin
from tests.counters import make_act, make_entrant, target
from tests.e2e.callers import CALL_S, CONSTRUCTION, LICENSING, PENSION, Callers, again, days_ago, refused
from tests.e2e.collector import Collector, Span
from tests.e2e.federation import AGENCY, CHIYODA, SHINJUKU, TOKYO, YOKOHAMA, until
from tests.e2e.logs import leaks

_METRICS = ("juki.outbox.lag", "juki.log.published", "juki.codes.free", "juki.tls.remaining", "rpc.server.duration")


async def _spans_of(collector: Collector, trace_id: str, nodes: set[str]) -> list[Span]:
    """Waits until each of the nodes has told of the trace, and returns its spans."""

    def came() -> bool:
        return nodes <= {span.node for span in collector.spans() if span.trace_id == trace_id}

    await asyncio.to_thread(until, came)
    return [span for span in collector.spans() if span.trace_id == trace_id]


async def test_one_trace_leads_from_the_counter_to_the_agency(callers: Callers, collector: Collector) -> None:
    counter = callers.counter(CHIYODA)
    trace_id = secrets.token_hex(16)
    header = ("traceparent", f"00-{trace_id}-{secrets.token_hex(8)}-01")

    await counter.acts.ReportMoveIn(counter.moving_in(), timeout=CALL_S, metadata=(header,))
    await callers.arrived(CHIYODA)

    spans = await _spans_of(collector, trace_id, {f"municipal/{CHIYODA}", TOKYO, AGENCY})
    assert any(span.name.endswith("RegisterService/ReportMoveIn") for span in spans)


async def test_the_metrics_that_an_operator_watches_come(callers: Callers, collector: Collector) -> None:
    await callers.counter(CHIYODA).move_in()

    await asyncio.to_thread(until, lambda: all(collector.has_metric(name) for name in _METRICS))


async def test_canary_residents_appear_in_no_log_no_span_and_no_entry(callers: Callers, collector: Collector) -> None:
    mark = uuid4().int % 10**8
    name, address = f"金糸雀　花{mark}", f"見本市金糸雀町{mark}番地"
    kana = "カナリヤ　ハナコ"
    here, there = callers.counter(CHIYODA), callers.counter(YOKOHAMA)
    canary = make_entrant(name=name, kana=kana)

    (resident,) = await here.move_in(canary, address=address)
    unsupported = here.moving_in(make_entrant(name=f"{name}\U0001f600", kana=kana), address=address)
    await refused(here.answer(unsupported))
    await refused(here.answer(here.moving_in(again(resident), address=address)))
    await here.reads.SearchResidents(read_pb.SearchResidentsRequest(name=name, address=address), timeout=CALL_S)
    await refused(here.reads.SearchResidents(read_pb.SearchResidentsRequest(name=name, page_token="x"), timeout=CALL_S))
    renamed = await here.change_code(resident)
    left = await here.move_out(renamed, YOKOHAMA, days=0)
    (arrived,) = await there.move_in(again(left), former_municipality_code=CHIYODA, act=make_act(days_ago(0)))
    await refused(
        there.answer(
            pb.CorrectRecordRequest(
                act=make_act(days_ago(0)),
                target=target(arrived),
                reason=change_pb2.CHANGE_REASON_MINOR_CORRECTION,
                attributes=person_pb2.FourAttributes(
                    name=name,
                    sex=person_pb2.SEX_MALE,
                    address=f"{address}\U0001f600",
                    birth_date=civil_date_pb2.CivilDate(),
                ),
            )
        )
    )
    await callers.counter(SHINJUKU).move_in(again(arrived))
    await callers.arrived(CHIYODA, YOKOHAMA, SHINJUKU)
    await callers.body(PENSION).by_code(arrived.resident_code, arrived.attributes)
    await callers.body(LICENSING, TOKYO).by_code(resident.resident_code, resident.attributes)
    await callers.body(CONSTRUCTION).by_attributes(arrived.attributes)
    await refused(callers.body(PENSION).by_attributes(arrived.attributes))
    await refused(callers.body(PENSION).by_code(f"{arrived.resident_code[:10]}x"))
    # What is collected is sent within five seconds, and published within one.
    await asyncio.sleep(6)

    words = [name, f"花{mark}", kana, address, resident.resident_code, renamed.resident_code]
    assert await asyncio.to_thread(leaks, callers.federation, collector, words) == []


async def test_what_is_searched_is_there_to_be_found(callers: Callers, collector: Collector) -> None:
    await callers.counter(CHIYODA).move_in()
    await asyncio.to_thread(until, lambda: bool(collector.spans()))
    node = callers.federation.topology.node(f"municipal/{CHIYODA}")
    words = ["REPORT_MOVE_IN", "server.started", log_origin(node.identity, "juki.example"), "RegisterService"]

    found = [await asyncio.to_thread(leaks, callers.federation, collector, [word]) for word in words]

    assert [bool(files) for files in found] == [True] * len(words)
    assert "telemetry" in found[-1]


async def test_every_action_in_a_log_is_in_the_catalogue(callers: Callers) -> None:
    await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)
    page = (CHECKOUT / "docs" / "catalogue" / "audit-actions.md").read_text("utf-8")

    nodes = [node.name for node in callers.federation.topology.nodes]
    seen = {json.loads(entry)["act"] for node in nodes for entry in await callers.entries(node)}

    assert {"REPORT_MOVE_IN", "APPLY_CHANGE"} <= seen
    assert [action for action in seen if f"| `{action}` |" not in page] == []
