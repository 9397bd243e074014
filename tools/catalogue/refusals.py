"""Every class that refuses, with its reason."""

from __future__ import annotations

import inspect

from services.foundation.refusals import Refusal
from tools.catalogue.sources import ROOMS, load_all

_PREFIXES = tuple(f"{room.__name__}." for room in ROOMS)


def found() -> list[type[Refusal]]:
    """Returns the classes of the rooms that have a reason of their own, by room and reason."""
    load_all()
    return sorted(
        (one for one in _below(Refusal) if "reason" in vars(one) and one.__module__.startswith(_PREFIXES)),
        key=lambda one: (room_of(one), one.reason, one.__module__),
    )


def room_of(refusal: type[Refusal]) -> str:
    """Returns the package in which a class stands, `services.foundation`."""
    return ".".join(refusal.__module__.split(".")[:2])


def text_of(refusal: type[Refusal]) -> str:
    """Returns what is the case, the class's docstring in one line."""
    return " ".join(inspect.cleandoc(refusal.__doc__ or "").split())


def _below(parent: type[Refusal]) -> set[type[Refusal]]:
    children = set(parent.__subclasses__())
    return children.union(*(_below(child) for child in children))
