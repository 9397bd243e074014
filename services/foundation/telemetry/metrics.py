"""What a node counts: calls by method and status with their latency, and gauges that other rooms add."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

Reading = tuple[float, Mapping[str, str]]
"""A value and the attributes that it is for."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A value that is read when metrics are collected, on a thread of the collector: reading must be quick and safe."""

    name: str
    """Dotted, `juki.outbox.lag`."""
    unit: str
    """UCUM, `s`, `By`, `{entry}`."""
    description: str
    read: Callable[[], Iterable[Reading]]


class Metrics(Protocol):
    """Anything that takes measurements."""

    def served(self, method: str, status: str, seconds: float) -> None:
        """Counts a call that this node answered."""
        ...

    def called(self, method: str, status: str, seconds: float) -> None:
        """Counts a call that this node made."""
        ...

    def gauge(self, gauge: Gauge) -> None:
        """Has a gauge read from now on."""
        ...


class SilentMetrics:
    """Counts nothing."""

    def served(self, method: str, status: str, seconds: float) -> None:
        """Does nothing."""

    def called(self, method: str, status: str, seconds: float) -> None:
        """Does nothing."""

    def gauge(self, gauge: Gauge) -> None:
        """Does nothing."""
