"""What to type next: grpcurl commands with paths and a resident that exist."""

from __future__ import annotations

import json
import os
from pathlib import Path

from deploy.local.layout import CHECKOUT
from deploy.local.topology import Node
from deploy.local.tour.acts import Story
from deploy.local.tour.stage import Stage
from services.foundation.identity import NodeId


def commands(stage: Stage, story: Story) -> list[str]:
    """Writes the commands, one for each kind of caller; they run in the root of the checkout."""
    agency, pension = stage.topology.agency, stage.topology.relying[0].identity
    auditor, counter = stage.topology.auditors[0], stage.topology.counter_of(story.destination)
    head = story.family[0]
    confirm = {"purpose": {"affairId": "b1-19", "caseNumber": "my-1"}, "residentCode": head.resident_code}
    return [
        _grpcurl(stage, auditor, agency, "list"),
        _grpcurl(stage, pension, agency, "juki.confirmation.v1.ConfirmationService/ListPurposes"),
        _grpcurl(stage, pension, agency, "juki.confirmation.v1.ConfirmationService/ConfirmByCode", confirm),
        _grpcurl(
            stage,
            counter,
            story.destination,
            "juki.municipal.v1.RegisterReadService/SearchResidents",
            {"residentCode": head.resident_code},
        ),
        _grpcurl(stage, auditor, agency, "juki.audit.v1.AuditService/GetCheckpoint"),
    ]


def _grpcurl(stage: Stage, caller: NodeId, node: Node, what: str, request: object | None = None) -> str:
    keys, trust = _relative(stage.layout.keys(caller)), _relative(stage.layout.trust)
    lines = [
        f"{_relative(CHECKOUT / '.venv' / 'bin' / 'grpcurl')} -max-time 10 -cacert {trust}/roots.crt",
        f"-cert {keys}/tls.crt -key {keys}/tls.key",
    ]
    if request is not None:
        lines.append(f"-d '{json.dumps(request, ensure_ascii=False)}'")
    lines.append(f"localhost:{node.port} {what}")
    return " \\\n    ".join(lines)


def _relative(path: Path) -> str:
    return os.path.relpath(path, CHECKOUT)
