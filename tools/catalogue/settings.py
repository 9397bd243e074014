"""Every setting of every node, with the text that stands below its field."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from dataclasses import dataclass
from pathlib import Path

from services.card.config import Config as CardConfig
from services.confirmation.settings import ConfirmingConfig
from services.foundation.settings import NodeConfig
from services.municipal.config import Config as MunicipalConfig

TIERS = {
    "Municipality": MunicipalConfig,
    "Prefecture and agency": ConfirmingConfig,
    "Card node": CardConfig,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key."""

    name: str
    type: str
    default: str
    text: str


def found() -> list[tuple[str, list[Setting]]]:
    """Returns the keys that every node has, and those of each tier alone, in the order of the code."""
    return [("Every node", _of(NodeConfig)), *((title, _of(kind)) for title, kind in TIERS.items())]


def field_texts(source: str, name: str) -> dict[str, str]:
    """Returns the docstrings that stand below the fields of class `name`, empty where there is none."""
    classes = [node for node in ast.walk(ast.parse(textwrap.dedent(source))) if isinstance(node, ast.ClassDef)]
    body = next(one for one in classes if one.name == name).body
    texts: dict[str, str] = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name):
            texts[target.id] = _text(following)
    return texts


def _of(kind: type[NodeConfig]) -> list[Setting]:
    texts = field_texts(inspect.getsource(kind), kind.__name__)
    return [
        Setting(one.name, _type(str(one.type)), _default(one), texts[one.name])
        for one in dataclasses.fields(kind)
        if one.name in texts
    ]


def _text(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""


def _type(annotation: str) -> str:
    names = {"str": "text", Path.__name__: "path", "Mapping[str, str]": "table of texts", "bool": "true or false"}
    return names.get(annotation, annotation)


def _default(one: dataclasses.Field[object]) -> str:
    if one.default_factory is not dataclasses.MISSING:
        return "empty"
    if one.default is dataclasses.MISSING:
        return "none: give it"
    value = one.default
    return "`" + (str(value).lower() if isinstance(value, bool) else f'"{value}"' if value == "" else str(value)) + "`"
