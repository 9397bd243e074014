"""Every reason for which the audit log refuses."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class AuditEntryMalformed(Refusal):
    """An entry has no canonical form, or a value in it is not of its form; `field` names it."""

    kind = Kind.MALFORMED
    reason = "AUDIT_ENTRY_MALFORMED"


class AuditEntryTooLarge(Refusal):
    """An entry would exceed 4,096 bytes; `bytes` says how many it has."""

    kind = Kind.MALFORMED
    reason = "AUDIT_ENTRY_TOO_LARGE"


class SaltUnreadable(Refusal):
    """A sealed salt does not open under this node's key: another key, another entry's salt, or altered bytes."""

    kind = Kind.WRONG_STATE
    reason = "SALT_UNREADABLE"


class IndexOutsideTree(Refusal):
    """The asked index or earlier size lies outside the tree of the asked size."""

    kind = Kind.ABSENT
    reason = "INDEX_OUTSIDE_TREE"


class NothingPublished(Refusal):
    """The log has no checkpoint yet."""

    kind = Kind.WRONG_STATE
    reason = "NOTHING_PUBLISHED"


class SizeNotPublished(Refusal):
    """The log has no checkpoint of the asked size."""

    kind = Kind.ABSENT
    reason = "SIZE_NOT_PUBLISHED"


class InclusionUnproved(Refusal):
    """A proof does not show that the leaf is in the tree at that index."""

    kind = Kind.MALFORMED
    reason = "INCLUSION_UNPROVED"


class ConsistencyUnproved(Refusal):
    """A proof does not show that the larger tree begins with the smaller one."""

    kind = Kind.MALFORMED
    reason = "CONSISTENCY_UNPROVED"


class KeyMalformed(Refusal):
    """A text is not a verifier key (C2SP signed-note), or its key id does not belong to its key."""

    kind = Kind.MALFORMED
    reason = "VERIFIER_KEY_MALFORMED"


class KeyUnsupported(Refusal):
    """A verifier key is well formed, but of an algorithm that is not verified here; `algorithm` is its number."""

    kind = Kind.MALFORMED
    reason = "VERIFIER_KEY_UNSUPPORTED"


class NoteMalformed(Refusal):
    """A text is not a signed note (C2SP signed-note)."""

    kind = Kind.MALFORMED
    reason = "NOTE_MALFORMED"


class NoteForged(Refusal):
    """A signature by a known key does not verify; the whole note is refused."""

    kind = Kind.DENIED
    reason = "NOTE_FORGED"


class NoteUnsigned(Refusal):
    """No signature on the note is by a known key."""

    kind = Kind.DENIED
    reason = "NOTE_UNSIGNED"


class CheckpointMalformed(Refusal):
    """A note's text is not a checkpoint, or it is one of another log."""

    kind = Kind.MALFORMED
    reason = "CHECKPOINT_MALFORMED"


class TlogProofMalformed(Refusal):
    """A text is not an offline proof (C2SP tlog-proof)."""

    kind = Kind.MALFORMED
    reason = "TLOG_PROOF_MALFORMED"


class TileAbsent(Refusal):
    """A tile that the tree needs is not there; `path` names it."""

    kind = Kind.ABSENT
    reason = "TILE_ABSENT"


class LogTampered(Refusal):
    """The table, the tiles and the published checkpoint do not agree; `what` says which."""

    kind = Kind.WRONG_STATE
    reason = "LOG_TAMPERED"


class PublisherElsewhere(Refusal):
    """Another process has published a checkpoint of this log since this one started."""

    kind = Kind.STALE
    reason = "PUBLISHER_ELSEWHERE"


class PolicyMalformed(Refusal):
    """A text is not a policy (C2SP tlog-policy), or not this log's; `line` says where, 0 for the whole."""

    kind = Kind.MALFORMED
    reason = "LOG_POLICY_MALFORMED"


class QuorumMissing(Refusal):
    """Too few of the policy's witnesses have cosigned a checkpoint."""

    kind = Kind.DENIED
    reason = "LOG_QUORUM_MISSING"
