"""Every reason for which the exchange refuses a call, or holds an envelope."""

from __future__ import annotations

from dataclasses import dataclass

from services.foundation.refusals import Kind, Refusal


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an alarm keeps: who, at which place of the stream, the hash of the body kept and of the body refused."""

    reason: str
    sender: str
    sequence: int
    kept_hash: bytes
    refused_hash: bytes


class EnvelopeMalformed(Refusal):
    """Bytes are not an envelope, or hold more than one; `fault` says what is wrong."""

    reason = "ENVELOPE_MALFORMED"


class BatchTooLarge(Refusal):
    """A call has more envelopes than the receiver takes at once."""

    reason = "BATCH_TOO_LARGE"


class SignerUnknown(Refusal):
    """No certificate is at hand, or none that this node trusts, for the key that signed; `signer` is its hash."""

    kind = Kind.WRONG_STATE
    reason = "SIGNER_UNKNOWN"


class SenderMismatch(Refusal):
    """An envelope's sender is not the peer that delivers it, or not the node that its signing key belongs to."""

    kind = Kind.DENIED
    reason = "SENDER_MISMATCH"


class SequenceGap(Refusal):
    """Envelopes are missing before this one; `expected` is the sequence to go on from."""

    kind = Kind.WRONG_STATE
    reason = "SEQUENCE_GAP"


class AlarmingRefusal(Refusal):
    """A refusal for which no honest sender gives cause; its evidence outlives the call."""

    kind = Kind.DENIED

    def __init__(self, advice: str, sender: str, sequence: int, kept_hash: bytes, refused_hash: bytes) -> None:
        super().__init__(advice, sender=sender, sequence=sequence)
        self.evidence = Evidence(self.reason, sender, sequence, kept_hash, refused_hash)


class SignatureInvalid(AlarmingRefusal):
    """The signature is not the signing key's over this body."""

    reason = "SIGNATURE_INVALID"


class HashLinkBroken(AlarmingRefusal):
    """An envelope does not continue the one that was received before it."""

    reason = "HASH_LINK_BROKEN"


class Equivocation(AlarmingRefusal):
    """The sender signed two different bodies for one place of its stream."""

    reason = "EQUIVOCATION"


class BehindQuarantined(Refusal):
    """An earlier envelope of the same line is quarantined."""

    kind = Kind.WRONG_STATE
    reason = "BEHIND_QUARANTINED"


class RelayedBefore(Refusal):
    """The relayed envelope was received before, in another envelope of the same sender."""

    kind = Kind.CONFLICT
    reason = "RELAYED_BEFORE"


class SupersedesNothing(Refusal):
    """The envelope whose place this one takes was replaced already, or belongs to another origin."""

    kind = Kind.WRONG_STATE
    reason = "SUPERSEDES_NOTHING"


class EnvelopeNotHeld(Refusal):
    """The envelope is not quarantined, nor does it wait behind one that is."""

    kind = Kind.ABSENT
    reason = "ENVELOPE_NOT_HELD"


class PositionAhead(Refusal):
    """The receiver has more of this node's stream than this node: the database was restored from an older state."""

    kind = Kind.WRONG_STATE
    reason = "POSITION_AHEAD"


class PositionForked(Refusal):
    """The receiver has another envelope of this node at its position than this node made."""

    kind = Kind.WRONG_STATE
    reason = "POSITION_FORKED"


UNTRUSTED = (SignatureInvalid.reason, SenderMismatch.reason, SignerUnknown.reason, EnvelopeMalformed.reason)
"""Reasons for which a relayed envelope is not known to be its origin's."""

NOT_KEPT = (*UNTRUSTED, Equivocation.reason)
"""Reasons for which a relayed envelope does not stand for its place in its origin's stream."""
