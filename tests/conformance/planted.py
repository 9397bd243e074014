"""Software cards that break one rule each, as simulators: the suite must find each, in the tests about its rule."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from services.card.apdu import Command, Response, StatusWord
from services.card.readers.embedded import Insertable
from services.card.softcard import jukinet
from services.card.softcard.applet import Denied, Prover
from services.card.softcard.card import SoftCard
from services.card.softcard.channel import LogicalChannel
from services.card.softcard.chip import Chip
from services.card.softcard.files import cell
from services.card.softcard.lifecycle import State
from services.card.softcard.operator import Operator
from services.card.tool.workshop import Workshop
from tests.conformance.card.specimen import load


def _make(kind: type[SoftCard], path: Path, chip: Chip | None = None) -> Insertable:
    _, image = Workshop(path.parent).shelf.take(load(path).number.hex().upper())
    return kind(image, chip)


class _KnowsEveryName(SoftCard):
    def _select(self, channel: LogicalChannel, command: Command) -> Response:
        try:
            return super()._select(channel, command)
        except Denied as denied:
            if denied.sw is StatusWord.FILE_UNKNOWN:
                return Response()
            raise


def answers_an_unknown_name(path: Path) -> Insertable:
    """Answers 9000 to SELECT of a name that it does not have."""
    return _make(_KnowsEveryName, path)


class _CountsNothing(SoftCard):
    def transmit(self, raw: bytes) -> bytes:
        before = dict(self._memory._cells)
        answer = super().transmit(raw)
        if raw[1] == 0x20 and answer[-2] == 0x63 and len(raw) > 4:
            self._memory._cells = before
        return answer


def counts_no_wrong_pin(path: Path) -> Insertable:
    """Tells that a try is spent, and spends none."""
    return _make(_CountsNothing, path)


class _Leaks(SoftCard):
    def _process(self, channel: LogicalChannel, command: Command) -> Response:
        try:
            return super()._process(channel, command)
        except Denied as denied:
            ef = int.from_bytes(command.data, "big")
            areas = [self._registry.area(aid) for aid in self._registry.applications]
            is_elsewhere = command.ins == 0xA4 and any(area.get(cell(ef)) is not None for area in areas)
            if is_elsewhere and denied.sw is StatusWord.FILE_UNKNOWN:
                raise Denied(StatusWord.SECURITY_STATUS) from None
            raise


def leaks_across_the_firewall(path: Path) -> Insertable:
    """Answers otherwise for a file that another application has."""
    return _make(_Leaks, path)


class _Repeats(SoftCard):
    _last = (b"", b"")

    def transmit(self, raw: bytes) -> bytes:
        if raw == self._last[0]:
            return self._last[1]
        answer = super().transmit(raw)
        if raw[0] & 0x04 and answer[-2:] == b"\x90\x00":
            self._last = raw, answer
        return answer


def accepts_a_replay(path: Path) -> Insertable:
    """Does a protected command again when it is sent again."""
    return _make(_Repeats, path)


class _Remembers(SoftCard):
    def _select(self, channel: LogicalChannel, command: Command) -> Response:
        before = channel.applet
        response = super()._select(channel, command)
        if channel.applet.aid == before.aid:
            channel.applet = before
        return response


def keeps_a_pin_when_selected_again(path: Path) -> Insertable:
    """Lets whoever selects the same application inherit the PIN."""
    return _make(_Remembers, path)


class _Trusts(SoftCard):
    def _answer(self, channel: LogicalChannel, command: Command) -> Response:
        try:
            return super()._answer(channel, command)
        except Denied as denied:
            if command.ins == 0x2A and command.p2 == 0x10 and denied.sw is StatusWord.SECURITY_STATUS:
                return Response()
            raise


def accepts_any_terminal(path: Path) -> Insertable:
    """Answers 9000 to every terminal's certificate."""
    return _make(_Trusts, path)


class _Shows(SoftCard):
    def _process(self, channel: LogicalChannel, command: Command) -> Response:
        applet, proof = channel.applet, channel.session.proof
        is_issuer = proof is not None and proof.who is Prover.ISSUER
        if isinstance(applet, jukinet.JukiNet) and is_issuer and command.ins == 0xB0 and applet._selected is not None:
            return Response(applet.stored(applet._selected))
        return super()._process(channel, command)


def lets_the_issuer_read(path: Path) -> Insertable:
    """Gives the resident's data to the issuer's session."""
    return _make(_Shows, path)


class _SignsOn(SoftCard):
    def _process(self, channel: LogicalChannel, command: Command) -> Response:
        applet = channel.applet
        proved = applet._pin._proved if isinstance(applet, Operator) else None
        response = super()._process(channel, command)
        if isinstance(applet, Operator) and command.ins == 0x2A:
            applet._pin._proved = proved
        return response


def signs_many_requests_on_one_pin(path: Path) -> Insertable:
    """Forgets that a request uses the PIN up."""
    return _make(_SignsOn, path)


class _Faulty(Chip):
    def release_rsa(self, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        signature = self.sign_rsa(key, data)
        return bytes((signature[0] ^ 0x01,)) + signature[1:]


def signs_wrongly(path: Path) -> Insertable:
    """Releases a signature with one bit wrong."""
    return _make(SoftCard, path, _Faulty())


class _Immortal(SoftCard):
    def _process(self, channel: LogicalChannel, command: Command) -> Response:
        if command.ins == 0xF0 and command.p2 == State.TERMINATED:
            return Response()
        return super()._process(channel, command)


def does_not_terminate(path: Path) -> Insertable:
    """Answers 9000 to termination and goes on as before."""
    return _make(_Immortal, path)
