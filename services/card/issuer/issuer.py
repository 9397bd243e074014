"""What the issuer's token does for cards: their keys, and their certificates."""

from __future__ import annotations

from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.card.issuer.certificates import TokenKey, card_certificate
from services.card.issuer.derivation import Purpose, derivation_input
from services.card.issuer.token import Token
from services.card.securechannel import StaticKeys
from services.foundation.clock import Clock

CERTIFYING = "juki-card-issuer"
"""Label of the P-256 pair that certifies cards, and of its certificate."""
_ENC, _MAC, _DEK = 1, 2, 3


class Issuer(Protocol):
    """The issuer's keys; every method refuses ISSUER_KEYS_ABSENT and ISSUER_TOKEN_FAILED, and may block."""

    def transport_keys(self, number: bytes) -> StaticKeys:
        """Returns the keys with which the card of that number left production."""
        ...

    def card_keys(self, number: bytes) -> StaticKeys:
        """Returns the issuer's keys of the card of that number."""
        ...

    def service_keys(self, number: bytes, service: int) -> StaticKeys:
        """Returns the keys of an own service's area on that card."""
        ...

    def certify(self, number: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
        """Returns the certificate of a card's static key, DER."""
        ...

    def certificate(self) -> x509.Certificate:
        """Returns the certificate under which cards are certified."""
        ...


class TokenIssuer:
    """The issuer's keys in a PKCS #11 token."""

    def __init__(self, token: Token, clock: Clock) -> None:
        self._token = token
        self._clock = clock

    def transport_keys(self, number: bytes) -> StaticKeys:
        """Returns the keys with which the card of that number left production."""
        return self._derive(Purpose.TRANSPORT, number)

    def card_keys(self, number: bytes) -> StaticKeys:
        """Returns the issuer's keys of the card of that number."""
        return self._derive(Purpose.CARD, number)

    def service_keys(self, number: bytes, service: int) -> StaticKeys:
        """Returns the keys of an own service's area on that card."""
        return self._derive(Purpose.SERVICE, number + service.to_bytes(2, "big"))

    def certify(self, number: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
        """Returns the certificate of a card's static key, DER."""
        signing = TokenKey(self._token.public_key(CERTIFYING), lambda digest: self._token.sign(CERTIFYING, digest))
        made = card_certificate(signing, self.certificate(), number, key, self._clock.now())
        return made.public_bytes(Encoding.DER)

    def certificate(self) -> x509.Certificate:
        """Returns the certificate under which cards are certified."""
        return self._token.certificate(CERTIFYING)

    def _derive(self, purpose: Purpose, context: bytes) -> StaticKeys:
        enc, mac, dek = (
            self._token.mac(purpose.value, derivation_input(purpose, context, which)) for which in (_ENC, _MAC, _DEK)
        )
        return StaticKeys(enc, mac, dek)
