"""The Python modules whose code the catalogues describe."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Sequence

import deploy
import services

ROOMS = (services, deploy)


def module_names() -> list[str]:
    """Names every module of the rooms but the commands, whose import would run nothing and tell nothing."""
    return sorted(
        found.name
        for room in ROOMS
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
        if not found.name.endswith("__main__") and ".migrations" not in found.name
    )


def load_all() -> None:
    """Imports every module, so that every class in them exists."""
    for name in module_names():
        importlib.import_module(name)


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Yields the name and the syntax tree of every module."""
    for name in module_names():
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise ImportError(f"{name} has no source file")
        with open(found.origin, encoding="utf-8") as file:  # noqa: PTH123 - the origin is text already
            yield name, ast.parse(file.read())


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yields the last part of the name that is called, `entry` of `self._journal.entry(...)`, and the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node.func.attr, node
            elif isinstance(node.func, ast.Name):
                yield node.func.id, node


def texts(nodes: Sequence[ast.expr]) -> list[str]:
    """Returns the constant texts among arguments, in order."""
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
