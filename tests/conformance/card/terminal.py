"""What stands before the card: commands as they are, protected commands, and the two mutual authentications."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec

from services.card import tlv
from services.card.apdu import SHORT_LE, Command, Response
from services.card.securechannel import (
    HostEnd,
    StaticKeys,
    agree_scp11a,
    card_cryptogram,
    decode_point,
    derive_scp03,
    host_cryptogram,
    scp11a_request,
    verify_receipt,
)
from services.card.terminal.transport import Transport
from tests.conformance.card.links import Link
from tests.terminals import Holder


class Terminal:
    """One logical channel to the card; a `Channel` of the terminal room, too."""

    def __init__(self, link: Link, channel: int = 0) -> None:
        self._link = link
        self.channel = channel
        self.end: HostEnd | None = None

    def on(self, channel: int) -> Terminal:
        """Gives the terminal on another logical channel."""
        return Terminal(self._link, channel)

    def raw(self, octets: bytes) -> Response:
        """Sends octets as they are."""
        return Response.parse(self._link.transmit(octets))

    def transmit(self, command: Command) -> Response:
        """Sends one command on this channel, once, and returns the answer, whatever it is."""
        return self.raw(replace(command, cla=command.cla | self.channel).encode())

    def plain(self, cla: int, ins: int, p1: int = 0, p2: int = 0, data: bytes = b"", le: int | None = None) -> Response:
        """Sends a command of any length, without protection, and collects the answer."""
        return Transport(self).transmit(Command(cla, ins, p1, p2, data, le))

    def send(self, cla: int, ins: int, p1: int = 0, p2: int = 0, data: bytes = b"", le: int | None = None) -> Response:
        """Does the same, protected where a session is open; the answer's MAC must be right."""
        if self.end is None:
            return self.plain(cla, ins, p1, p2, data, le)
        return self.end.unwrap(Transport(self).transmit(self.end.wrap(Command(cla, ins, p1, p2, data, le))))

    def ok(self, cla: int, ins: int, p1: int = 0, p2: int = 0, data: bytes = b"", le: int | None = None) -> bytes:
        """Sends a command that must be answered 9000."""
        answer = self.send(cla, ins, p1, p2, data, le)
        assert answer.sw == 0x9000, f"{cla:02X} {ins:02X} {p1:02X} {p2:02X} was answered {answer.sw:04X}"
        return answer.data

    def select(self, aid: bytes) -> Terminal:
        """Selects an application, which ends what was open."""
        self.end = None
        self.ok(0x00, 0xA4, 0x04, 0x0C, aid)
        return self

    def choose(self, aid: bytes) -> int:
        """Tries to select an application and returns the status word."""
        return self.plain(0x00, 0xA4, 0x04, 0x0C, aid).sw

    def select_file(self, ef: int) -> int:
        """Tries to select a file and returns the status word."""
        return self.send(0x00, 0xA4, 0x02, 0x0C, ef.to_bytes(2, "big")).sw

    def read(self, ef: int) -> Response:
        """Selects a file and reads up to 256 octets of it; the answer to what failed first."""
        sw = self.select_file(ef)
        return self.send(0x00, 0xB0, le=SHORT_LE) if sw == 0x9000 else Response(sw=sw)

    def verify(self, ef: int, pin: bytes) -> int:
        """Selects a PIN, gives it, and returns the status word."""
        sw = self.select_file(ef)
        return self.send(0x00, 0x20, 0x00, 0x80, pin).sw if sw == 0x9000 else sw

    def tries(self, ef: int) -> int:
        """Selects a PIN and asks for the tries left, as the status word."""
        sw = self.select_file(ef)
        return self.send(0x00, 0x20, 0x00, 0x80).sw if sw == 0x9000 else sw

    def begin_scp03(self, keys: StaticKeys, kvn: int = 0) -> tuple[HostEnd, bytes]:
        """Sends INITIALIZE UPDATE; returns our end and our cryptogram. The card's cryptogram is not looked at."""
        self.end = None
        challenge = os.urandom(8)
        answer = self.ok(0x80, 0x50, kvn, 0x00, challenge, SHORT_LE)
        session = derive_scp03(keys, challenge, answer[13:21])
        self.is_genuine = answer[21:] == card_cryptogram(session, challenge, answer[13:21])
        return HostEnd(session), host_cryptogram(session, challenge, answer[13:21])

    def finish_scp03(self, end: HostEnd, cryptogram: bytes, level: int = 0x33) -> int:
        """Sends EXTERNAL AUTHENTICATE and returns the status word; 9000 opens the session."""
        sw = self.transmit(end.authenticate(Command(0x80, 0x82, level, 0x00, cryptogram))).sw
        self.end = end if sw == 0x9000 else None
        return sw

    def scp03(self, keys: StaticKeys, kvn: int = 0) -> Terminal:
        """Authenticates with keys; both cryptograms must be right."""
        end, cryptogram = self.begin_scp03(keys, kvn)
        assert self.is_genuine, "the card's cryptogram is wrong"
        sw = self.finish_scp03(end, cryptogram)
        assert sw == 0x9000, f"EXTERNAL AUTHENTICATE was answered {sw:04X}"
        return self

    def present(self, chain: Sequence[Holder], kvn: int) -> int:
        """Sends certificates, leaf last, and returns the last status word."""
        self.end = None
        sw = 0x9000
        for holder in chain:
            if sw == 0x9000:
                sw = self.plain(0x80, 0x2A, kvn, 0x10 if holder is chain[-1] else 0x90, holder.der).sw
        return sw

    def agree(self, key: ec.EllipticCurvePrivateKey, static: ec.EllipticCurvePublicKey, kvn: int) -> None:
        """Agrees on keys as the holder of `key`; the receipt must be right."""
        own = ec.generate_private_key(ec.SECP256R1())
        request = scp11a_request(own.public_key())
        point, receipt = tlv.parse_exactly(self.ok(0x80, 0x82, kvn, 0x11, request, SHORT_LE), 0x5F49, 0x86)
        peer = decode_point(point)
        agreement = agree_scp11a(own, key, peer, static, request=request, card_ephemeral=peer)
        verify_receipt(agreement.receipt, receipt)
        self.end = HostEnd(agreement.keys, agreement.receipt)
