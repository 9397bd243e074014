"""Every fact that the code logs, or tells of a span, has a name that is known to hold no personal data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.foundation.telemetry.attributes import ATTRIBUTES

_ROOT = Path(__file__).parents[2]
_FILES = sorted(path for room in ("services", "deploy", "relying") for path in (_ROOT / room).rglob("*.py"))


def _facts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The names in `extra={...}` and in `telemetry.span(..., name=...)`, with their lines."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        for keyword in call.keywords:
            if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
                names = [key.value for key in keyword.value.keys if isinstance(key, ast.Constant)]
                yield from ((call.lineno, str(name)) for name in names)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "span":
            yield from ((call.lineno, keyword.arg) for keyword in call.keywords if keyword.arg)


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(_ROOT)))
def test_a_fact_told_is_on_the_list(path: Path) -> None:
    strangers = [(line, name) for line, name in _facts(ast.parse(path.read_text("utf-8"))) if name not in ATTRIBUTES]

    assert strangers == [], "name it in telemetry/attributes.py, or do not tell it"


def test_the_search_finds_what_is_told() -> None:
    found = list(_facts(ast.parse('log.info("x", extra={"count": 1, "name": 2})\ntelemetry.span("y", case=3)')))

    assert [name for _, name in found] == ["count", "name", "case"]
