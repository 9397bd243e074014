"""Which refusal each status word of a card is."""

from __future__ import annotations

from collections.abc import Mapping

from services.card.apdu import Response, StatusWord, tries_left
from services.card.refusals import (
    AccessMissing,
    ApplicationUnknown,
    CardFailed,
    CardFull,
    CardRefused,
    ChannelTampered,
    ContentRefused,
    FileUnknown,
    KeyUnknown,
    ObjectExists,
    PinBlocked,
    PinMalformed,
    PinUnset,
    PinWrong,
    StateForbids,
)
from services.foundation.refusals import Refusal

Refusals = Mapping[int, tuple[type[Refusal], str]]

_REFUSALS: Refusals = {
    StatusWord.MEMORY_FAILURE: (CardFailed, "withdraw the card: its memory or its signatures cannot be relied on"),
    StatusWord.WRONG_LENGTH: (ContentRefused, "give data of a length that the card's specification has"),
    StatusWord.SECURITY_STATUS: (AccessMissing, "verify the PIN, or open the session that the operation needs, first"),
    StatusWord.PIN_BLOCKED: (PinBlocked, "have the issuer unblock the PIN"),
    StatusWord.REFERENCE_UNUSABLE: (PinUnset, "have the issuer set the PIN"),
    StatusWord.CONDITIONS: (StateForbids, "bring the card or the application into the state that this needs"),
    StatusWord.SECURE_MESSAGING_INCORRECT: (ChannelTampered, "open another session with the card"),
    StatusWord.DATA_INVALID: (ContentRefused, "give data of the form that the card's specification has"),
    StatusWord.FILE_UNKNOWN: (FileUnknown, "name a file that the application has, and that has been written"),
    StatusWord.RECORD_UNKNOWN: (FileUnknown, "name a record that the file has"),
    StatusWord.NO_SPACE: (CardFull, "delete something, or ask for less"),
    StatusWord.REFERENCE_UNKNOWN: (KeyUnknown, "name a key or data object that the card has"),
    StatusWord.FILE_EXISTS: (ObjectExists, "delete the one that is there first, or replace it"),
    StatusWord.OFFSET: (ContentRefused, "stay within the file"),
}
_MALFORMED_PIN = (PinMalformed, "give a PIN of the length and characters that the application asks for")

SELECTING: Refusals = {
    StatusWord.FILE_UNKNOWN: (ApplicationUnknown, "use a card that has the application and is not locked")
}
"""What differs when an application is selected."""
GIVING_A_PIN: Refusals = {StatusWord.WRONG_LENGTH: _MALFORMED_PIN, StatusWord.DATA_INVALID: _MALFORMED_PIN}
"""What differs when a PIN is verified or set."""


def succeed(response: Response, differing: Refusals | None = None) -> bytes:
    """Returns the data of an answer 9000 or with a warning 62xx; refuses as the table, or `differing`, says."""
    if response.is_success or response.sw >> 8 == 0x62:
        return response.data
    left = tries_left(response.sw)
    if left is not None:
        raise PinWrong("give the right PIN; at none left it is blocked", tries_left=left)
    refusal, advice = (differing or {}).get(response.sw) or _REFUSALS.get(
        response.sw, (CardRefused, "see the card's specification for the status word")
    )
    raise refusal(advice, sw=f"{response.sw:04X}")
