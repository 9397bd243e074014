"""Whether a certificate is that of a genuine card: the terminal's half of the profile (RFC 5280)."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.card import tlv
from services.card.refusals import CardNotAuthentic
from services.foundation.clock import Clock, SystemClock

_LONGEST_CHAIN = 3
_SEQUENCE, _STORE = 0x30, 0xBF21
_UNREADABLE = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound)


@dataclass(frozen=True, slots=True)
class CardAnchors:
    """The issuers whose cards a terminal believes.

    A card's certificate is P-256, not an authority, for key agreement and nothing else, within its dates, names the
    card's number (upper-case hexadecimal) as the subject's serialNumber, and is signed by an anchor or by one authority
    below it.
    """

    certificates: tuple[x509.Certificate, ...]
    clock: Clock = field(default_factory=SystemClock)

    def verify(self, chain: bytes, number: bytes) -> ec.EllipticCurvePublicKey:
        """Returns the card's key out of `DER ‖ DER`, leaf last; refuses CARD_NOT_AUTHENTIC."""
        try:
            *between, leaf = _split(chain)
            for issued, issuer in zip([*between, leaf][1:], between, strict=True):
                _require_authority(issuer)
                issued.verify_directly_issued_by(issuer)
            _require_card(leaf, number)
            key = leaf.public_key()
            known = any(_is_issued_by((between or [leaf])[0], anchor) for anchor in self.certificates)
            now = self.clock.now()
            current = all(each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in (*between, leaf))
        except _UNREADABLE:
            raise _not_authentic() from None
        if not known or not current or not isinstance(key, ec.EllipticCurvePublicKey):
            raise _not_authentic()
        return key


def _split(chain: bytes) -> list[x509.Certificate]:
    objects = tlv.parse(chain)
    if len(objects) == 1 and objects[0].tag == _STORE:
        objects = tlv.parse(objects[0].value)
    if not 1 <= len(objects) <= _LONGEST_CHAIN or any(item.tag != _SEQUENCE for item in objects):
        raise ValueError("one to three certificates")
    return [x509.load_der_x509_certificate(item.encode()) for item in objects]


def _is_issued_by(certificate: x509.Certificate, anchor: x509.Certificate) -> bool:
    try:
        _require_authority(anchor)
        certificate.verify_directly_issued_by(anchor)
    except _UNREADABLE:
        return False
    return True


def _require_authority(certificate: x509.Certificate) -> None:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca or not usage.key_cert_sign:
        raise ValueError("not an authority")


def _require_card(leaf: x509.Certificate, number: bytes) -> None:
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    authority = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    if authority or not usage.key_agreement or usage.digital_signature or usage.key_cert_sign:
        raise ValueError("not a card's certificate")
    names = [name.value for name in leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)]
    key = leaf.public_key()
    is_p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if names != [number.hex().upper()] or not is_p256:
        raise ValueError("another card's certificate, or of another kind of key")


def _not_authentic() -> CardNotAuthentic:
    return CardNotAuthentic("use a card of an issuer that this terminal knows, whose certificate has not ended")
