"""Every reason for which identity-confirmation information is not changed or not told."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class ChangeRefused(Refusal):
    """A change that a municipality reports cannot be applied; the exchange holds it back."""


class ChangeMalformed(ChangeRefused):
    """A reported change is not of its form; `field` is its path and `form` the reason of the value that refused."""

    kind = Kind.MALFORMED
    reason = "CHANGE_MALFORMED"


class ReasonNotNotified(ChangeRefused):
    """Changes with this reason concern the household and stay in the municipality."""

    kind = Kind.MALFORMED
    reason = "REASON_NOT_NOTIFIED"


class ChangeDateImpossible(ChangeRefused):
    """The day of the change contradicts its processing, its reason or the birth; `form` says which."""

    kind = Kind.MALFORMED
    reason = "CHANGE_DATE_IMPOSSIBLE"


class ProcessTimeInFuture(ChangeRefused):
    """The municipality's clock is ahead; the order of two municipalities' entries is told by it."""

    kind = Kind.WRONG_STATE
    reason = "PROCESS_TIME_IN_FUTURE"


class ChangeOfAnotherMunicipality(ChangeRefused):
    """A municipality speaks for a resident who is not its own."""

    kind = Kind.DENIED
    reason = "CHANGE_OF_ANOTHER_MUNICIPALITY"


class MunicipalityOutsidePrefecture(ChangeRefused):
    """A prefecture relays the change of a municipality that is not of its own."""

    kind = Kind.DENIED
    reason = "MUNICIPALITY_OUTSIDE_PREFECTURE"


class MunicipalityUnknown(ChangeRefused):
    """The directory has no municipality of this code that keeps a register."""

    kind = Kind.MALFORMED
    reason = "MUNICIPALITY_UNKNOWN"


class MunicipalityAbolished(ChangeRefused):
    """The municipality no longer existed on the day of the change; the advice names its successors."""

    kind = Kind.WRONG_STATE
    reason = "MUNICIPALITY_ABOLISHED"


class MunicipalityNotYet(ChangeRefused):
    """The municipality did not exist yet on the day it processed the change."""

    kind = Kind.WRONG_STATE
    reason = "MUNICIPALITY_NOT_YET"


class RecordUnknown(ChangeRefused):
    """There is no record that the change could be about; `wait_key` names the resident whose entry is waited for."""

    kind = Kind.ABSENT
    reason = "RECORD_UNKNOWN"


class ResidentAlreadyRegistered(ChangeRefused):
    """The resident enters where they live already."""

    kind = Kind.CONFLICT
    reason = "RESIDENT_ALREADY_REGISTERED"


class ResidentLiveElsewhere(ChangeRefused):
    """The resident enters while another municipality still has them; retry when that one reports the departure.

    `wait_key` names, without saying who it is, the resident whose departure is waited for.
    """

    kind = Kind.WRONG_STATE
    reason = "RESIDENT_LIVE_ELSEWHERE"


class ResidentDeceased(ChangeRefused):
    """The resident died; only the cancellation of the death may follow."""

    kind = Kind.WRONG_STATE
    reason = "RESIDENT_DECEASED"


class ResidentNotLive(ChangeRefused):
    """The record was removed; it must be entered or restored before it changes again."""

    kind = Kind.WRONG_STATE
    reason = "RESIDENT_NOT_LIVE"


class ResidentCodeTaken(ChangeRefused):
    """The code is another resident's, or was one's; a code is never given again."""

    kind = Kind.CONFLICT
    reason = "RESIDENT_CODE_TAKEN"


class ResidentCodeChanged(ChangeRefused):
    """The change names a code that the resident no longer has."""

    kind = Kind.WRONG_STATE
    reason = "RESIDENT_CODE_CHANGED"


class PurposeUnknown(Refusal):
    """The table has no such affair."""

    kind = Kind.DENIED
    reason = "PURPOSE_UNKNOWN"


class PurposeNotGranted(Refusal):
    """The law does not name the caller for this affair at this node; `article` is the one that names others."""

    kind = Kind.DENIED
    reason = "PURPOSE_NOT_GRANTED"


class PurposeSwitchedOff(Refusal):
    """The affair is a prefectural one, and this prefecture has not switched it on."""

    kind = Kind.DENIED
    reason = "PURPOSE_SWITCHED_OFF"


class PurposeNotInForce(Refusal):
    """The affair or the grant is not in force today; `effective_from` or `effective_until` says when it is or was."""

    kind = Kind.DENIED
    reason = "PURPOSE_NOT_IN_FORCE"


class WayNotGranted(Refusal):
    """The affair does not allow asking this way; `ways` lists those it allows."""

    kind = Kind.DENIED
    reason = "WAY_NOT_GRANTED"


class CaseNumberMalformed(Refusal):
    """A case number is 1 to 64 letters, digits, `.`, `_`, `/` or `-`."""

    kind = Kind.MALFORMED
    reason = "CASE_NUMBER_MALFORMED"


class QuotaExhausted(Refusal):
    """The body has asked about as many residents as it may in a day for this affair; `quota` says how many."""

    kind = Kind.LIMITED
    reason = "QUOTA_EXHAUSTED"


class PaceExceeded(Refusal):
    """The body asks faster than it may for this affair; `pace` says how many residents a second."""

    kind = Kind.LIMITED
    reason = "PACE_EXCEEDED"


class HandOverNotGranted(Refusal):
    """The table does not let the caller have an identifier of that body for this affair."""

    kind = Kind.DENIED
    reason = "HAND_OVER_NOT_GRANTED"


class PurposesOrderRefused(Refusal):
    """The order by which a purposes table is to be adopted does not hold; `form` says why."""

    kind = Kind.DENIED
    reason = "PURPOSES_ORDER_REFUSED"


class PurposesVersionDiffers(Refusal):
    """The node and the tier above or below have held different purposes tables for longer than the grace."""

    kind = Kind.UNREACHABLE
    reason = "PURPOSES_VERSION_DIFFERS"


class PurposesNotReady(Refusal):
    """The node has just started and has not adopted a purposes table yet."""

    kind = Kind.UNREACHABLE
    reason = "PURPOSES_NOT_READY"


class PairwiseKeyAbsent(Refusal):
    """The key of the pairwise identifiers cannot be used; `where` says whether the token or a file was to hold it."""

    kind = Kind.UNREACHABLE
    reason = "PAIRWISE_KEY_ABSENT"


class PurposesTableRefused(Refusal):
    """The purposes data cannot be used; `file` and `row` say where, and the node does not start."""

    kind = Kind.MALFORMED
    reason = "PURPOSES_TABLE_REFUSED"


class HeaderMissing(Refusal):
    """A bulk stream begins with its header, which comes once."""

    kind = Kind.MALFORMED
    reason = "HEADER_MISSING"


class BatchOutOfOrder(Refusal):
    """The numbers of a bulk stream's batches rise by one; `expected` says which comes next."""

    kind = Kind.MALFORMED
    reason = "BATCH_OUT_OF_ORDER"


class BatchTooLarge(Refusal):
    """A batch has more questions than `limit`."""

    kind = Kind.MALFORMED
    reason = "BATCH_TOO_LARGE"


class TooManyCodes(Refusal):
    """More residents are asked about than `limit`."""

    kind = Kind.MALFORMED
    reason = "TOO_MANY_CODES"
