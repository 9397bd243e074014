"""Whether the bytes of a request are a message for a handler: size, decoding, REQUIRED fields, request id."""

from __future__ import annotations

import re
from collections.abc import Callable

from google.protobuf.message import DecodeError, Message

from services.foundation.refusals import FieldMalformed, FieldMissing
from services.foundation.rpc.redaction import keepable, may_hold_secrets
from services.foundation.rpc.refusals import MessageMalformed, MessageTooLarge
from services.foundation.rpc.required import missing_fields

MESSAGE_BYTES = 256 * 1024
"""Most bytes of a message, unless a method has a limit of its own."""

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_HOLDERS = ("act", "header")
"""Sub-messages that hold the request id where the request itself does not."""


class MessageCheck:
    """The checks of one method's messages, in order; each takes what the one before made."""

    def __init__(self, decode: Callable[[bytes], Message], limit: int = MESSAGE_BYTES) -> None:
        self._decode = decode
        self._limit = limit
        self._may_hold_secrets = may_hold_secrets(decode)

    def keepable(self, raw: bytes) -> bytes:
        """Returns of a request, good or bad, what the log may commit to: everything but its secrets."""
        return keepable(raw, self._decode) if self._may_hold_secrets else raw

    def read(self, raw: bytes) -> Message:
        """Returns the message; refuses MESSAGE_TOO_LARGE, MESSAGE_MALFORMED or FIELD_MISSING."""
        if len(raw) > self._limit:
            raise MessageTooLarge("send less at a time", size=len(raw), limit=self._limit)
        try:
            message = self._decode(raw)
        except (DecodeError, UnicodeDecodeError):
            raise MessageMalformed("send a message of the method's type, strings in UTF-8") from None
        if missing := missing_fields(message):
            raise FieldMissing("fill in the REQUIRED fields", fields=" ".join(missing))
        return message


def request_id_of(message: Message) -> str:
    """Returns the message's request id, empty when it has none; refuses FIELD_MALFORMED if it is no UUID4.

    Request ids stand in logs and traces, so nothing else may hide in one.
    """
    for path, holder in _holders(message):
        given: str = getattr(holder, "request_id", "")
        if given:
            if not _UUID4.fullmatch(given):
                raise FieldMalformed(
                    "give a UUID4 in lower case", field=f"{path}request_id", form="REQUEST_ID_MALFORMED"
                )
            return given
    return ""


def _holders(message: Message) -> list[tuple[str, object]]:
    holders: list[tuple[str, object]] = [("", message)]
    holders += [(f"{name}.", getattr(message, name)) for name in _HOLDERS if hasattr(message, name)]
    return holders
