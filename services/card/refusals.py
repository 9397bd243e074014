"""Every reason for which the card tier refuses, besides those of the rooms it stands on."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal

# --- readers ---------------------------------------------------------------------------------------------------------


class PcscUnavailable(Refusal):
    """The machine's card service (PC/SC) is not installed or does not run; the advice says which."""

    kind = Kind.UNREACHABLE
    reason = "PCSC_UNAVAILABLE"


class ReaderUnknown(Refusal):
    """No reader has that name; `reader` repeats it."""

    kind = Kind.ABSENT
    reason = "READER_UNKNOWN"


class ReaderGone(Refusal):
    """The reader was unplugged, or its service stopped, while it was in use."""

    kind = Kind.UNREACHABLE
    reason = "READER_GONE"


class ReaderBusy(Refusal):
    """Somebody else, perhaps another program, holds the card in the reader."""

    kind = Kind.STALE
    reason = "READER_BUSY"


class CardAbsent(Refusal):
    """There is no card in the reader."""

    kind = Kind.WRONG_STATE
    reason = "CARD_ABSENT"


class CardPresent(Refusal):
    """There is a card in the reader already."""

    kind = Kind.CONFLICT
    reason = "CARD_PRESENT"


class CardMute(Refusal):
    """The card in the reader does not answer, or not in time; nothing more is said to it before it is taken out."""

    kind = Kind.UNREACHABLE
    reason = "CARD_MUTE"


class CardRemoved(Refusal):
    """The card was taken out, or lost power, in the middle; whatever it had proved or was asked is void."""

    kind = Kind.WRONG_STATE
    reason = "CARD_REMOVED"


class SessionEnded(Refusal):
    """The session with the card has ended; open another."""

    kind = Kind.WRONG_STATE
    reason = "CARD_SESSION_ENDED"


# --- what the card answers -------------------------------------------------------------------------------------------


class CardRefused(Refusal):
    """The card answered with a status word that has no better name; `sw` is that, four hexadecimal digits."""

    kind = Kind.WRONG_STATE
    reason = "CARD_REFUSED"


class AccessMissing(Refusal):
    """The card wants a PIN or a mutual authentication first (6982)."""

    kind = Kind.DENIED
    reason = "CARD_ACCESS_MISSING"


class PinWrong(Refusal):
    """The PIN is not the card's; `tries_left` says how often it may still be tried."""

    kind = Kind.DENIED
    reason = "PIN_WRONG"


class PinBlocked(Refusal):
    """No tries are left; the issuer can unblock the PIN."""

    kind = Kind.WRONG_STATE
    reason = "PIN_BLOCKED"


class PinUnset(Refusal):
    """The PIN has never been set; personalisation sets it."""

    kind = Kind.WRONG_STATE
    reason = "PIN_UNSET"


class PinMalformed(Refusal):
    """The PIN does not have the form that the application asks for; nothing was tried."""

    kind = Kind.MALFORMED
    reason = "PIN_MALFORMED"


class StateForbids(Refusal):
    """The card's or the application's state does not allow it (6985)."""

    kind = Kind.WRONG_STATE
    reason = "CARD_STATE_FORBIDS"


class ApplicationUnknown(Refusal):
    """The card has no such application, or is locked."""

    kind = Kind.ABSENT
    reason = "APPLICATION_UNKNOWN"


class ObjectExists(Refusal):
    """The card has that application, file or key already."""

    kind = Kind.CONFLICT
    reason = "CARD_OBJECT_EXISTS"


class FileUnknown(Refusal):
    """The application has no such file or record, or nothing has been written to it."""

    kind = Kind.ABSENT
    reason = "CARD_FILE_UNKNOWN"


class KeyUnknown(Refusal):
    """The application has no such key, key version or data object."""

    kind = Kind.ABSENT
    reason = "CARD_KEY_UNKNOWN"


class ContentRefused(Refusal):
    """The card does not take the data: not of their form, or not of a length that it has."""

    kind = Kind.MALFORMED
    reason = "CARD_CONTENT_REFUSED"


class CardFull(Refusal):
    """The quota or the card's memory does not suffice."""

    kind = Kind.LIMITED
    reason = "CARD_FULL"


class CardFailed(Refusal):
    """The card found that its memory, or a signature that it had made, is wrong; nothing was released."""

    kind = Kind.WRONG_STATE
    reason = "CARD_FAILED"


class ApplicationLeft(Refusal):
    """Another application was selected since, so what was proved to this one is forgotten; open it again."""

    kind = Kind.WRONG_STATE
    reason = "APPLICATION_LEFT"


# --- who is at the other end -----------------------------------------------------------------------------------------


class CardNotAuthentic(Refusal):
    """The card could not prove who it is, or its certificate does not lead to an issuer that is trusted here."""

    kind = Kind.DENIED
    reason = "CARD_NOT_AUTHENTIC"


class TerminalRefused(Refusal):
    """The card does not accept this terminal: its certificate, its role, or its keys."""

    kind = Kind.DENIED
    reason = "TERMINAL_REFUSED"


class ChannelTampered(Refusal):
    """A protected answer or command was changed on its way; the session with the card has ended."""

    kind = Kind.DENIED
    reason = "CARD_CHANNEL_TAMPERED"


