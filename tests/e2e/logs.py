"""What a federation leaves in files: audit logs that must be whole, and logs that must name nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

from deploy.local.topology import Node
from services.foundation.audit.policy import load_policy
from tests.e2e.collector import Collector
from tests.e2e.federation import Federation
from tools import audit_fsck


def broken_logs(federation: Federation) -> list[str]:
    """Tells what the fsck finds wrong with the published audit log of each node; runs an event loop of its own."""
    wrong = {node.name: _problems(federation, node) for node in federation.topology.nodes}
    return [f"{name}: {problem}" for name, problems in wrong.items() for problem in problems.items()]


def leaks(federation: Federation, collector: Collector, words: Collection[str]) -> list[str]:
    """Names the files, and telemetry, in which one of the words stands; never the word."""
    searched = [word.encode() for word in words if len(word) > 3]
    found = [str(path) for path in _written(federation) if _holds(path.read_bytes(), searched)]
    return found + (["telemetry"] if _holds(collector.received(), searched) else [])


def _holds(content: bytes, words: Collection[bytes]) -> bool:
    escaped = [word.decode().encode("unicode_escape") for word in words]
    return any(word in content for word in (*words, *escaped))


def _written(federation: Federation) -> list[Path]:
    layout = federation.layout
    published = [layout.node(node.identity) / "log" for node in federation.topology.nodes]
    return [path for root in (layout.logs, *published) for path in root.rglob("*") if path.is_file()]


def _problems(federation: Federation, node: Node) -> dict[str, list[str]]:
    policy = load_policy(federation.layout.policy(node.identity))
    directory = federation.layout.node(node.identity) / "log"
    if not any(directory.iterdir()):
        # A node that nobody has called yet has nothing to promise.
        return {}
    report, _ = asyncio.run(audit_fsck.check_log(directory, audit_fsck.Demand([*policy.logs, *policy.keys], policy)))
    return report.wrong
