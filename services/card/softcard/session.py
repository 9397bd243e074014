"""The card's side of mutual authentication and secure messaging, for one selection of one application."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.card import tlv
from services.card.apdu import Command, Response, StatusWord
from services.card.securechannel import (
    CHALLENGE_SIZE,
    SECURE_MESSAGING,
    SECURITY_LEVEL,
    CardEnd,
    ChannelBroken,
    agree_scp11a,
    card_cryptogram,
    derive_scp03,
    encode_point,
    host_cryptogram,
    parse_scp11a_request,
)
from services.card.softcard import terminals
from services.card.softcard.applet import Denied, Proof, Prover, require
from services.card.softcard.chip import Chip
from services.card.softcard.keys import ANCHOR, STATIC, KeyStore
from services.card.softcard.memory import Area

_MORE_CERTIFICATES = 0x80
_SCP03_INFORMATION = b"\x03\x60"


class CardDate:
    """The newest date that the card has reason to believe; it never goes back (as BSI TR-03110 keeps one)."""

    def __init__(self, area: Area) -> None:
        self._area = area

    def today(self) -> datetime:
        """Returns the date."""
        stored = self._area.get("date")
        return datetime.fromtimestamp(int.from_bytes(stored, "big"), UTC) if stored else terminals.EPOCH

    def advance(self, to: datetime) -> None:
        """Moves the date forward, from the next commit on."""
        if to > self.today():
            self._area.put("date", int(to.timestamp()).to_bytes(8, "big"))


@dataclass(frozen=True, slots=True, repr=False)
class Parties:
    """What a session is negotiated with: the domain's keys, the application's, and what SCP03 with those proves."""

    domain: KeyStore
    own: KeyStore
    prover: Prover
    number: bytes
    date: CardDate
    chip: Chip


class SecureSession:
    """Closed, half negotiated, or open; `proof` says who is there."""

    def __init__(self, parties: Parties) -> None:
        self._parties = parties
        self.close()

    def close(self) -> None:
        """Forgets keys, proof, and any half of a negotiation."""
        self._end: CardEnd | None = None
        self.proof: Proof | None = None
        self._expected: bytes | None = None
        self._issuing: terminals.Trust | None = None
        self._terminal: terminals.Terminal | None = None

    @property
    def is_open(self) -> bool:
        """Tells whether commands must be protected."""
        return self.proof is not None

    @property
    def dek(self) -> bytes:
        """The key for keys of the open session."""
        return self._end.keys.dek if self._end is not None else b""

    def negotiation(self, command: Command) -> Callable[[Command], Response] | None:
        """Returns what answers the command if it belongs to a mutual authentication; None if it is another's."""
        match command.cla, command.ins:
            case 0x80, 0x50:
                return self._initialize
            case 0x80, 0x2A if command.p2 & ~_MORE_CERTIFICATES == ANCHOR:
                return self._certificate
            case 0x80, 0x82 if not self.is_open:
                return self._agree
            case 0x84, 0x82 if not self.is_open:
                return self._authenticate
        return None

    def unwrap(self, command: Command) -> Command:
        """Opens a protected command; refuses 6982 without a session, 6988 for a wrong MAC or padding, which ends it."""
        if self._end is None or not self.is_open:
            raise Denied(StatusWord.SECURITY_STATUS)
        try:
            return self._end.unwrap(command)
        except ChannelBroken:
            self.close()
            raise Denied(StatusWord.SECURE_MESSAGING_INCORRECT) from None

    def wrap(self, response: Response) -> Response:
        """Protects the answer to the command opened last."""
        return self._end.wrap(response) if self._end is not None else response

    def _initialize(self, command: Command) -> Response:
        self.close()
        require(command.p2 == 0, StatusWord.PARAMETERS)
        require(len(command.data) == CHALLENGE_SIZE, StatusWord.WRONG_LENGTH)
        parties = self._parties
        kvn, static = parties.own.key_set(command.p1)
        challenge = parties.chip.random(CHALLENGE_SIZE)
        keys = derive_scp03(static, command.data, challenge)
        self._end = CardEnd(keys)
        self._expected = host_cryptogram(keys, command.data, challenge)
        answer = parties.number + bytes((kvn,)) + _SCP03_INFORMATION + challenge
        return Response(answer + card_cryptogram(keys, command.data, challenge))

    def _authenticate(self, command: Command) -> Response:
        end, expected = self._end, self._expected
        self.close()
        require((command.p1, command.p2) == (SECURITY_LEVEL, 0), StatusWord.PARAMETERS)
        if end is None or expected is None:
            raise Denied(StatusWord.SECURITY_STATUS)
        try:
            cryptogram = end.accept(command)
        except ChannelBroken:
            raise Denied(StatusWord.SECURITY_STATUS) from None
        require(hmac.compare_digest(cryptogram, expected), StatusWord.SECURITY_STATUS)
        self._end, self.proof = end, Proof(self._parties.prover)
        return Response()

    def _certificate(self, command: Command) -> Response:
        """Takes one certificate of the chain; the first begins a negotiation anew."""
        issuing = self._issuing
        self.close()
        parties = self._parties
        trust = issuing or terminals.Trust(parties.domain.anchor(command.p1))
        try:
            certificate = terminals.load(command.data)
            if command.p2 & _MORE_CERTIFICATES:
                require(issuing is None, StatusWord.SECURITY_STATUS)
                self._issuing = terminals.accept_issuing(certificate, trust, parties.date.today())
            else:
                self._terminal = terminals.accept_terminal(certificate, trust, parties.date.today())
                parties.date.advance(self._terminal.not_before)
        except terminals.CertificateMalformed:
            raise Denied(StatusWord.DATA_INVALID) from None
        except terminals.CertificateRefused:
            raise Denied(StatusWord.SECURITY_STATUS) from None
        return Response()

    def _agree(self, command: Command) -> Response:
        terminal = self._terminal
        self.close()
        require(command.p2 == STATIC, StatusWord.PARAMETERS)
        static = self._parties.domain.static(command.p1)
        if terminal is None:
            raise Denied(StatusWord.CONDITIONS)
        try:
            peer = parse_scp11a_request(command.data)
        except ValueError:
            raise Denied(StatusWord.DATA_INVALID) from None
        own = self._parties.chip.new_p256()
        agreement = agree_scp11a(own, static, peer, terminal.key, request=command.data, card_ephemeral=own.public_key())
        self._end = CardEnd(agreement.keys, agreement.receipt)
        self.proof = Proof(Prover.TERMINAL, terminal.roles)
        return Response(tlv.encode(0x5F49, encode_point(own.public_key())) + tlv.encode(0x86, agreement.receipt))


def is_protected(command: Command) -> bool:
    """Tells whether a command says that it is under secure messaging."""
    return bool(command.cla & SECURE_MESSAGING)
