"""Every metric, read from where it is made."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from tools.catalogue.sources import calls, texts, trees

_MAKERS = {"Gauge": "gauge", "create_histogram": "histogram", "create_counter": "counter"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    kind: str
    unit: str
    text: str
    where: str


def found() -> list[Metric]:
    """Returns the metrics by name; raises ValueError for one whose name, unit and description are not constants."""
    return sorted(
        (
            _metric(name, _MAKERS[called], call)
            for name, tree in trees()
            for called, call in calls(tree)
            if called in _MAKERS
        ),
        key=lambda one: one.name,
    )


def _metric(module: str, kind: str, call: ast.Call) -> Metric:
    told = texts(call.args)
    if len(told) < 3:
        raise ValueError(f"{module}:{call.lineno}: give a metric its name, unit and description as constants")
    return Metric(told[0], kind, told[1], told[2].rstrip(".") + ".", f"`{module}`")
