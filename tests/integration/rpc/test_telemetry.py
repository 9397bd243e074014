"""What a collector receives of calls across nodes, and what it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from services.foundation.rpc.channel import Channels
from services.foundation.rpc.status import RemoteRefusal
from services.foundation.telemetry import start
from services.foundation.telemetry.metrics import Gauge, SilentMetrics
from services.foundation.telemetry.traces import SilentTracer
from tests.certificates import Network
from tests.integration.rpc.echo import CALLER, NAME, NODE, Stub, Words, config_of, running

CANARY = "山田太郎"


@dataclass
class Collector:
    """An OpenTelemetry collector that keeps everything."""

    port: int = 0
    spans: list[Any] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""

    async def take_traces(self, request: Any, _context: object) -> Any:
        self.raw += request.SerializeToString()
        for resource in request.resource_spans:
            name = next(each.value.string_value for each in resource.resource.attributes if each.key == "service.name")
            self.spans += [(name, span) for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    async def take_metrics(self, request: Any, _context: object) -> Any:
        self.raw += request.SerializeToString()
        for resource in request.resource_metrics:
            self.metrics |= {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}
        return metrics_service_pb2.ExportMetricsServiceResponse()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    collector = Collector()
    server = grpc.aio.server()
    traces: Any = trace_service_pb2_grpc.TraceServiceServicer()
    traces.Export = collector.take_traces
    metrics: Any = metrics_service_pb2_grpc.MetricsServiceServicer()
    metrics.Export = collector.take_metrics
    add_traces: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add_metrics: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add_traces(traces, server)
    add_metrics(metrics, server)
    collector.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield collector
    await server.stop(0)


async def test_a_call_is_one_trace_at_both_nodes_without_personal_data(network: Network, collector: Collector) -> None:
    endpoint = f"http://127.0.0.1:{collector.port}"
    serving = start(config_of(network, NODE, otlp_endpoint=endpoint))
    calling = start(config_of(network, CALLER, otlp_endpoint=endpoint))
    serving.gauge(Gauge("juki.test.lag", "s", "A gauge of another room.", lambda: [(2.5, {"neighbour": "x"})]))
    async with running(network, telemetry=serving) as node:
        config = config_of(network, CALLER, neighbours={NODE: f"localhost:{node.port}"})
        channels = Channels(config, telemetry=calling)
        stub = Stub(channels.to(NODE))
        with calling.span("act", resident_name=CANARY, sequence=1):
            await stub.say(Words(text=CANARY))
        with pytest.raises(RemoteRefusal):
            await stub.say(Words(text="refuse"))
        await channels.close()
    for telemetry in (serving, calling):
        await asyncio.to_thread(telemetry.stop)

    spans = {(node_name, span.name, _status(span)): span for node_name, span in collector.spans}
    act = spans["juki.municipal", "act", "OK"]
    asked = spans["juki.municipal", f"{NAME}/Say", "OK"]
    served = spans["juki.prefecture", f"{NAME}/Say", "OK"]
    refused = spans["juki.prefecture", f"{NAME}/Say", "FAILED_PRECONDITION"]
    assert len({span.trace_id for span in (act, asked, served)}) == 1
    assert (asked.parent_span_id, served.parent_span_id) == (act.span_id, asked.span_id)
    assert _attributes(refused)["reason"] == "REFUSED_BY_HANDLER"
    assert _attributes(act) == {"sequence": 1, "status": "OK"}
    assert {"rpc.server.duration", "rpc.client.duration", "juki.test.lag", "juki.tls.remaining"} <= set(
        collector.metrics
    )
    assert CANARY.encode() not in collector.raw


async def test_a_collector_that_is_away_disturbs_no_call(network: Network) -> None:
    telemetry = start(config_of(network, NODE, otlp_endpoint="http://127.0.0.1:1"))
    async with running(network, telemetry=telemetry) as node, node.channel(network.leaf(CALLER)) as channel:
        answer = await Stub(channel).say(Words(text="a"), timeout=5)
    began = time.monotonic()
    await asyncio.to_thread(telemetry.stop)

    assert answer.text == "a"
    assert time.monotonic() - began < 5


def test_nothing_is_collected_where_no_collector_is_named(network: Network) -> None:
    telemetry = start(config_of(network, NODE))

    assert not telemetry.enabled
    assert (type(telemetry.tracer), type(telemetry.metrics)) == (SilentTracer, SilentMetrics)


def _attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def _status(span: Any) -> Any:
    return _attributes(span).get("status")
