"""Every reason for which the municipality refuses, besides those of the rooms it stands on."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class ResidentNotFound(Refusal):
    """The municipality has no record of that name."""

    kind = Kind.ABSENT
    reason = "RESIDENT_NOT_FOUND"


class HouseholdNotFound(Refusal):
    """There is no household of that name, or nobody is in it any more."""

    kind = Kind.ABSENT
    reason = "HOUSEHOLD_NOT_FOUND"


class NotificationNotFound(Refusal):
    """The municipality has sent no change under that sequence."""

    kind = Kind.ABSENT
    reason = "NOTIFICATION_NOT_FOUND"


class RecordChanged(Refusal):
    """Somebody else has acted on the record since the caller read it."""

    kind = Kind.STALE
    reason = "RECORD_CHANGED"


class RecordRemoved(Refusal):
    """The person has moved out, died, or been removed by office; only a cancellation is possible."""

    kind = Kind.WRONG_STATE
    reason = "RECORD_REMOVED"


class ResidentAlreadyRegistered(Refusal):
    """A live record here has that code, or the same four attributes under the folding."""

    kind = Kind.CONFLICT
    reason = "RESIDENT_ALREADY_REGISTERED"


class ResidentCodeTaken(Refusal):
    """The code belongs, or belonged, to another record here, or nobody was given it yet."""

    kind = Kind.CONFLICT
    reason = "RESIDENT_CODE_TAKEN"


class CodePoolEmpty(Refusal):
    """Fewer resident codes are left than the act needs."""

    kind = Kind.LIMITED
    reason = "CODE_POOL_EMPTY"


class ListedTwice(Refusal):
    """The request names the same resident or household twice."""

    kind = Kind.MALFORMED
    reason = "LISTED_TWICE"


class HeadMissing(Refusal):
    """A new household's first member is not its head."""

    kind = Kind.MALFORMED
    reason = "HEAD_MISSING"


class HeadTaken(Refusal):
    """A household would have two heads."""

    kind = Kind.WRONG_STATE
    reason = "HEAD_TAKEN"


class HeadLeftBehind(Refusal):
    """The head goes, several stay, and it is not said who heads them."""

    kind = Kind.WRONG_STATE
    reason = "HEAD_LEFT_BEHIND"


class HeadStays(Refusal):
    """A new head is named for those who stay, although their head stays too."""

    kind = Kind.WRONG_STATE
    reason = "HEAD_STAYS"


class AlreadyHead(Refusal):
    """The resident is the head of that household already."""

    kind = Kind.WRONG_STATE
    reason = "ALREADY_HEAD"


class RelationMissing(Refusal):
    """It is not said how a resident is related to the head of the household entered."""

    kind = Kind.MALFORMED
    reason = "RELATION_MISSING"


class NotAMember(Refusal):
    """The resident is not a live member of that household."""

    kind = Kind.WRONG_STATE
    reason = "NOT_A_MEMBER"


class MemberMissing(Refusal):
    """The request leaves out a member of the household that it dissolves."""

    kind = Kind.WRONG_STATE
    reason = "MEMBER_MISSING"


class NobodyStays(Refusal):
    """A split would take everybody."""

    kind = Kind.WRONG_STATE
    reason = "NOBODY_STAYS"


class SameHousehold(Refusal):
    """The household entered is the one that is left."""

    kind = Kind.WRONG_STATE
    reason = "SAME_HOUSEHOLD"


class AddressDiffers(Refusal):
    """The household entered is at another address."""

    kind = Kind.WRONG_STATE
    reason = "ADDRESS_DIFFERS"


class AddressMissing(Refusal):
    """A new household is made and no address is given."""

    kind = Kind.MALFORMED
    reason = "ADDRESS_MISSING"


class NothingChanged(Refusal):
    """The record says already what the act would make it say."""

    kind = Kind.WRONG_STATE
    reason = "NOTHING_CHANGED"


class ReasonNotACorrection(Refusal):
    """The reason given is not one by which a record is corrected."""

    kind = Kind.MALFORMED
    reason = "REASON_NOT_A_CORRECTION"


class ReasonDoesNotCover(Refusal):
    """The correction changes an attribute that its reason does not cover."""

    kind = Kind.MALFORMED
    reason = "REASON_DOES_NOT_COVER"


class ReasonNotNotified(Refusal):
    """The reason given is one of which the prefecture hears nothing."""

    reason = "REASON_NOT_NOTIFIED"


class ReasonNotOfRecord(Refusal):
    """A notification would be sent again with a reason that neither its act nor the record bears out."""

    kind = Kind.WRONG_STATE
    reason = "REASON_NOT_OF_RECORD"


class NothingToCancel(Refusal):
    """The newest row of the record is a cancellation itself."""

    kind = Kind.WRONG_STATE
    reason = "NOTHING_TO_CANCEL"


class NotCancellable(Refusal):
    """The newest event cannot be undone: a change of code, or one that others have built upon."""

    kind = Kind.WRONG_STATE
    reason = "NOT_CANCELLABLE"


class DateInFuture(Refusal):
    """The event is dated after today and is none that may be planned ahead."""

    reason = "DATE_IN_FUTURE"


class DateNotifiedInFuture(Refusal):
    """The notification is dated after today."""

    reason = "DATE_NOTIFIED_IN_FUTURE"


class DateNotifiedBeforeEvent(Refusal):
    """The notification is dated before an event that can be notified only once it has happened."""

    reason = "DATE_NOTIFIED_BEFORE_EVENT"


class DateBeforeBirth(Refusal):
    """The event is dated before the birth."""

    reason = "DATE_BEFORE_BIRTH"


class DateNotOfBirth(Refusal):
    """A birth is reported for another day than the child's date of birth."""

    reason = "DATE_NOT_OF_BIRTH"


class DateBeforeEntry(Refusal):
    """The event is dated before the person became a resident here."""

    kind = Kind.WRONG_STATE
    reason = "DATE_BEFORE_ENTRY"


class DateTooFarAhead(Refusal):
    """The move-out is planned for a later day than the municipality takes notice of; `days` says how many it does."""

    reason = "DATE_TOO_FAR_AHEAD"


class MunicipalityUnknown(Refusal):
    """No municipality has that code."""

    reason = "MUNICIPALITY_UNKNOWN"


class MunicipalityAbolished(Refusal):
    """The municipality was abolished before the day of the event; the advice names its successors."""

    reason = "MUNICIPALITY_ABOLISHED"


class MunicipalityNotYet(Refusal):
    """The municipality did not exist yet on the day of the event."""

    reason = "MUNICIPALITY_NOT_YET"


class MunicipalityKeepsNoRegister(Refusal):
    """The code stands for a ward of a designated city, or a village without office: name the body that registers."""

    reason = "MUNICIPALITY_KEEPS_NO_REGISTER"


class MunicipalityIsOwn(Refusal):
    """A move names this very municipality as its other end."""

    reason = "MUNICIPALITY_IS_OWN"


class SearchTooWide(Refusal):
    """Nothing narrows the search: it needs a code, a name, or an address with something else."""

    reason = "SEARCH_TOO_WIDE"
