"""What a handler may know of the call that it answers."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from services.foundation.identity import NodeId


@dataclass(frozen=True, slots=True)
class Call:
    """One call that passed the guard; the gate makes it and is the only one to do so."""

    peer: NodeId
    """Who calls, from its certificate."""
    method: str
    """Full name of the method, `/juki.audit.v1.AuditService/GetCheckpoint`."""
    request_id: str
    """The `request_id` of the request or of its `act`, as it came; else a UUID4 made for this call."""
    request: bytes = field(repr=False)
    """The request as it came, without fields marked `debug_redact`; empty while a stream has brought none.

    Holds personal data, and never a secret such as a PIN.
    """
    tls_version: str
    """Protocol of the connection, `TLSv1.3`."""
    tls_group: str
    """Key-exchange group of the connection, `X25519MLKEM768`."""
    traceparent: str
    """W3C trace context under which this call is handled."""


CURRENT_CALL: ContextVar[Call] = ContextVar("current_call")
"""Set by the gate before the handler runs."""


def current_call() -> Call:
    """Returns the call being answered; raises LookupError outside of one."""
    return CURRENT_CALL.get()
