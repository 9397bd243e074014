"""Which REQUIRED fields of a message are empty, read from the descriptors (google.api.field_behavior)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_REQUIRED = field_behavior_pb2.FieldBehavior.Value("REQUIRED")


@dataclass(slots=True)
class _Plan:
    """What to look at in messages of one type; fields that cannot lack anything are not in it."""

    filled: list[str] = field(default_factory=list)
    """REQUIRED fields without presence: empty means the default value, or no element."""
    present: list[str] = field(default_factory=list)
    """REQUIRED fields with presence: sub-messages and `optional` scalars."""
    inside: list[tuple[str, _Plan]] = field(default_factory=list)
    """Single sub-messages to go on into."""
    each: list[tuple[str, _Plan]] = field(default_factory=list)
    """Repeated sub-messages to go on into."""
    values: list[tuple[str, _Plan]] = field(default_factory=list)
    """Maps of sub-messages to go on into."""


_plans: dict[str, _Plan] = {}


def missing_fields(message: Message) -> list[str]:
    """Names the REQUIRED fields that are empty, as paths: `act.request_id`, `questions[3].resident_code`."""
    missing: list[str] = []
    descriptor = cast("Descriptor", message.DESCRIPTOR)
    _walk(message, _plans.get(descriptor.full_name) or _plan_of(descriptor), "", missing)
    return missing


def _walk(message: Message, plan: _Plan, prefix: str, missing: list[str]) -> None:
    missing += [prefix + name for name in plan.filled if not getattr(message, name)]
    missing += [prefix + name for name in plan.present if not message.HasField(name)]
    for name, inner in plan.inside:
        if message.HasField(name):
            _walk(getattr(message, name), inner, f"{prefix}{name}.", missing)
    for name, inner in plan.each:
        for index, element in enumerate(getattr(message, name)):
            _walk(element, inner, f"{prefix}{name}[{index}].", missing)
    for name, inner in plan.values:
        # A map's key may say who somebody is, so the path leaves it out.
        for element in getattr(message, name).values():
            _walk(element, inner, f"{prefix}{name}[].", missing)


def _plan_of(descriptor: Descriptor) -> _Plan:
    plan = _plans.get(descriptor.full_name)
    if plan is None:
        # Entered before it is filled, since a type may contain itself.
        plan = _plans[descriptor.full_name] = _Plan()
        for one in descriptor.fields:
            _add_requirement(plan, one)
            _add_inner(plan, one)
    return plan


def _add_requirement(plan: _Plan, one: FieldDescriptor) -> None:
    if _REQUIRED in one.GetOptions().Extensions[field_behavior_pb2.field_behavior]:
        (plan.present if one.has_presence else plan.filled).append(one.name)


def _add_inner(plan: _Plan, one: FieldDescriptor) -> None:
    inner = one.message_type
    if inner is None:
        return
    is_map = inner.GetOptions().map_entry
    if is_map:
        inner = inner.fields_by_name["value"].message_type
    if inner is None or not _requires_anything(inner, set()):
        return
    target = plan.values if is_map else plan.each if one.is_repeated else plan.inside
    target.append((one.name, _plan_of(inner)))


def _requires_anything(descriptor: Descriptor, seen: set[str]) -> bool:
    """Tells whether a message of this type, or one inside it, has a REQUIRED field."""
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        _REQUIRED in one.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        or (one.message_type is not None and _requires_anything(one.message_type, seen))
        for one in descriptor.fields
    )
