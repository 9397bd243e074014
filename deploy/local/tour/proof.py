"""The last part: a receipt is followed into the published log, and everything is verified on this side."""

from __future__ import annotations

import asyncio
import json
import time

from deploy.local.refusals import DemoDisappointed
from deploy.local.topology import Node
from deploy.local.tour.stage import CALL_S, Stage, answered, expect
from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.common.v1 import receipt_pb2
from services.foundation.audit.checkpoint import open_checkpoint
from services.foundation.audit.merkle import leaf_hash, verify_inclusion
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.identity import log_origin

_PUBLISHED_S = 15.0


async def follow(stage: Stage, node: Node, receipt: receipt_pb2.AuditReceipt) -> None:
    """Fetches entry, checkpoint and proof, and verifies hash, signature and inclusion with keys that came another way.

    Refuses as `open_checkpoint` and `verify_inclusion` do, and DEMO_DISAPPOINTED.
    """
    stage.chapter("An auditor follows the first receipt into the log")
    log = stage.log(node)
    request = audit_pb.ListEntriesRequest(from_index=receipt.index, page_size=1)
    entry = (await answered(log.ListEntries(request, timeout=CALL_S))).entries[0].entry
    expect(leaf_hash(entry) == receipt.leaf_hash, "leaf hash")
    stage.tell(node, f"entry {receipt.index}, {len(entry)} bytes, hashes to the receipt's leaf; it says:")
    for key, value in json.loads(entry).items():
        stage.note(f"  {key:<7} {value}")

    published = await _checkpoint_over(stage, node, receipt.index)
    keys = (stage.layout.trust / "logs.vkeys").read_text("ascii").split()
    origin = log_origin(node.identity, stage.topology.trust_domain_root)
    checkpoint, _ = open_checkpoint(published.checkpoint, [parse_vkey(key) for key in keys], origin)
    stage.tell(
        node, f"checkpoint over {checkpoint.size} entries, root {checkpoint.root_hash.hex()[:16]}…: signature verified"
    )

    wanted = audit_pb.GetInclusionProofRequest(index=receipt.index, size=checkpoint.size)
    proof = await answered(log.GetInclusionProof(wanted, timeout=CALL_S))
    verify_inclusion(receipt.leaf_hash, receipt.index, checkpoint.size, list(proof.proof), checkpoint.root_hash)
    stage.tell(node, f"inclusion proof of {len(proof.proof)} hashes leads from the leaf to that root: verified")


async def _checkpoint_over(stage: Stage, node: Node, index: int) -> audit_pb.GetCheckpointResponse:
    """Waits for a checkpoint that covers an entry."""
    deadline = time.monotonic() + _PUBLISHED_S
    while time.monotonic() < deadline:
        answer = await answered(stage.log(node).GetCheckpoint(audit_pb.GetCheckpointRequest(), timeout=CALL_S))
        if answer.size > index:
            return answer
        await asyncio.sleep(0.1)
    raise DemoDisappointed("no checkpoint covered the entry in time", step="publication")
