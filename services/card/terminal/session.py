"""One card, from the terminal's side: which application is open, and with what access."""

from __future__ import annotations

from typing import TypeVar

from services.card.apdu import Channel, Command
from services.card.terminal.application import Application, Selection
from services.card.terminal.applications import JPKI_AID, JUKI_NET_AID, OPERATOR_AID, Jpki, JukiNet, Operator
from services.card.terminal.domain import ANCHOR_KEY, DOMAIN_AID, STATIC_KEY, SecurityDomain
from services.card.terminal.own_service import OwnService
from services.card.terminal.scp03 import KeyAccess, open_scp03
from services.card.terminal.scp11 import CardKeys, TerminalAccess, open_scp11a
from services.card.terminal.status import SELECTING, succeed
from services.card.terminal.transport import Transport

A = TypeVar("A", bound=Application)
Access = KeyAccess | TerminalAccess | None
"""With what an application is opened: keys, a terminal's certificate, or nothing."""


class CardSession:
    """Opens one application at a time; opening another ends what was proved to the one before.

    It blocks: run its work with `ReaderSession.run`. Opening refuses APPLICATION_UNKNOWN, CARD_NOT_AUTHENTIC,
    TERMINAL_REFUSED, CARD_KEY_UNKNOWN.
    """

    def __init__(self, channel: Channel) -> None:
        self._transport = Transport(channel)
        self._selection: Selection | None = None
        self._card: CardKeys | None = None

    def security_domain(self, access: Access = None) -> SecurityDomain:
        """Opens the card manager: with the issuer's keys to change the card, without to read free data."""
        return self.open(SecurityDomain, DOMAIN_AID, access)

    def juki_net(self, access: Access) -> JukiNet:
        """Opens the juki-net application."""
        return self.open(JukiNet, JUKI_NET_AID, access)

    def jpki(self, access: Access = None) -> Jpki:
        """Opens the JPKI application; its holder needs no access but PINs."""
        return self.open(Jpki, JPKI_AID, access)

    def operator(self, access: Access = None) -> Operator:
        """Opens the operator application; its holder needs no access but the PIN."""
        return self.open(Operator, OPERATOR_AID, access)

    def own_service(self, aid: bytes, access: Access = None) -> OwnService:
        """Opens an own service."""
        return self.open(OwnService, aid, access)

    def open(self, kind: type[A], aid: bytes, access: Access) -> A:
        """Selects an application and authenticates to it; what was opened before is closed."""
        # The card's certificate can be read only from the security domain, so before the application is selected.
        card = self._learn(access) if isinstance(access, TerminalAccess) else None
        self._select(aid)
        channel: Channel = self._transport
        if isinstance(access, KeyAccess):
            channel = open_scp03(self._transport, access)
        elif isinstance(access, TerminalAccess) and card is not None:
            channel = open_scp11a(self._transport, access.terminal, card)
        self._selection = Selection(channel)
        return kind(self._selection)

    def _learn(self, access: TerminalAccess) -> CardKeys:
        if self._card is None:
            domain = self.security_domain()
            static = domain.version_of(STATIC_KEY)
            key = access.anchors.verify(domain.certificates(STATIC_KEY, static), domain.number())
            self._card = CardKeys(domain.version_of(ANCHOR_KEY), static, key)
        return self._card

    def _select(self, aid: bytes) -> None:
        if self._selection is not None:
            self._selection.leave()
        succeed(self._transport.transmit(Command(0x00, 0xA4, 0x04, 0x0C, aid)), SELECTING)
