"""Every answer has a receipt that somebody who trusts nobody can verify."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.common.v1 import receipt_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as confirmation_pb
from relying.client import RelyingClient
from relying.receipts import LogKey, ReceiptUnproved
from services.foundation.audit.merkle import verify_consistency
from services.foundation.identity import node_id
from tests.e2e.callers import CALL_S, PENSION, Callers
from tests.e2e.federation import AGENCY, CHIYODA
from tests.e2e.logs import broken_logs


@pytest.fixture
async def client(callers: Callers) -> AsyncIterator[RelyingClient]:
    """A relying body's own client, which trusts the keys that came with the trust directory."""
    layout, topology = callers.federation.layout, callers.federation.topology
    keys = layout.keys(node_id(PENSION, topology.trust_domain_root))
    agency = topology.node(AGENCY)
    client = RelyingClient.connect(f"localhost:{agency.port}", agency.identity.dns_name, keys, layout.trust)
    yield client
    await client.close()


async def test_a_receipt_is_proved_by_the_published_log(callers: Callers, client: RelyingClient) -> None:
    (resident,) = await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)

    answer = await client.confirm("b1-19", "e2e-2", resident.resident_code, resident.attributes)
    checkpoint = await client.verify(answer.receipt)

    assert checkpoint.origin == answer.receipt.origin == "audit.agency-national.juki.example"
    assert checkpoint.size > answer.receipt.index


async def test_a_receipt_of_what_is_not_there_is_not_proved(callers: Callers, client: RelyingClient) -> None:
    (resident,) = await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)
    receipt = (await client.confirm("b1-19", "e2e-3", resident.resident_code)).receipt

    for false in (
        receipt_pb2.AuditReceipt(origin=receipt.origin, index=receipt.index, leaf_hash=bytes(32)),
        receipt_pb2.AuditReceipt(origin="audit.nobody.juki.example", index=0, leaf_hash=receipt.leaf_hash),
    ):
        with pytest.raises(ReceiptUnproved):
            await client.verify(false)


async def test_every_receipt_of_a_bulk_confirmation_is_proved(callers: Callers, client: RelyingClient) -> None:
    residents = [(await callers.counter(CHIYODA).move_in())[0] for _ in range(6)]
    await callers.arrived(CHIYODA)
    questions = [confirmation_pb.BulkQuestion(resident_code=one.resident_code) for one in residents]
    batches = [questions[:4], questions[4:], [confirmation_pb.BulkQuestion(resident_code="12345678901")]]

    answers = [each async for each in client.bulk("b1-19", "e2e-4", batches)]

    outcomes = [confirmation_pb.Outcome.Name(one.outcome) for each in answers for one in each.answers]
    assert outcomes == ["OUTCOME_MATCH"] * 6 + ["OUTCOME_NOT_FOUND"]
    for each in answers:
        await client.verify(each.first_receipt)


async def test_a_counters_receipt_is_proved_too(callers: Callers) -> None:
    counter = callers.counter(CHIYODA)
    receipt = (await counter.answer(counter.moving_in())).receipt
    keys = (callers.federation.layout.trust / "logs.vkeys").read_text("utf-8").splitlines()
    municipal = RelyingClient(
        callers.channel(f"counter/{CHIYODA}-1", f"municipal/{CHIYODA}"),
        [LogKey.parse(line) for line in keys if line and not line.startswith("#")],
    )

    checkpoint = await municipal.verify(receipt)

    assert checkpoint.origin == f"audit.municipal-{CHIYODA}.juki.example"
    with pytest.raises(ReceiptUnproved):
        await municipal.verify(
            receipt_pb2.AuditReceipt(origin=receipt.origin, index=receipt.index, leaf_hash=b"x" * 32)
        )


async def test_the_log_goes_on_from_every_earlier_checkpoint(callers: Callers, client: RelyingClient) -> None:
    (resident,) = await callers.counter(CHIYODA).move_in()
    await callers.arrived(CHIYODA)
    earlier = await client.verify((await client.confirm("b1-19", "e2e-5", resident.resident_code)).receipt)
    later = await client.verify((await client.confirm("b1-19", "e2e-6", resident.resident_code)).receipt)

    request = audit_pb.GetConsistencyProofRequest(old_size=earlier.size, new_size=later.size)
    answer = await callers.log(AGENCY).GetConsistencyProof(request, timeout=CALL_S)

    verify_consistency(earlier.size, later.size, earlier.root_hash, later.root_hash, list(answer.proof))
    assert later.size > earlier.size
    assert await asyncio.to_thread(broken_logs, callers.federation) == []
