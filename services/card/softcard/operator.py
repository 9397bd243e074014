"""The operator application (操作者カード): one key with which a person at a counter answers for what they do."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric import ec

from services.card import tlv
from services.card.apdu import Command, Response, StatusWord
from services.card.securechannel import encode_point
from services.card.softcard import terminals
from services.card.softcard.applet import PROPRIETARY, Context, Denied, Rule, issuer, require, while_in_use
from services.card.softcard.chip import Chip
from services.card.softcard.files import PersonalisedApplet, cell
from services.card.softcard.memory import Area
from services.card.softcard.pin import DIGITS, Form, Pin

AID = bytes.fromhex("F04A554B490201")
CERTIFICATE, KEY, PIN = 0x0001, 0x0017, 0x0018
PIN_FORM = Form(6, 12, DIGITS, tries=3)
CHALLENGE_LABEL = b"juki-operator-challenge/v1\0"
"""What stands before a challenge when it is signed, so that it can never pass for a request."""
REQUEST_LABEL = b"juki-operator-request/v1\0"
"""What stands before a request's digest when it is signed."""
_DIGEST = 32
_CHALLENGE_SIZES = range(16, 65)
_LONGEST = 4096
_KEY_CELL = "key/0017"


class Operator(PersonalisedApplet):
    """One selection of the operator application: it signs challenges, and digests of requests one PIN each."""

    writable = (CERTIFICATE,)

    def __init__(self, aid: bytes, area: Area, chip: Chip) -> None:
        self._pin = Pin(area, PIN, PIN_FORM, chip)
        super().__init__(aid, area, chip, (self._pin,))

    def rules(self) -> tuple[Rule, ...]:
        """Lists the commands."""
        return (
            *self.personalised_rules(),
            Rule(0x88, 0x00, 0x00, self._sign_challenge, state=while_in_use),
            Rule(0x2A, 0x9E, 0x9A, self._sign_request, state=while_in_use),
            Rule(0x2A, 0x9E, 0x9A, self._sign_enrolment, cla=PROPRIETARY, access=issuer),
            Rule(0x47, 0x80, 0x00, self._generate, access=issuer),
            Rule(0x47, 0x81, 0x00, self._public_key),
        )

    def has_file(self, ef: int) -> bool:
        """Tells whether there is such an elementary file, of any kind."""
        return super().has_file(ef) or ef == KEY

    def content_for(self, _context: Context, ef: int) -> bytes:
        """Returns the certificate to anybody."""
        return self.stored(ef)

    def check(self, _ef: int, content: bytes) -> None:
        """Refuses 6A80 unless the content is a certificate of the key beside it."""
        require(len(content) <= _LONGEST, StatusWord.DATA_INVALID)
        try:
            certified = terminals.load(content).public_key()
        except terminals.CertificateMalformed:
            raise Denied(StatusWord.DATA_INVALID) from None
        require(certified == self._key().public_key(), StatusWord.DATA_INVALID)

    def is_ready(self) -> bool:
        """Tells whether key, certificate and PIN are there."""
        return self._area.get(_KEY_CELL) is not None and self._has_certificate and self._pin.is_set

    @property
    def _has_certificate(self) -> bool:
        return self._area.get(cell(CERTIFICATE)) is not None

    def _sign_challenge(self, command: Command, _: Context) -> Response:
        require(len(command.data) in _CHALLENGE_SIZES, StatusWord.WRONG_LENGTH)
        require(self._pin.is_proved, StatusWord.SECURITY_STATUS)
        return self._signature(hashlib.sha256(CHALLENGE_LABEL + command.data).digest())

    def _sign_request(self, command: Command, _: Context) -> Response:
        """Signs for one act; the next asks for the PIN again, whether or not this signature came out right."""
        require(len(command.data) == _DIGEST, StatusWord.WRONG_LENGTH)
        require(self._pin.is_proved, StatusWord.SECURITY_STATUS)
        self._pin.use_up()
        return self._signature(hashlib.sha256(REQUEST_LABEL + command.data).digest())

    def _sign_enrolment(self, command: Command, _: Context) -> Response:
        """Signs a digest as it is, to prove possession: only before the key has a certificate."""
        require(len(command.data) == _DIGEST, StatusWord.WRONG_LENGTH)
        require(not self._has_certificate, StatusWord.CONDITIONS)
        return self._signature(command.data)

    def _generate(self, command: Command, _: Context) -> Response:
        """Makes a pair; the old one and its certificate go with it, in the same change."""
        require(self._selected == KEY, StatusWord.NOT_ALLOWED)
        require(not command.data, StatusWord.WRONG_LENGTH)
        key = self._chip.new_p256()
        self._area.put(_KEY_CELL, key.private_numbers().private_value.to_bytes(32, "big"))
        self._area.put(cell(CERTIFICATE), None)
        return _public(key)

    def _public_key(self, command: Command, _: Context) -> Response:
        require(self._selected == KEY, StatusWord.NOT_ALLOWED)
        require(not command.data, StatusWord.WRONG_LENGTH)
        return _public(self._key())

    def _signature(self, digest: bytes) -> Response:
        return Response(self._chip.release_ecdsa(self._key(), digest))

    def _key(self) -> ec.EllipticCurvePrivateKey:
        scalar = self._area.get(_KEY_CELL)
        if scalar is None:
            raise Denied(StatusWord.REFERENCE_UNKNOWN)
        return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())


def _public(key: ec.EllipticCurvePrivateKey) -> Response:
    return Response(tlv.encode(0x7F49, tlv.encode(0x86, encode_point(key.public_key()))))
