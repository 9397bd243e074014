"""What logs, spans and metrics may say: names whose values are never personal data. Everything else is left out."""

from __future__ import annotations

from collections.abc import Mapping

ATTRIBUTES = frozenset(
    {
        # Where and who: nodes, never people.
        "address",
        "body",
        "direction",
        "issuer",
        "neighbour",
        "node",
        "peer",
        "port",
        "sender",
        "service",
        "tier",
        # What was done, in the words of protos and code.
        "action",
        "affair",
        "error",
        "kind",
        "method",
        "operation",
        "outcome",
        "reason",
        "revision",
        "rpc.grpc.status_code",
        "rpc.method",
        "rpc.service",
        "rpc.system",
        "signal",
        "state",
        "status",
        "version",
        "work",
        # Which one: random or running numbers.
        "expected",
        "index",
        "request_id",
        "sequence",
        "serial",
        # How much and how long.
        "attempt",
        "batch",
        "bytes",
        "count",
        "delay_seconds",
        "failures",
        "free",
        "lag_seconds",
        "limit",
        "low",
        "seconds",
        "size",
        # Files and lines of the node's own.
        "file",
        "key",
        "line",
        "table",
    }
)
"""Who adds a name here answers for it: no value under it may name or number a resident, an operator or a case."""


def permitted(attributes: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    """Returns the attributes whose names are on the list; values that are not plain become their text."""
    return {
        name: value if isinstance(value, (str, int, float, bool)) else str(value)
        for name, value in attributes.items()
        if name in ATTRIBUTES
    }
