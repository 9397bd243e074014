"""The terminal's side of SCP11a: mutual authentication with certificates (GlobalPlatform Amendment F)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.card import tlv
from services.card.apdu import SHORT_LE, Channel, Command
from services.card.refusals import AccessMissing, CardNotAuthentic, TerminalRefused
from services.card.securechannel import (
    ChannelBroken,
    HostEnd,
    agree_scp11a,
    decode_point,
    scp11a_request,
    verify_receipt,
)
from services.card.terminal.card_certificate import CardAnchors
from services.card.terminal.key import TerminalKey
from services.card.terminal.status import succeed
from services.card.terminal.transport import SecureChannel

ANCHOR_KEY, STATIC_KEY = 0x10, 0x11
_ISSUING = 0x90
_POINT, _RECEIPT = 0x5F49, 0x86


@dataclass(frozen=True, slots=True, repr=False)
class TerminalAccess:
    """Access as a terminal: its key and certificate, and whose cards it believes."""

    terminal: TerminalKey
    anchors: CardAnchors


@dataclass(frozen=True, slots=True)
class CardKeys:
    """What a terminal must know of a card before it can agree on keys with it."""

    anchor_version: int
    """Version of the key by which the card checks terminals."""
    static_version: int
    """Version of the key that proves the card."""
    static_key: ec.EllipticCurvePublicKey
    """The public key of that, from a certificate that was verified."""


def open_scp11a(transport: Channel, terminal: TerminalKey, card: CardKeys) -> SecureChannel:
    """Authenticates both ends to the selected application.

    Refuses TERMINAL_REFUSED when the card does not accept our certificate, CARD_NOT_AUTHENTIC when it does not have the
    key that its certificate names.
    """
    _present(transport, terminal, card.anchor_version)
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    request = scp11a_request(ephemeral.public_key())
    answer = succeed(transport.transmit(Command(0x80, 0x82, card.static_version, STATIC_KEY, request, SHORT_LE)))
    try:
        point, receipt = tlv.parse_exactly(answer, _POINT, _RECEIPT)
        card_ephemeral = decode_point(point)
        agreement = agree_scp11a(
            ephemeral, terminal.key, card_ephemeral, card.static_key, request=request, card_ephemeral=card_ephemeral
        )
        verify_receipt(agreement.receipt, receipt)
    except (ValueError, ChannelBroken):
        raise CardNotAuthentic("keep the card: it does not have the key that its certificate names") from None
    return SecureChannel(transport, HostEnd(agreement.keys, agreement.receipt))


def _present(transport: Channel, terminal: TerminalKey, version: int) -> None:
    """Shows our certificate, below its issuing authority's if the card does not hold that authority's own key."""
    leaf = Command(0x80, 0x2A, version, ANCHOR_KEY, terminal.certificate.public_bytes(Encoding.DER))
    try:
        if terminal.issuing is not None:
            issuing = Command(0x80, 0x2A, version, _ISSUING, terminal.issuing.public_bytes(Encoding.DER))
            # Refused, it may be the very authority that the card holds as anchor: then the card takes the leaf alone.
            with suppress(AccessMissing):
                succeed(transport.transmit(issuing))
        succeed(transport.transmit(leaf))
    except AccessMissing:
        raise TerminalRefused("use a terminal whose certificate this card's issuer accepts") from None
