"""Every reason for which the transport refuses."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class TlsTooOld(Refusal):
    """The connection is not TLS 1.3."""

    kind = Kind.DENIED
    reason = "TLS_TOO_OLD"


class KeyExchangeNotPostQuantum(Refusal):
    """The connection's keys were agreed without a post-quantum share."""

    kind = Kind.DENIED
    reason = "KEY_EXCHANGE_NOT_POST_QUANTUM"


class IdentityNotSingle(Refusal):
    """The certificate has no URI, or more than one (X509-SVID §2)."""

    kind = Kind.DENIED
    reason = "IDENTITY_NOT_SINGLE"


class CertificateNotALeaf(Refusal):
    """The certificate is an authority's, or its usages are not those of a node's TLS key (X509-SVID §4)."""

    kind = Kind.DENIED
    reason = "CERTIFICATE_NOT_A_LEAF"


class CertificateExpired(Refusal):
    """The certificate, or its issuer's, is not valid now."""

    kind = Kind.DENIED
    reason = "CERTIFICATE_EXPIRED"


class CertificateRevoked(Refusal):
    """The certificate, or its issuer's, is on a revocation list."""

    kind = Kind.DENIED
    reason = "CERTIFICATE_REVOKED"


class RevocationUnknown(Refusal):
    """The issuer's revocation list is missing or overdue, and the node is set to refuse then."""

    kind = Kind.DENIED
    reason = "REVOCATION_UNKNOWN"


class NodeSuspended(Refusal):
    """The peer is suspended by name."""

    kind = Kind.DENIED
    reason = "NODE_SUSPENDED"


class TrustUnreadable(Refusal):
    """The trust directory has no readable root certificate, so nobody could be trusted."""

    kind = Kind.WRONG_STATE
    reason = "TRUST_UNREADABLE"


class IssuerNotTrusted(Refusal):
    """No authority that the roots vouch for may have issued this certificate."""

    kind = Kind.DENIED
    reason = "ISSUER_NOT_TRUSTED"


class AccessIncomplete(Refusal):
    """The access table and the methods served differ; `missing` and `unknown` name them."""

    kind = Kind.WRONG_STATE
    reason = "ACCESS_INCOMPLETE"


class PageTokenInvalid(Refusal):
    """A page token was not given out for this query by this node."""

    reason = "PAGE_TOKEN_INVALID"


class PageSizeNegative(Refusal):
    """A page size is below zero."""

    reason = "PAGE_SIZE_NEGATIVE"


class MethodNotPermitted(Refusal):
    """The access table does not let the caller use the method, or has no row for it."""

    kind = Kind.DENIED
    reason = "METHOD_NOT_PERMITTED"


class DeadlineMissing(Refusal):
    """The call has no deadline, so it could hold the node's resources for ever."""

    kind = Kind.MALFORMED
    reason = "DEADLINE_MISSING"


class DeadlineTooLong(Refusal):
    """The call's deadline lies further ahead than the node allows; `limit` says how far, in seconds."""

    kind = Kind.MALFORMED
    reason = "DEADLINE_TOO_LONG"


class MessageTooLarge(Refusal):
    """A message has more bytes than the method takes; `size` and `limit` say how many."""

    kind = Kind.LIMITED
    reason = "MESSAGE_TOO_LARGE"


class MessageMalformed(Refusal):
    """A message is not one of the method's type, or a string in it is not UTF-8."""

    kind = Kind.MALFORMED
    reason = "MESSAGE_MALFORMED"


class LogUnavailable(Refusal):
    """The call was refused, and the refusal could not be written into the audit log; its reason is withheld."""

    kind = Kind.UNREACHABLE
    reason = "LOG_UNAVAILABLE"


class NeighbourUnreachable(Refusal):
    """A neighbour does not answer, or not as itself; `neighbour` and `status` say who and how."""

    kind = Kind.UNREACHABLE
    reason = "NEIGHBOUR_UNREACHABLE"


class NeighbourFailed(Refusal):
    """A neighbour answered with an error that is no refusal; `neighbour` and `status` say who and which."""

    kind = Kind.UNREACHABLE
    reason = "NEIGHBOUR_FAILED"


class NeighbourUnknown(Refusal):
    """The settings have no address of this neighbour."""

    kind = Kind.WRONG_STATE
    reason = "NEIGHBOUR_UNKNOWN"


class CredentialsUnreadable(Refusal):
    """Key and certificate of the node cannot be read or do not belong together; `file` says where."""

    kind = Kind.WRONG_STATE
    reason = "CREDENTIALS_UNREADABLE"


class PortTaken(Refusal):
    """The address to listen on is in use or not this machine's; `address` names it."""

    kind = Kind.WRONG_STATE
    reason = "PORT_TAKEN"
