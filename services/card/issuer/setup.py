"""How the issuer's keys come to be: made inside the token, once, and published as one certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from services.card.issuer.certificates import TokenKey, self_signed
from services.card.issuer.derivation import Purpose
from services.card.issuer.issuer import CERTIFYING
from services.card.issuer.token import P256, Token
from services.card.refusals import IssuerKeysAbsent
from services.foundation.clock import Clock

if TYPE_CHECKING:
    import pkcs11

_MASTER_BITS = 256


def ensure_keys(token: Token, municipality: str, clock: Clock) -> x509.Certificate:
    """Makes those of the issuer's keys that the token lacks; returns the certificate under which cards are certified.

    Master keys are sensitive and not extractable: the token gives out MACs made with them, and never the keys.
    """
    token.use(_make_missing)
    try:
        return token.certificate(CERTIFYING)
    except IssuerKeysAbsent:
        key = TokenKey(token.public_key(CERTIFYING), lambda digest: token.sign(CERTIFYING, digest))
        made = self_signed(key, municipality, clock.now())
        token.use(lambda session: _store(session, made))
        return made


def _make_missing(session: pkcs11.Session) -> None:
    from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: PLC0415 - of the extra `issuing`

    kept = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
    for purpose in Purpose:
        if not _has(session, ObjectClass.SECRET_KEY, purpose.value):
            template = {**kept, Attribute.SIGN: True, Attribute.ENCRYPT: False, Attribute.DECRYPT: False}
            session.generate_key(
                KeyType.AES, _MASTER_BITS, label=purpose.value, store=True, mechanism_param=None, template=template
            )
    if not _has(session, ObjectClass.PRIVATE_KEY, CERTIFYING):
        parameters = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: P256}, local=True)
        parameters.generate_keypair(label=CERTIFYING, store=True, private_template=kept)


def _has(session: pkcs11.Session, kind: pkcs11.ObjectClass, label: str) -> bool:
    from pkcs11 import Attribute  # noqa: PLC0415 - of the extra `issuing`

    return any(True for _ in session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))


def _store(session: pkcs11.Session, certificate: x509.Certificate) -> None:
    from pkcs11 import Attribute, CertificateType, ObjectClass  # noqa: PLC0415 - of the extra `issuing`

    session.create_object(
        {
            Attribute.CLASS: ObjectClass.CERTIFICATE,
            Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
            Attribute.TOKEN: True,
            Attribute.LABEL: CERTIFYING,
            Attribute.SUBJECT: certificate.subject.public_bytes(),
            Attribute.VALUE: certificate.public_bytes(Encoding.DER),
        }
    )
