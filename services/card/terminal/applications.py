"""The applications of a card, as their holders and issuers use them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from services.card import tlv
from services.card.apdu import SHORT_LE, Command
from services.card.refusals import ContentRefused
from services.card.securechannel import decode_point
from services.card.terminal.application import Application, PinForm
from services.card.terminal.secret import Pin

JUKI_NET_AID = bytes.fromhex("F04A554B490101")
OPERATOR_AID = bytes.fromhex("F04A554B490201")
JPKI_AID = bytes.fromhex("D392F000260100000001")

_DIGITS = frozenset(b"0123456789")
_CAPITALS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
JUKI_NET_PIN = PinForm(0x0018, 4, 4, _DIGITS)
AUTHENTICATION_PIN = PinForm(0x0018, 4, 4, _DIGITS)
SIGNATURE_PIN = PinForm(0x001B, 6, 16, _DIGITS | _CAPITALS)
OPERATOR_PIN = PinForm(0x0018, 6, 12, _DIGITS)

_RESIDENT_CODE, _IDENTITY, _PHOTOGRAPH = 0x0001, 0x0002, 0x0003
_NUMBER, _MUNICIPALITY, _ISSUED, _EXPIRES, _HAS_PHOTOGRAPH = 0xDF01, 0xDF02, 0xDF03, 0xDF04, 0xDF05


@dataclass(frozen=True, slots=True)
class CardIdentity:
    """What a resident card says of itself."""

    number: bytes
    """The card's number, ten octets."""
    municipality: str
    """Six-digit code of the municipality that issued it."""
    issued_on: date
    expires_on: date
    has_photograph: bool

    def encode(self) -> bytes:
        """Serializes as the content of the identity file."""
        return b"".join(
            (
                tlv.encode(_NUMBER, self.number),
                tlv.encode(_MUNICIPALITY, self.municipality.encode("ascii")),
                tlv.encode(_ISSUED, f"{self.issued_on:%Y%m%d}".encode("ascii")),
                tlv.encode(_EXPIRES, f"{self.expires_on:%Y%m%d}".encode("ascii")),
                tlv.encode(_HAS_PHOTOGRAPH, bytes((self.has_photograph,))),
            )
        )

    @classmethod
    def parse(cls, content: bytes) -> CardIdentity:
        """Reads the identity file; refuses CARD_CONTENT_REFUSED."""
        try:
            number, municipality, issued, expires, photograph = tlv.parse_exactly(
                content, _NUMBER, _MUNICIPALITY, _ISSUED, _EXPIRES, _HAS_PHOTOGRAPH
            )
            issued_on, expires_on = (date.fromisoformat(octets.decode("ascii")) for octets in (issued, expires))
            return cls(number, municipality.decode("ascii"), issued_on, expires_on, photograph == b"\x01")
        except ValueError:
            raise ContentRefused("withdraw the card: its identity file is damaged") from None


class JukiNet(Application):
    """The juki-net application: what the residents' network knows its holder by."""

    def verify_pin(self, pin: Pin) -> None:
        """Proves the PIN; refuses PIN_WRONG, PIN_BLOCKED, PIN_UNSET, PIN_MALFORMED."""
        self.verify(JUKI_NET_PIN, pin)

    def resident_code(self) -> str:
        """Reads the resident code (住民票コード), eleven digits, after the PIN."""
        return self.read_file(_RESIDENT_CODE).decode("ascii", "replace")

    def identity(self) -> CardIdentity:
        """Reads what the card says of itself, after the PIN."""
        return CardIdentity.parse(self.read_file(_IDENTITY))

    def photograph(self) -> bytes:
        """Reads the photograph, JPEG, after the PIN; refuses CARD_FILE_UNKNOWN on a card without."""
        return self.read_file(_PHOTOGRAPH)

    def personalise(self, resident_code: str, identity: CardIdentity, photograph: bytes = b"") -> None:
        """Writes all of a resident's data, or none, in the issuer's session; refuses CARD_CONTENT_REFUSED."""
        files = {_RESIDENT_CODE: resident_code.encode("ascii", "replace"), _IDENTITY: identity.encode()}
        self.store(files | ({_PHOTOGRAPH: photograph} if photograph else {}))


class JpkiKey(Enum):
    """A key pair of the JPKI application, with the files and the PIN that belong to it."""

    AUTHENTICATION = (0x0017, 0x000A, 0x000B, AUTHENTICATION_PIN)
    """For user authentication (利用者証明用)."""
    SIGNATURE = (0x001A, 0x0001, 0x0002, SIGNATURE_PIN)
    """For signatures (署名用)."""

    def __init__(self, key_file: int, certificate_file: int, authority_file: int, pin: PinForm) -> None:
        self.key_file = key_file
        self.certificate_file = certificate_file
        self.authority_file = authority_file
        self.pin = pin


