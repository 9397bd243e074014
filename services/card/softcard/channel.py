"""What one logical channel keeps between commands: the selection, the session, half a command, half an answer."""

from __future__ import annotations

from dataclasses import replace

from services.card.apdu import MORE_DATA, Command, Response, StatusWord
from services.card.softcard.applet import Applet, Denied, require
from services.card.softcard.session import SecureSession

CHANNELS = 4
"""Logical channels that there can be, the basic one included."""
LONGEST_COMMAND = 16_384
"""Most octets of data of one command, a whole chain counted (the photograph fits with room)."""
_CHAINING = 0x10
_NUMBER = 0x03
_OTHER_SECURE_MESSAGING = 0x08
_FURTHER_INTERINDUSTRY = 0x40
_RESERVED = 0x20


def channel_of(cla: int) -> int:
    """Reads the number of the logical channel; refuses 6E00, 6881, 6882 for classes that this card does not have."""
    require(cla != 0xFF, StatusWord.CLASS)
    require(not cla & _FURTHER_INTERINDUSTRY, StatusWord.CHANNEL_NOT_SUPPORTED)
    require(not cla & _RESERVED, StatusWord.CLASS)
    require(not cla & _OTHER_SECURE_MESSAGING, StatusWord.SECURE_MESSAGING_NOT_SUPPORTED)
    return cla & _NUMBER


class LogicalChannel:
    """One open logical channel."""

    def __init__(self, applet: Applet, session: SecureSession) -> None:
        self.applet = applet
        self.session = session
        self._chain: Command | None = None
        self._rest = Response()

    def select(self, applet: Applet, session: SecureSession) -> None:
        """Changes the selection; what was proved to the last one is gone."""
        self.applet, self.session = applet, session
        self._chain = None
        self.forget_rest()

    def assemble(self, command: Command) -> Command | None:
        """Adds a command to the chain; returns the whole one, without channel and chaining, after its last part.

        Refuses 6883 for a command that does not continue the chain, and 6700 for a chain that grows too long; both
        forget the chain.
        """
        chain, self._chain = self._chain, None
        part = replace(command, cla=command.cla & ~(_CHAINING | _NUMBER))
        if chain is not None:
            require(chain.header == part.header, StatusWord.LAST_COMMAND_EXPECTED)
        size = len(part.data) + (len(chain.data) if chain else 0)
        require(size <= LONGEST_COMMAND, StatusWord.WRONG_LENGTH)
        whole = part if chain is None else replace(part, data=chain.data + part.data)
        if command.cla & _CHAINING:
            self._chain = whole
            return None
        return whole

    def limit(self, response: Response, most: int) -> Response:
        """Gives as much of an answer as was asked for, and keeps the rest for GET RESPONSE."""
        if len(response.data) <= most:
            return response
        self._rest = replace(response, data=response.data[most:])
        left = len(self._rest.data)
        return Response(response.data[:most], MORE_DATA | (left if left < 0x100 else 0))

    def take_rest(self, most: int) -> Response:
        """Answers GET RESPONSE; refuses 6985 when there is nothing."""
        rest = self._rest
        self.forget_rest()
        if not rest.data:
            raise Denied(StatusWord.CONDITIONS)
        return self.limit(rest, most)

    def forget_rest(self) -> None:
        """Discards what was not taken."""
        self._rest = Response()
