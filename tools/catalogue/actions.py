"""Every action that an audit entry may name: the methods that record what they do, and what is done beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import descriptor_pb2

from tools.catalogue.sources import calls, texts, trees

IMAGE = Path("build/head.binpb")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ACTION = re.compile(r"[A-Z]+(_[A-Z]+)*")
_SERVICE, _METHOD = 6, 2
"""Numbers of the descriptor fields `service` and `method`, of which paths to comments consist."""
_RECEIPT = ".juki.common.v1.AuditReceipt"
_RECORDING = ("entry", "_record")
"""What is called with the name of an action: `Journal.entry`, and the exchange's `Record`."""

_BY_NAME = ("juki.municipal.v1", "juki.card.v1")

BESIDE = {
    "APPLY_CHANGE": (
        "/juki.exchange.v1.ExchangeService/Deliver",
        "A reported change was applied to a resident's record: one entry a change.",
    ),
    "ERASE_SALTS": ("", "Salts of entries were erased by law: one entry a decision, which counts them."),
    "PURPOSES_ADOPTED": (
        "purposes/adopt",
        "A purposes table was adopted by a signed order (hash `asrt`, nonce `rid`), or its order was refused.",
    ),
    "RECEIVE_ENVELOPES": (
        "/juki.exchange.v1.ExchangeService/Deliver",
        "Envelopes of a lower tier's stream were received: one entry a call, which counts them.",
    ),
    "REPEAT_REPLY": ("", "A request came again under its id, and the answer that it had was given once more."),
    "REFUSE": ("", "A call of an identified peer was refused; `res` has the reason."),
}
"""Actions that are not named for a method, with the method of their entries and what was done."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action."""

    name: str
    method: str
    text: str


def found(image: Path = IMAGE) -> list[Action]:
    """Returns the actions by name; raises ValueError for one in the code that nothing here explains."""
    by_method = {action_of(method): Action(action_of(method), method, text) for method, text in _methods(image)}
    by_name = {name for name, one in by_method.items() if one.method in _recorded_by_name(image)}
    written = set(BESIDE) | by_name
    for module, tree in trees():
        if not module.startswith("services."):
            continue
        said = {text for called, call in calls(tree) for text in texts(_arguments(called, call))}
        unexplained = {text for text in said if _ACTION.fullmatch(text)} - set(by_method) - set(BESIDE)
        if unexplained:
            raise ValueError(f"{module} records {sorted(unexplained)}: explain it in tools/catalogue/actions.py")
        written |= _constants(tree) & set(by_method)
    return [Action(name, *BESIDE[name]) if name in BESIDE else by_method[name] for name in sorted(written)]


def action_of(method: str) -> str:
    """Returns the action that is named for a method: REPORT_MOVE_IN of `.../ReportMoveIn`."""
    return _WORD.sub("_", method.rpartition("/")[2]).upper()


def _arguments(called: str, call: ast.Call) -> list[ast.expr]:
    """Returns what a call may give as an action."""
    given = call.args if called in _RECORDING else []
    return [*given, *(keyword.value for keyword in call.keywords if keyword.arg == "action")]


def _constants(tree: ast.AST) -> set[str]:
    return set(texts([node for node in ast.walk(tree) if isinstance(node, ast.Constant)]))


def _files(image: Path) -> list[descriptor_pb2.FileDescriptorProto]:
    files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file
    return [file for file in files if file.package.startswith("juki.")]


def _methods(image: Path) -> Iterator[tuple[str, str]]:
    """Yields the full name of every method of ours, and the first sentence of its comment."""
    for file in _files(image):
        comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        for at, service in enumerate(file.service):
            for place, method in enumerate(service.method):
                comment = comments.get((_SERVICE, at, _METHOD, place), "").strip().partition("\n\n")[0]
                sentence = " ".join(comment.split()).partition(". ")[0].rstrip(".")
                yield f"/{file.package}.{service.name}/{method.name}", f"{sentence}."


def _recorded_by_name(image: Path) -> set[str]:
    """Returns the methods of those tiers that record each method that answers with a receipt under its own name."""
    with_receipt = {
        f".{file.package}.{message.name}"
        for file in _files(image)
        for message in file.message_type
        if any(one.type_name == _RECEIPT for one in message.field)
    }
    return {
        f"/{file.package}.{service.name}/{method.name}"
        for file in _files(image)
        for service in file.service
        for method in service.method
        if file.package in _BY_NAME and method.output_type in with_receipt
    }
