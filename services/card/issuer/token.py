"""A PKCS #11 token (ISO/IEC and OASIS call it Cryptoki): SoftHSM2 on a desk, an HSM in a deployment, one code path."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from services.card.refusals import IssuerKeysAbsent, IssuerTokenFailed

if TYPE_CHECKING:
    import pkcs11

T = TypeVar("T")

P256 = bytes.fromhex("06082A8648CE3D030107")
"""OID prime256v1, DER (RFC 5480), as PKCS #11 wants a curve."""
_POINT_SIZE = 65


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Which token, and how to log in to it."""

    module: str
    """Path of the PKCS #11 module; empty when there is none."""
    label: str
    pin_file: Path


class Token:
    """One logged-in session, opened when it is first needed and anew after a failure; threads take turns.

    Refuses ISSUER_KEYS_ABSENT, with what to install or set, and ISSUER_TOKEN_FAILED when the token gives up.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._session: pkcs11.Session | None = None
        self._lock = threading.Lock()

    def mac(self, label: str, data: bytes) -> bytes:
        """Returns the AES-CMAC of `data` under the master key `label`."""
        return self._use(lambda session: self._mac(session, label, data))

    def public_key(self, label: str) -> ec.EllipticCurvePublicKey:
        """Returns the public half of the P-256 pair `label`."""
        return self._use(lambda session: _public_key(session, label))

    def sign(self, label: str, digest: bytes) -> bytes:
        """Signs a digest with the P-256 key `label`; the signature is DER (RFC 3279)."""
        return self._use(lambda session: _sign(session, label, digest))

    def certificate(self, label: str) -> x509.Certificate:
        """Returns the certificate `label`."""
        return self._use(lambda session: _certificate(session, label))

    def use(self, work: Callable[[pkcs11.Session], T]) -> T:
        """Runs `work` in a session that may write, alone; for setting the token up."""
        return self._use(work)

    def close(self) -> None:
        """Logs out."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    @staticmethod
    def _mac(session: pkcs11.Session, label: str, data: bytes) -> bytes:
        from pkcs11 import KeyType, Mechanism, ObjectClass  # noqa: PLC0415 - of the extra `issuing`

        key = session.get_key(object_class=ObjectClass.SECRET_KEY, key_type=KeyType.AES, label=label)
        return bytes(key.sign(data, mechanism=Mechanism.AES_CMAC))  # type: ignore[attr-defined]

    def _use(self, work: Callable[[pkcs11.Session], T]) -> T:
        """Runs work; when a session that was open fails, as after the HSM was restarted, once more in another."""
        with self._lock:
            was_open = self._session is not None
            try:
                return self._attempt(work)
            except IssuerTokenFailed:
                if not was_open:
                    raise
            return self._attempt(work)

    def _attempt(self, work: Callable[[pkcs11.Session], T]) -> T:
        if self._session is None:
            self._session = _open(self._settings)
        from pkcs11.exceptions import NoSuchKey, PKCS11Error  # noqa: PLC0415 - of the extra `issuing`

        try:
            return work(self._session)
        except NoSuchKey:
            raise _absent("make the issuer's keys: python -m services.card.issuer") from None
        except PKCS11Error as error:
            self._session = None
            raise IssuerTokenFailed("look after the issuer's token", error=type(error).__name__) from None


def _absent(advice: str) -> IssuerKeysAbsent:
    return IssuerKeysAbsent(advice)


def _open(settings: TokenSettings) -> pkcs11.Session:
    if not settings.module:
        raise _absent("set pkcs11_module to the issuer's PKCS #11 module (SoftHSM: install softhsm2, then start again)")
    try:
        import pkcs11  # noqa: PLC0415 - of the extra `issuing`
    except ImportError:
        raise _absent("install python-pkcs11: it comes with the extra `issuing`") from None
    try:
        pin = settings.pin_file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise _absent("put the token's PIN into the file that pkcs11_pin names") from None
    try:
        token = pkcs11.lib(settings.module).get_token(token_label=settings.label)
        try:
            return token.open(user_pin=pin, rw=True)
        except pkcs11.UserAlreadyLoggedIn:
            # Whoever logs in to a token does so for the whole process.
            return token.open(rw=True)
    except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned):
        raise _absent("name one token that the module has in pkcs11_token") from None
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        # The binding's errors hold no PIN, but their chain may hold the call's arguments.
        raise IssuerTokenFailed("look after the issuer's token", error=type(error).__name__) from None


def _public_key(session: pkcs11.Session, label: str) -> ec.EllipticCurvePublicKey:
    from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: PLC0415 - of the extra `issuing`

    key = session.get_key(object_class=ObjectClass.PUBLIC_KEY, key_type=KeyType.EC, label=label)
    point = bytes(key[Attribute.EC_POINT])
    # Some tokens wrap the point in an OCTET STRING, as the standard says, and some give it bare.
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point[-_POINT_SIZE:])


def _sign(session: pkcs11.Session, label: str, digest: bytes) -> bytes:
    from pkcs11 import KeyType, Mechanism, ObjectClass  # noqa: PLC0415 - of the extra `issuing`

    key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, key_type=KeyType.EC, label=label)
    signature = bytes(key.sign(digest, mechanism=Mechanism.ECDSA))  # type: ignore[attr-defined]
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def _certificate(session: pkcs11.Session, label: str) -> x509.Certificate:
    from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - of the extra `issuing`

    template = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.LABEL: label}
    for found in session.get_objects(template):
        return x509.load_der_x509_certificate(bytes(found[Attribute.VALUE]))
    raise _absent("make the issuer's keys: python -m services.card.issuer")
