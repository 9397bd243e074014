"""One entry of the audit log: who did what, why, with what result, and commitments instead of personal data.

The canonical form is RFC 8785 JSON, cut around the value of `seq`, which the database supplies when it appends.
Field by field: docs/specs/audit-log.md.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.foundation.audit.refusals import AuditEntryMalformed, AuditEntryTooLarge

ENTRY_LIMIT = 4096
"""Bytes an entry may have, its sequence number included."""

SALT_SIZE = 32
_SEQ_DIGITS = 16  # RFC 8785 numbers are exact up to 2**53 - 1, which has sixteen digits
_MAX_COUNT = 2**53 - 1
_ACTION = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_RESULT = re.compile(r"ALLOW|REFUSED:[A-Z][A-Z0-9_]{0,63}")
_quote = json.encoder.encode_basestring
"""From a text to a JSON string that escapes what RFC 8785 escapes and nothing else."""


def new_salt() -> bytes:
    """Returns 32 random bytes, the key of one entry's commitments."""
    return os.urandom(SALT_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An act or a look-up as the log keeps it; making one refuses AUDIT_ENTRY_MALFORMED and AUDIT_ENTRY_TOO_LARGE.

    So one that exists can be written, and cannot fail the others with which it shares a commit.

    `subject`, `request` and `response` never leave memory: only their HMAC-SHA-256 under `salt` is written. A plain
    hash would not do, since a resident code has eleven digits, and whoever holds the log could hash them all.
    """

    node: str
    """Short name of the node that writes, `agency/national`."""
    time: datetime
    """When, aware; written in UTC to the microsecond."""
    request_id: str
    """The id that the asking side logs too."""
    caller: str
    """SPIFFE id of the peer that asked."""
    method: str
    """Full gRPC method name, `/juki.agency.v1.ConfirmationService/ConfirmResident`."""
    action: str
    """What was done, UPPER_SNAKE."""
    result: str = "ALLOW"
    """`ALLOW`, or `REFUSED:` and the refusal's reason."""
    operator: str | None = None
    """SHA-256 of the operator card's certificate, hexadecimal, where a person acted."""
    affair: str | None = None
    """Statutory affair (事務) that the caller named."""
    case: str | None = None
    """Case number that the caller named."""
    fields: tuple[str, ...] = ()
    """Names of the data items released, never their values."""
    count: int = 0
    """How many records were released or changed."""
    tls_version: str | None = None
    """TLS version of the caller's connection, `TLSv1.3`."""
    tls_group: str | None = None
    """Key-exchange group of that connection, `X25519MLKEM768`."""
    assertion: str | None = None
    """SHA-256 of an assertion signed by the operator's card, hexadecimal."""
    subject: str | None = field(default=None, repr=False)
    """Who the act is about, as the tier names people; committed to."""
    request: bytes | None = field(default=None, repr=False)
    """The request's bytes; committed to."""
    response: bytes | None = field(default=None, repr=False)
    """The answer's bytes; committed to."""
    salt: bytes = field(default_factory=new_salt, repr=False)
    """Key of this entry's commitments, 32 bytes; kept sealed and erasable, apart from the entry."""
    halves: tuple[bytes, bytes] = field(init=False, repr=False, compare=False)
    """The canonical bytes before and after the value of `seq`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "halves", _split(self))


def commitment(salt: bytes, value: bytes) -> str:
    """Returns the base64 HMAC-SHA-256 of `value` under `salt`."""
    return base64.b64encode(hmac.digest(salt, value, "sha256")).decode()


def canonical(entry: AuditEntry, seq: int) -> bytes:
    """Returns the whole canonical entry at place `seq`."""
    head, tail = entry.halves
    return b"%b%d%b" % (head, seq, tail)


def opens(entry: bytes, salt: bytes, subject: str) -> bool:
    """Returns whether `entry` is about `subject`, which only a holder of its salt can tell."""
    committed = json.loads(entry).get("subj")
    return isinstance(committed, str) and hmac.compare_digest(committed, commitment(salt, subject.encode()))


def _split(entry: AuditEntry) -> tuple[bytes, bytes]:
    _check(entry)
    salt, tls = entry.salt, entry.tls_version is not None and entry.tls_group is not None
    # Written out because this is on the path of every look-up, and a general encoder takes three times as long; the
    # order is that of RFC 8785, as the property test holds against such an encoder.
    head = _bytes(
        f'{{"act":{_quote(entry.action)},"agency":{_quote(entry.caller)}'
        f"{_optional('asrt', entry.assertion)}{_optional('case', entry.case)}{_list('fields', entry.fields)}"
        f',"method":{_quote(entry.method)},"n":{entry.count:d},"node":{_quote(entry.node)}'
        f"{_optional('op', entry.operator)}{_committed('req', salt, entry.request)}"
        f',"res":{_quote(entry.result)}{_committed("resp", salt, entry.response)}'
        f',"rid":{_quote(entry.request_id)},"seq":'
    )
    subject = None if entry.subject is None else _bytes(entry.subject)
    time = entry.time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    group = f',"tls":{{"g":{_quote(entry.tls_group or "")},"v":{_quote(entry.tls_version or "")}}}' if tls else ""
    tail = _bytes(f'{_committed("subj", salt, subject)},"t":"{time}Z"{_optional("task", entry.affair)}{group},"v":1}}')
    size = len(head) + _SEQ_DIGITS + len(tail)
    if size > ENTRY_LIMIT:
        raise AuditEntryTooLarge("shorten the case number or the list of items", bytes=size)
    return head, tail


def _check(entry: AuditEntry) -> None:
    if _ACTION.fullmatch(entry.action) is None:
        raise AuditEntryMalformed("name the action in UPPER_SNAKE", field="action")
    if _RESULT.fullmatch(entry.result) is None:
        raise AuditEntryMalformed("write ALLOW, or REFUSED: and a reason", field="result")
    if entry.time.tzinfo is None:
        raise AuditEntryMalformed("give an aware time", field="time")
    if not 0 <= entry.count <= _MAX_COUNT:
        raise AuditEntryMalformed("count from 0 to 2**53 - 1", field="count")
    if len(entry.salt) != SALT_SIZE:
        raise AuditEntryMalformed("a salt has 32 bytes", field="salt")


def _optional(key: str, value: str | None) -> str:
    return "" if value is None else f',"{key}":{_quote(value)}'


def _list(key: str, values: Sequence[str]) -> str:
    return f',"{key}":[{",".join(map(_quote, values))}]' if values else ""


def _committed(key: str, salt: bytes, value: bytes | None) -> str:
    return "" if value is None else f',"{key}":"{commitment(salt, value)}"'


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Not chained: the error holds the text.
        raise AuditEntryMalformed("a text in the entry has lone surrogates", field="text") from None
