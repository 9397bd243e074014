"""Every reason for which the ceremony refuses."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class SettingsMalformed(Refusal):
    """The settings file lacks a key, has a strange one, or holds a value that is not of its form; `key` names it."""

    kind = Kind.MALFORMED
    reason = "PKI_SETTINGS_MALFORMED"


class SettingsDiffer(Refusal):
    """A certificate that exists does not hold what the settings now say it should; `file` names it."""

    kind = Kind.WRONG_STATE
    reason = "PKI_SETTINGS_DIFFER"


class StateAbsent(Refusal):
    """The state directory holds no root or no such authority: the ceremony was not held here."""

    kind = Kind.WRONG_STATE
    reason = "PKI_STATE_ABSENT"


class StateBusy(Refusal):
    """Another ceremony is at work in the same state directory."""

    kind = Kind.STALE
    reason = "PKI_STATE_BUSY"


class AuthorityUnknown(Refusal):
    """No authority of this network may vouch for the node; `authority` names the missing one."""

    kind = Kind.ABSENT
    reason = "PKI_AUTHORITY_UNKNOWN"


class AuthorityExpired(Refusal):
    """The certificate that would sign has ended; `issuer` names it."""

    kind = Kind.WRONG_STATE
    reason = "PKI_AUTHORITY_EXPIRED"


class RootKeyAbsent(Refusal):
    """The root must sign, and its key is not here (kept offline in deployments)."""

    kind = Kind.WRONG_STATE
    reason = "PKI_ROOT_KEY_ABSENT"


class KeyExists(Refusal):
    """A key stands where a new one was to be written; keys are never overwritten. `file` names it."""

    kind = Kind.CONFLICT
    reason = "PKI_KEY_EXISTS"


class KeyUnreadable(Refusal):
    """A key, certificate or register in the state directory is damaged or not its own; `file` names it."""

    kind = Kind.WRONG_STATE
    reason = "PKI_KEY_UNREADABLE"


class NodeUnissued(Refusal):
    """The node was never issued a certificate here."""

    kind = Kind.ABSENT
    reason = "PKI_NODE_UNISSUED"


class ReasonUnknown(Refusal):
    """The reason for a revocation is not one that RFC 5280 §5.3.1 names."""

    kind = Kind.MALFORMED
    reason = "PKI_REASON_UNKNOWN"