class TerminalKeyUnreadable(Refusal):
    """The terminal's key or certificate is missing, damaged, or they do not belong together; `file` names it."""

    kind = Kind.WRONG_STATE
    reason = "TERMINAL_KEY_UNREADABLE"


# --- the node --------------------------------------------------------------------------------------------------------


class SessionUnknown(Refusal):
    """There is no such session, it has ended, or it is another caller's."""

    kind = Kind.ABSENT
    reason = "CARD_SESSION_UNKNOWN"


class CursorMalformed(Refusal):
    """The cursor is none that a watch gave."""

    reason = "CURSOR_MALFORMED"


class CardBlank(Refusal):
    """The card is nobody's yet; it is issued, not used."""

    kind = Kind.WRONG_STATE
    reason = "CARD_BLANK"


class CardTerminated(Refusal):
    """The card has been ended and erased."""

    kind = Kind.WRONG_STATE
    reason = "CARD_TERMINATED"


class CardRecalled(Refusal):
    """The card's batch has been recalled: the card is locked, and stays so."""

    kind = Kind.WRONG_STATE
    reason = "CARD_RECALLED"


class CardNotOurs(Refusal):
    """The card was issued by another municipality, whose keys are needed for this."""

    kind = Kind.DENIED
    reason = "CARD_NOT_OURS"


class IssuerKeysAbsent(Refusal):
    """The issuer's PKCS #11 token, or a key in it, is not there; the advice says what to install or set."""

    kind = Kind.WRONG_STATE
    reason = "ISSUER_KEYS_ABSENT"


class IssuerTokenFailed(Refusal):
    """The issuer's PKCS #11 token gave up; `error` is its name for it."""

    kind = Kind.UNREACHABLE
    reason = "ISSUER_TOKEN_FAILED"


class CertificateMalformed(Refusal):
    """What was given as a certificate is none."""

    reason = "CERTIFICATE_MALFORMED"


class CertificateNotForKey(Refusal):
    """The certificate is for another key than the card's."""

    kind = Kind.WRONG_STATE
    reason = "CERTIFICATE_NOT_FOR_KEY"


class DigestLength(Refusal):
    """The digest is not as long as its algorithm makes it, or the key signs no digest of that algorithm."""

    reason = "DIGEST_LENGTH"


class ChallengeLength(Refusal):
    """A challenge has 16 to 64 octets."""

    reason = "CHALLENGE_LENGTH"


class ServiceNumberOutOfRange(Refusal):
    """A service's number is 1 to 65,535."""

    reason = "SERVICE_NUMBER_OUT_OF_RANGE"


class QuotaOutOfRange(Refusal):
    """A quota is 1 to 32,768 octets."""

    reason = "QUOTA_OUT_OF_RANGE"


class PinRuleOutOfRange(Refusal):
    """A PIN has 1 to 16 characters, the least not above the most, and 1 to 15 tries."""

    reason = "PIN_RULE_OUT_OF_RANGE"


class FileOutOfRange(Refusal):
    """File number, offset or size is outside what the card has; `field` says which."""

    reason = "FILE_OUT_OF_RANGE"


class CardNotBlank(Refusal):
    """The card in the reader is somebody's, or of another issuer; use a blank one."""

    kind = Kind.WRONG_STATE
    reason = "CARD_NOT_BLANK"


class CardBeingIssued(Refusal):
    """An issue of this card has stopped in the middle: repeat that request, or abandon the issue."""

    kind = Kind.WRONG_STATE
    reason = "CARD_BEING_ISSUED"


class CardOfAnotherRequest(Refusal):
    """The request has begun with another card: put that one into the reader, `card` names it."""

    kind = Kind.WRONG_STATE
    reason = "CARD_OF_ANOTHER_REQUEST"


class CardNotBeingIssued(Refusal):
    """No issue of this card has stopped in the middle."""

    kind = Kind.WRONG_STATE
    reason = "CARD_NOT_BEING_ISSUED"


class CardExpired(Refusal):
    """The last day on which the card would be good has passed, or is more than ten years ahead."""

    reason = "CARD_EXPIRED"


class PinMissing(Refusal):
    """A PIN that the card has is not given, or one is given that it does not have; `pin` says which."""

    reason = "PIN_MISSING"


class PhotographMalformed(Refusal):
    """The photograph is no JPEG, or larger than 12,288 octets."""

    reason = "PHOTOGRAPH_MALFORMED"


class BatchUnknown(Refusal):
    """No card of that batch was issued here."""

    kind = Kind.ABSENT
    reason = "BATCH_UNKNOWN"


class CardBatchTooLarge(Refusal):
    """A batch has at most 100 cards a request."""

    reason = "BATCH_TOO_LARGE"


class ItemTwice(Refusal):
    """Two items of a batch have the same request id or holder."""

    reason = "LISTED_TWICE"


class CardUnknown(Refusal):
    """There is no software card of that number on the shelf."""

    kind = Kind.ABSENT
    reason = "CARD_UNKNOWN"


class TrustUnreadable(Refusal):
    """Certificates of card issuers, or the network's roots, are missing or damaged; `file` names them."""

    kind = Kind.WRONG_STATE
    reason = "CARD_TRUST_UNREADABLE"
