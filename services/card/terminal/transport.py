"""How commands of any length cross a channel that takes short ones, and how they cross it protected."""

from __future__ import annotations

from dataclasses import replace

from services.card.apdu import MORE_DATA, SHORT_DATA, SHORT_LE, Channel, Command, Response, StatusWord
from services.card.refusals import ChannelTampered
from services.card.securechannel import ChannelBroken, HostEnd

_CHAINING = 0x10
_LOGICAL_CHANNEL = 0x03
_GET_RESPONSE = 0xC0
_LONGEST_ANSWER = 0x10000


class Transport:
    """Chains long commands and collects long answers (ISO/IEC 7816-4 §5.3), so that any reader will do."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def transmit(self, command: Command) -> Response:
        """Sends one command of any length and returns the whole answer."""
        data = command.data
        while len(data) > SHORT_DATA:
            part = replace(command, cla=command.cla | _CHAINING, data=data[:SHORT_DATA], le=None)
            response = self._channel.transmit(part)
            if not response.is_success:
                return response
            data = data[SHORT_DATA:]
        return self._collect(command, self._channel.transmit(replace(command, data=data)))

    def _collect(self, command: Command, response: Response) -> Response:
        octets = response.data
        while response.sw & 0xFF00 == MORE_DATA and len(octets) < _LONGEST_ANSWER:
            rest = response.sw & 0xFF or SHORT_LE
            response = self._channel.transmit(Command(command.cla & _LOGICAL_CHANNEL, _GET_RESPONSE, 0, 0, le=rest))
            octets += response.data
        return replace(response, data=octets)


class SecureChannel:
    """An open session with one application: every command protected, every answer checked."""

    def __init__(self, transport: Channel, end: HostEnd) -> None:
        self._transport = transport
        self._end: HostEnd | None = end

    @property
    def dek(self) -> bytes:
        """The key under which keys are sent in this session; refuses CARD_CHANNEL_TAMPERED once that has ended."""
        return self._require_end().keys.dek

    def transmit(self, command: Command) -> Response:
        """Sends one command; refuses CARD_CHANNEL_TAMPERED, and ends, when either side found a change on the way."""
        end = self._require_end()
        response = self._transport.transmit(end.wrap(command))
        try:
            opened = end.unwrap(response)
        except ChannelBroken:
            self._end = None
            raise _tampered() from None
        if opened.sw == StatusWord.SECURE_MESSAGING_INCORRECT:
            self._end = None
            raise _tampered()
        return opened

    def _require_end(self) -> HostEnd:
        if self._end is None:
            raise _tampered()
        return self._end


def _tampered() -> ChannelTampered:
    return ChannelTampered("open another session with the card; if it happens again, distrust the reader")