class Jpki(Application):
    """The JPKI application: two RSA key pairs that were made on the card and never leave it."""

    def generate(self, key: JpkiKey) -> rsa.RSAPublicKey:
        """Makes a new pair, in the issuer's session; the old one and its certificate are gone."""
        return self._public_key(key, 0x80)

    def public_key(self, key: JpkiKey) -> rsa.RSAPublicKey:
        """Returns a pair's public key; refuses CARD_KEY_UNKNOWN before it was made."""
        return self._public_key(key, 0x81)

    def sign(self, key: JpkiKey, digest_info: bytes) -> bytes:
        """Signs a DigestInfo (RFC 8017 §9.2), which the card pads, after the key's PIN; 256 octets."""
        self.select_file(key.key_file)
        return self.call(Command(0x80, 0x2A, 0x00, 0x80, digest_info, SHORT_LE))

    def certificate(self, key: JpkiKey) -> x509.Certificate:
        """Reads the pair's certificate; that of the signature key needs its PIN."""
        return _load(self.read_file(key.certificate_file))

    def authority_certificate(self, key: JpkiKey) -> x509.Certificate:
        """Reads the certificate of the authority that issued the pair's certificate."""
        return _load(self.read_file(key.authority_file))

    def store_certificate(self, key: JpkiKey, certificate: x509.Certificate, authority: x509.Certificate) -> None:
        """Writes a pair's certificate and its authority's together, in the issuer's session."""
        self.store(
            {
                key.certificate_file: certificate.public_bytes(Encoding.DER),
                key.authority_file: authority.public_bytes(Encoding.DER),
            }
        )

    def _public_key(self, key: JpkiKey, p1: int) -> rsa.RSAPublicKey:
        self.select_file(key.key_file)
        modulus, exponent = _public(self.call(Command(0x00, 0x47, p1, 0x00, le=SHORT_LE)), 0x81, 0x82)
        try:
            return rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()
        except ValueError:
            raise ContentRefused("withdraw the card: its key is no RSA key") from None


class Operator(Application):
    """The operator application: a key that answers for what a person at a counter does."""

    KEY_FILE = 0x0017
    CERTIFICATE_FILE = 0x0001

    def verify_pin(self, pin: Pin) -> None:
        """Proves the PIN; refuses PIN_WRONG, PIN_BLOCKED, PIN_UNSET, PIN_MALFORMED."""
        self.verify(OPERATOR_PIN, pin)

    def sign_challenge(self, challenge: bytes) -> bytes:
        """Signs a challenge of 16 to 64 octets, after the PIN; ECDSA with SHA-256, DER."""
        return self.call(Command(0x00, 0x88, 0x00, 0x00, challenge, SHORT_LE))

    def sign_request(self, digest: bytes) -> bytes:
        """Signs a request's SHA-256 digest and uses the PIN up; ECDSA with SHA-256, DER."""
        return self.call(Command(0x00, 0x2A, 0x9E, 0x9A, digest, SHORT_LE))

    def sign_enrolment(self, digest: bytes) -> bytes:
        """Signs a PKCS #10 request's digest, in the issuer's session, before the key has a certificate."""
        return self.call(Command(0x80, 0x2A, 0x9E, 0x9A, digest, SHORT_LE))

    def generate(self) -> ec.EllipticCurvePublicKey:
        """Makes a new pair, in the issuer's session; the old one and its certificate are gone."""
        return self._public_key(0x80)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Returns the public key; refuses CARD_KEY_UNKNOWN before it was made."""
        return self._public_key(0x81)

    def certificate(self) -> x509.Certificate:
        """Reads the operator's certificate."""
        return _load(self.read_file(self.CERTIFICATE_FILE))

    def store_certificate(self, certificate: x509.Certificate) -> None:
        """Writes the operator's certificate, in the issuer's session."""
        self.store({self.CERTIFICATE_FILE: certificate.public_bytes(Encoding.DER)})

    def _public_key(self, p1: int) -> ec.EllipticCurvePublicKey:
        self.select_file(self.KEY_FILE)
        (point,) = _public(self.call(Command(0x00, 0x47, p1, 0x00, le=SHORT_LE)), 0x86)
        try:
            return decode_point(point)
        except ValueError:
            raise ContentRefused("withdraw the card: its key is no point of P-256") from None


def _public(answer: bytes, *tags: int) -> tuple[bytes, ...]:
    try:
        return tlv.parse_exactly(tlv.parse_exactly(answer, 0x7F49)[0], *tags)
    except tlv.TlvMalformed:
        raise ContentRefused("withdraw the card: it does not say its public key as the specification does") from None


def _load(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise ContentRefused("store the certificate again: what the card holds is none") from None
