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
