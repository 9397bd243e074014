"""The JPKI application (公的個人認証AP), as OpenSC's driver and the residents' software know it."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from services.card import tlv
from services.card.apdu import SHORT_LE, Command, Response, StatusWord
from services.card.softcard import terminals
from services.card.softcard.applet import (
    PROPRIETARY,
    Context,
    Denied,
    Rule,
    issuer,
    require,
    while_in_use,
)
from services.card.softcard.chip import RSA_BITS, Chip
from services.card.softcard.files import PersonalisedApplet, cell
from services.card.softcard.memory import Area
from services.card.softcard.pin import CAPITALS_AND_DIGITS, DIGITS, Form, Pin

AID = bytes.fromhex("D392F000260100000001")
SIGN_CERTIFICATE, SIGN_AUTHORITY, TOKEN = 0x0001, 0x0002, 0x0006
AUTHENTICATION_CERTIFICATE, AUTHENTICATION_AUTHORITY = 0x000A, 0x000B
AUTHENTICATION_KEY, SIGN_KEY = 0x0017, 0x001A
AUTHENTICATION_PIN, SIGN_PIN = 0x0018, 0x001B
AUTHENTICATION_PIN_FORM = Form(4, 4, DIGITS, tries=3)
SIGN_PIN_FORM = Form(6, 16, CAPITALS_AND_DIGITS, tries=5)
LONGEST_DATA = RSA_BITS // 8 - 11
"""Most octets that one signature signs (RFC 8017 §9.2)."""
_CERTIFICATE_OF = {AUTHENTICATION_KEY: AUTHENTICATION_CERTIFICATE, SIGN_KEY: SIGN_CERTIFICATE}
_KEY_OF = {certificate: key for key, certificate in _CERTIFICATE_OF.items()}
_PIN_OF = {AUTHENTICATION_KEY: AUTHENTICATION_PIN, SIGN_KEY: SIGN_PIN, SIGN_CERTIFICATE: SIGN_PIN}
_TOKEN_SIZE = 32
_CHALLENGE = 8
_SHORTEST, _LONGEST = 256, 4096


class Jpki(PersonalisedApplet):
    """One selection of the JPKI application: two RSA keys made here, their certificates, and a PIN for each."""

    writable = (SIGN_CERTIFICATE, SIGN_AUTHORITY, TOKEN, AUTHENTICATION_CERTIFICATE, AUTHENTICATION_AUTHORITY)

    def __init__(self, aid: bytes, area: Area, chip: Chip) -> None:
        pins = (
            Pin(area, AUTHENTICATION_PIN, AUTHENTICATION_PIN_FORM, chip),
            Pin(area, SIGN_PIN, SIGN_PIN_FORM, chip),
        )
        super().__init__(aid, area, chip, pins)
        self._loaded: tuple[bytes, rsa.RSAPrivateKey] | None = None

    def rules(self) -> tuple[Rule, ...]:
        """Lists the commands."""
        return (
            *self.personalised_rules(),
            Rule(0x2A, 0x00, 0x80, self._sign, cla=PROPRIETARY, state=while_in_use),
            Rule(0x47, 0x80, 0x00, self._generate, access=issuer),
            Rule(0x47, 0x81, 0x00, self._public_key),
            Rule(0x84, 0x00, 0x00, self._challenge),
        )

    def has_file(self, ef: int) -> bool:
        """Tells whether there is such an elementary file, of any kind."""
        return super().has_file(ef) or ef in _CERTIFICATE_OF

    def content_for(self, context: Context, ef: int) -> bytes:
        """Returns a file; the signature certificate only after the signature PIN, since it names the resident."""
        if ef in self.writable and ef in _PIN_OF:
            require(context.is_in_use, StatusWord.CONDITIONS)
            require(self._pins[_PIN_OF[ef]].is_proved, StatusWord.SECURITY_STATUS)
        return self.stored(ef)

    def check(self, ef: int, content: bytes) -> None:
        """Refuses 6A80 unless the content is of the file's form, and a certificate that of the key beside it."""
        if ef == TOKEN:
            require(len(content) == _TOKEN_SIZE, StatusWord.DATA_INVALID)
            return
        require(_SHORTEST <= len(content) <= _LONGEST and content[:2] == b"\x30\x82", StatusWord.DATA_INVALID)
        try:
            certified = terminals.load(content).public_key()
        except terminals.CertificateMalformed:
            raise Denied(StatusWord.DATA_INVALID) from None
        if ef in _KEY_OF:
            require(certified == self._key(_KEY_OF[ef]).public_key(), StatusWord.DATA_INVALID)

    def _sign(self, command: Command, _: Context) -> Response:
        ef = self._selected_key()
        require(1 <= len(command.data) <= LONGEST_DATA, StatusWord.WRONG_LENGTH)
        require(self._pins[_PIN_OF[ef]].is_proved, StatusWord.SECURITY_STATUS)
        return Response(self._chip.release_rsa(self._key(ef), command.data))

    def _generate(self, command: Command, _: Context) -> Response:
        """Makes a pair; the old one and its certificate go with it, in the same change."""
        ef = self._selected_key()
        require(not command.data, StatusWord.WRONG_LENGTH)
        key = self._chip.new_rsa()
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self._area.put(f"key/{ef:04X}", der)
        self._area.put(cell(_CERTIFICATE_OF[ef]), None)
        return _public(key)

    def _public_key(self, command: Command, _: Context) -> Response:
        require(not command.data, StatusWord.WRONG_LENGTH)
        return _public(self._key(self._selected_key()))

    def _challenge(self, command: Command, _: Context) -> Response:
        """Gives random octets (GET CHALLENGE, ISO/IEC 7816-4 §11.5.3): eight, or as many as are asked for up to 256."""
        require(not command.data, StatusWord.WRONG_LENGTH)
        return Response(self._chip.random(min(command.le or _CHALLENGE, SHORT_LE)))

    def _selected_key(self) -> int:
        if self._selected is None or self._selected not in _CERTIFICATE_OF:
            raise Denied(StatusWord.NOT_ALLOWED)
        return self._selected

    def _key(self, ef: int) -> rsa.RSAPrivateKey:
        der = self._area.get(f"key/{ef:04X}")
        if der is None:
            raise Denied(StatusWord.REFERENCE_UNKNOWN)
        if self._loaded is None or self._loaded[0] != der:
            # The key was made here and came out of an authentic image: its primes need no second proof.
            key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise Denied(StatusWord.NO_DIAGNOSIS)
            self._loaded = der, key
        return self._loaded[1]


def _public(key: rsa.RSAPrivateKey) -> Response:
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes(RSA_BITS // 8, "big")
    exponent = numbers.e.to_bytes(3, "big")
    return Response(tlv.encode(0x7F49, tlv.encode(0x81, modulus) + tlv.encode(0x82, exponent)))
