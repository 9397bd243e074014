"""How a refusal crosses the wire and is read again: google.rpc.Status with ErrorInfo (AIP-193)."""

from __future__ import annotations

from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError

from services.foundation.refusals import Kind, Refusal

_DETAILS_KEY = "grpc-status-details-bin"
_RETRY_AFTER = {Kind.UNREACHABLE: 1, Kind.STALE: 0}
"""Seconds after which a caller may try again, unless the refusal says it in `retry_seconds`."""

_CODES = {
    Kind.MALFORMED: StatusCode.INVALID_ARGUMENT,
    Kind.DENIED: StatusCode.PERMISSION_DENIED,
    Kind.ABSENT: StatusCode.NOT_FOUND,
    Kind.CONFLICT: StatusCode.ALREADY_EXISTS,
    Kind.WRONG_STATE: StatusCode.FAILED_PRECONDITION,
    Kind.STALE: StatusCode.ABORTED,
    Kind.LIMITED: StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNREACHABLE: StatusCode.UNAVAILABLE,
}
_KINDS = {code: kind for kind, code in _CODES.items()}


class RemoteRefusal(Refusal):
    """A neighbour refused; kind, reason, advice and facts are the neighbour's own, `domain` names its tier."""

    def __init__(self, kind: Kind, reason: str, advice: str, facts: dict[str, str], domain: str = "") -> None:
        super().__init__(advice, **facts)
        self.kind = kind  # type: ignore[misc] # a class fixes it elsewhere; here the neighbour does
        self.reason = reason  # type: ignore[misc]
        self.domain = domain


def code_of(refusal: Refusal) -> StatusCode:
    """Returns the canonical code of a refusal's kind."""
    return _CODES[refusal.kind]


def status_of(refusal: Refusal, domain: str) -> status_pb2.Status:
    """Writes a refusal as a status whose ErrorInfo comes from `domain` (`municipal.juki.example`)."""
    status = status_pb2.Status(code=code_of(refusal).value[0], message=f"{refusal.reason}: {refusal.advice}")
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=domain, metadata=refusal.facts)
    for detail in (info, *_details_of(refusal)):
        status.details.add().Pack(detail)
    return status


def trailers_of(status: status_pb2.Status) -> tuple[tuple[str, bytes], ...]:
    """Returns the trailing metadata that carries a status."""
    return ((_DETAILS_KEY, status.SerializeToString()),)


def status_in(error: AioRpcError) -> status_pb2.Status | None:
    """Reads the rich status of a failed call; None if it has none that can be read or it contradicts the code."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                return None
            return status if status.code == error.code().value[0] else None
    return None


def refusal_of(error: AioRpcError) -> RemoteRefusal | None:
    """Reads a failed call as the refusal that the neighbour meant; None if it carries none."""
    status = status_in(error)
    kind = _KINDS.get(error.code())
    if status is None or kind is None:
        return None
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            advice = status.message.removeprefix(f"{info.reason}: ")
            return RemoteRefusal(kind, info.reason, advice, dict(info.metadata), info.domain)
    return None


def _details_of(refusal: Refusal) -> list[Message]:
    """Returns what AIP-193 wants beside ErrorInfo for a refusal's kind, each type at most once."""
    if refusal.kind is Kind.MALFORMED:
        return _violations(refusal)
    if refusal.kind is Kind.ABSENT:
        # The type alone: a name that does not exist may be a person's.
        return [error_details_pb2.ResourceInfo(resource_type=refusal.reason.removesuffix("_NOT_FOUND").lower())]
    if refusal.kind is Kind.WRONG_STATE:
        violation = error_details_pb2.PreconditionFailure.Violation(type=refusal.reason, description=refusal.advice)
        return [error_details_pb2.PreconditionFailure(violations=[violation])]
    seconds = refusal.facts.get("retry_seconds", _RETRY_AFTER.get(refusal.kind))
    if seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = int(seconds)
        return [retry]
    return []


def _violations(refusal: Refusal) -> list[Message]:
    """Names the fields that a refusal blames in `field` or `fields` (space-separated)."""
    fields = refusal.facts.get("fields", refusal.facts.get("field", "")).split()
    reason = refusal.facts.get("form", refusal.reason)
    if not fields:
        return []
    violation = error_details_pb2.BadRequest.FieldViolation
    return [
        error_details_pb2.BadRequest(
            field_violations=[violation(field=name, description=refusal.advice, reason=reason) for name in fields]
        )
    ]


def internal_status() -> status_pb2.Status:
    """Returns the answer to a failure that is nobody's refusal: a bug, of which the caller learns nothing."""
    return status_pb2.Status(code=code_pb2.INTERNAL, message="INTERNAL: report it with the time of the call")
