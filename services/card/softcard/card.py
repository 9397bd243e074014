"""The card's runtime: octets in, octets out; logical channels, chaining, selection, secure messaging, the firewall."""

from __future__ import annotations

import logging

from services.card import tlv
from services.card.apdu import (
    EXTENDED_LE,
    SHORT_LE,
    ApduMalformed,
    Command,
    Response,
    StatusWord,
)
from services.card.softcard import catalogue
from services.card.softcard.applet import Applet, Context, Denied, Prover, require
from services.card.softcard.channel import CHANNELS, LogicalChannel, channel_of
from services.card.softcard.chip import Chip
from services.card.softcard.keys import KeyStore
from services.card.softcard.lifecycle import OPEN, State
from services.card.softcard.manager import Manager
from services.card.softcard.memory import Memory, MemoryFault, Storage
from services.card.softcard.registry import DOMAIN, Registry
from services.card.softcard.session import CardDate, Parties, SecureSession, is_protected

ATR = bytes.fromhex("3BE000FF8131FE4514")
"""Answer to reset: T=1, no historical octets."""

_log = logging.getLogger(__name__)


class SoftCard:
    """A card; it is mute (answers nothing) until it is powered on, and answers every command after.

    Raises `MemoryFault` when there is no card in the storage that can be read. One caller at a time.
    """

    def __init__(self, storage: Storage, chip: Chip | None = None) -> None:
        self._memory = Memory(storage)
        self._chip = chip or Chip()
        self._registry = Registry(self._memory)
        domain = self._registry.area(DOMAIN)
        self._domain_keys = KeyStore(domain)
        self._date = CardDate(domain)
        self._number = domain.get("number") or b""
        self._channels: dict[int, LogicalChannel] = {}

    def power_on(self) -> bytes:
        """Starts the card and returns the answer to reset; what is not in its memory is forgotten.

        A card whose memory can no longer be read stays mute: it returns nothing, and answers nothing.
        """
        self._channels = {}
        try:
            self._memory.reload()
        except MemoryFault:
            return b""
        self._channels = {0: self._fresh_channel()}
        return ATR

    def reset(self) -> bytes:
        """Does what loss and return of power do."""
        return self.power_on()

    def power_off(self) -> None:
        """Takes the power: sessions, proofs and half a command are gone."""
        self._memory.rollback()
        self._channels = {}

    def transmit(self, raw: bytes) -> bytes:
        """Does one command and returns the answer; never raises. A card without power answers nothing."""
        if not self._channels:
            return b""
        try:
            response = self._receive(Command.parse(raw))
            self._memory.commit()
        except Denied as denied:
            response = self._without_effect(denied.sw)
        except ApduMalformed:
            response = self._without_effect(StatusWord.WRONG_LENGTH)
        except MemoryFault:
            response = self._without_effect(StatusWord.MEMORY_FAILURE)
        except Exception as error:  # a card answers whatever happens in it; the type alone holds nothing personal
            _log.error("card.fault", extra={"error": type(error).__name__})
            response = self._without_effect(StatusWord.NO_DIAGNOSIS)
        return response.encode()

    def _without_effect(self, sw: StatusWord) -> Response:
        self._memory.rollback()
        return Response(sw=sw)

    def _receive(self, command: Command) -> Response:
        """Finds the channel, and takes the command as a part of a chain or as the whole of it."""
        channel = self._channels.get(channel_of(command.cla))
        if channel is None:
            raise Denied(StatusWord.CHANNEL_NOT_SUPPORTED)
        whole = channel.assemble(command)
        if whole is None:
            return Response()
        if whole.header == b"\0\xc0\0\0":
            require(not whole.data, StatusWord.WRONG_LENGTH)
            return channel.take_rest(_most(command))
        channel.forget_rest()
        return channel.limit(self._answer(channel, whole), _most(command))

    def _answer(self, channel: LogicalChannel, command: Command) -> Response:
        """Does a whole command: what belongs to the runtime here, what belongs to an application there."""
        if command.ins == 0x70 and command.cla == 0x00:
            return self._manage_channel(command)
        if command.ins == 0xA4 and command.p1 == 0x04:
            return self._select(channel, command)
        negotiate = channel.session.negotiation(command)
        if negotiate is not None:
            channel.applet.forget()
            require(self._registry.state is not State.TERMINATED, StatusWord.CONDITIONS)
            return negotiate(command)
        if not is_protected(command):
            require(not channel.session.is_open, StatusWord.SECURITY_STATUS)
            return self._process(channel, command)
        try:
            inner = channel.session.unwrap(command)
        except Denied:
            channel.applet.forget()
            raise
        try:
            return channel.session.wrap(self._process(channel, inner))
        except Denied as denied:
            return self._without_effect(denied.sw)

    def _process(self, channel: LogicalChannel, command: Command) -> Response:
        session = channel.session
        response = channel.applet.process(command, Context(self._registry.state, session.proof, session.dek))
        if channel.applet.aid == DOMAIN:
            self._evict()
        return response

    def _evict(self) -> None:
        """Puts the security domain in the place of selections that it has just removed or withheld."""
        installed = self._registry.applications if self._registry.state in OPEN else {}
        for channel in self._channels.values():
            if channel.applet.aid not in {DOMAIN, *installed}:
                channel.select(*self._selection(DOMAIN))

    def _select(self, channel: LogicalChannel, command: Command) -> Response:
        require(not is_protected(command), StatusWord.SECURE_MESSAGING_NOT_SUPPORTED)
        require(command.cla == 0x00, StatusWord.CLASS)
        require(command.p2 in {0x00, 0x0C}, StatusWord.PARAMETERS)
        channel.select(*self._selection(command.data))
        if command.p2 == 0x0C:
            return Response()
        return Response(tlv.encode(0x6F, tlv.encode(0x84, command.data)))

    def _selection(self, aid: bytes) -> tuple[Applet, SecureSession]:
        """Returns a fresh selection and a closed session with it; refuses 6A82."""
        applet: Applet
        if aid == DOMAIN:
            applet = Manager(self._registry, self._chip)
        else:
            is_there = self._registry.state in OPEN and aid in self._registry.applications
            require(is_there, StatusWord.FILE_UNKNOWN)
            applet = catalogue.select(aid, self._registry.area(aid), self._chip)
        own = KeyStore(self._registry.area(aid)) if applet.prover is Prover.SERVICE else self._domain_keys
        parties = Parties(self._domain_keys, own, applet.prover, self._number, self._date, self._chip)
        return applet, SecureSession(parties)

    def _fresh_channel(self) -> LogicalChannel:
        return LogicalChannel(*self._selection(DOMAIN))

    def _manage_channel(self, command: Command) -> Response:
        require(not command.data, StatusWord.WRONG_LENGTH)
        if (command.p1, command.p2) == (0x00, 0x00):
            free = next((number for number in range(1, CHANNELS) if number not in self._channels), None)
            if free is None:
                raise Denied(StatusWord.FUNCTION_NOT_SUPPORTED)
            self._channels[free] = self._fresh_channel()
            return Response(bytes((free,)))
        require(command.p1 == 0x80 and command.p2 < CHANNELS, StatusWord.PARAMETERS)
        require(command.p2, StatusWord.FUNCTION_NOT_SUPPORTED)
        closed = self._channels.pop(command.p2, None)
        return Response(sw=StatusWord.SUCCESS if closed else StatusWord.CHANNEL_NOT_OPEN)


def _most(command: Command) -> int:
    """Returns how many octets the answer may have."""
    return command.le or (EXTENDED_LE if command.extended else SHORT_LE)
