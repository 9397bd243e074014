"""The terminal's side of SCP03: mutual authentication with keys that both ends share (GlobalPlatform Amendment D)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from services.card.apdu import SHORT_LE, Channel, Command, StatusWord
from services.card.refusals import AccessMissing, CardNotAuthentic, TerminalRefused
from services.card.securechannel import (
    CHALLENGE_SIZE,
    SECURITY_LEVEL,
    HostEnd,
    StaticKeys,
    card_cryptogram,
    derive_scp03,
    host_cryptogram,
)
from services.card.terminal.status import succeed
from services.card.terminal.transport import SecureChannel

KeySource = Callable[[bytes, int], StaticKeys]
"""Gives the keys of a card by its number (10 octets) and the version of its key set."""

NUMBER_SIZE = 10
_ANSWER_SIZE = NUMBER_SIZE + 3 + CHALLENGE_SIZE + 8


@dataclass(frozen=True, slots=True, repr=False)
class KeyAccess:
    """Access as the issuer, or as an own service: whoever has the keys."""

    keys: StaticKeys | KeySource
    version: int = 0
    """The version of the key set, 01 to 7F; 0 for the card's lowest."""

    def keys_of(self, number: bytes, version: int) -> StaticKeys:
        """Gives the keys for a card."""
        return self.keys if isinstance(self.keys, StaticKeys) else self.keys(number, version)


def open_scp03(transport: Channel, access: KeyAccess) -> SecureChannel:
    """Authenticates both ends to the selected application.

    Refuses CARD_NOT_AUTHENTIC when the card has other keys, TERMINAL_REFUSED when it finds that of us, CARD_KEY_UNKNOWN
    for a version that it does not have.
    """
    host_challenge = secrets.token_bytes(CHALLENGE_SIZE)
    start = Command(0x80, 0x50, access.version, 0x00, host_challenge, SHORT_LE)
    answer = succeed(transport.transmit(start))
    if len(answer) != _ANSWER_SIZE:
        raise CardNotAuthentic("use a card of the specification: its answer has another length")
    number, version, rest = answer[:NUMBER_SIZE], answer[NUMBER_SIZE], answer[NUMBER_SIZE + 3 :]
    card_challenge, cryptogram = rest[:CHALLENGE_SIZE], rest[CHALLENGE_SIZE:]
    keys = derive_scp03(access.keys_of(number, version), host_challenge, card_challenge)
    if not hmac.compare_digest(cryptogram, card_cryptogram(keys, host_challenge, card_challenge)):
        raise CardNotAuthentic("use the keys of this card", version=version)
    end = HostEnd(keys)
    proof = Command(0x80, 0x82, SECURITY_LEVEL, 0x00, host_cryptogram(keys, host_challenge, card_challenge))
    try:
        succeed(transport.transmit(end.authenticate(proof)))
    except AccessMissing:
        raise TerminalRefused("use the keys of this card", sw=f"{StatusWord.SECURITY_STATUS:04X}") from None
    return SecureChannel(transport, end)
