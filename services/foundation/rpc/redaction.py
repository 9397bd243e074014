"""What may be kept of a request that holds secrets: all but the fields marked `debug_redact`.

The log commits to a request with an HMAC under a salt that is kept. Whoever opens that salt could try the ten thousand
values of a four-digit PIN in a moment, so a commitment must not cover one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

_holding: dict[str, bool] = {}


def has_secrets(descriptor: Descriptor) -> bool:
    """Tells whether a message of this type, or one inside it, has a field marked `debug_redact`."""
    known = _holding.get(descriptor.full_name)
    if known is None:
        # Entered before it is known, since a type may contain itself.
        _holding[descriptor.full_name] = False
        known = _holding[descriptor.full_name] = any(
            _is_secret(one) or (one.message_type is not None and has_secrets(one.message_type))
            for one in descriptor.fields
        )
    return known


def clear_secrets(message: Message) -> None:
    """Empties every secret field of the message and of those inside it."""
    for one, value in message.ListFields():
        if _is_secret(one):
            message.ClearField(one.name)
        elif one.message_type is None or not has_secrets(one.message_type):
            continue
        elif one.message_type.GetOptions().map_entry:
            for inner in cast("dict[object, Message]", value).values():
                clear_secrets(inner)
        else:
            for inner in cast("list[Message]", value) if one.is_repeated else [cast("Message", value)]:
                clear_secrets(inner)


def may_hold_secrets(decode: Callable[[bytes], Message]) -> bool:
    """Tells whether what `decode` reads, the `FromString` of a generated class, may have secrets."""
    descriptor = getattr(getattr(decode, "__self__", None), "DESCRIPTOR", None)
    return not isinstance(descriptor, Descriptor) or has_secrets(descriptor)


def keepable(raw: bytes, decode: Callable[[bytes], Message]) -> bytes:
    """Returns what may be kept of a request whose type may have secrets: nothing of one that cannot be read."""
    try:
        message = decode(raw)
    except (DecodeError, UnicodeDecodeError):
        return b""
    if not has_secrets(cast("Descriptor", message.DESCRIPTOR)):
        return raw
    # A secret could hide in a field that this version does not know.
    message.DiscardUnknownFields()
    clear_secrets(message)
    return message.SerializeToString(deterministic=True)


def _is_secret(one: FieldDescriptor) -> bool:
    return bool(one.GetOptions().debug_redact)
