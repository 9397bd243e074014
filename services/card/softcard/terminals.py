"""Which terminal certificates a card accepts, and what they entitle to (RFC 5280, profile of the specification)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

JUKI_NET = "juki-net"
"""May read the juki-net application."""
COUNTER = "counter"
"""May manage PINs and sign at a counter."""
_ARC = "2.25.254554534308430580571332433086005475010"
ROLES = {x509.ObjectIdentifier(f"{_ARC}.1"): JUKI_NET, x509.ObjectIdentifier(f"{_ARC}.2"): COUNTER}
"""Extended key usages of terminal certificates; the arc is a UUID (X.667), so nobody had to register it."""

E = TypeVar("E")
_UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm)
_TERMINAL_EXTENSIONS = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
_ISSUING_EXTENSIONS = frozenset({ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.NAME_CONSTRAINTS})


class CertificateMalformed(Exception):  # noqa: N818 - names what is the case
    """The octets are no certificate."""


class CertificateRefused(Exception):  # noqa: N818 - names what is the case
    """The certificate is not of the profile, or not signed by whom the card trusts."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a certificate must be signed by: a key, and if known its name and the trust domains it may vouch for."""

    key: ec.EllipticCurvePublicKey
    name: x509.Name | None = None
    constraints: x509.NameConstraints | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal whose certificate was accepted: its static key, SPIFFE id and roles, and the chain's newest date."""

    key: ec.EllipticCurvePublicKey
    uri: str
    roles: frozenset[str]
    not_before: datetime


def load(der: bytes) -> x509.Certificate:
    """Reads a certificate with all its extensions; raises `CertificateMalformed`."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.extensions, certificate.subject, certificate.issuer, certificate.signature_hash_algorithm
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.public_key()
    except _UNREADABLE:
        raise CertificateMalformed from None
    return certificate


def accept_issuing(certificate: x509.Certificate, anchor: Trust, today: datetime) -> Trust:
    """Accepts an issuing authority below the anchor; raises `CertificateRefused`."""
    key = _signed(certificate, anchor, today, _ISSUING_EXTENSIONS)
    constraints = _find(certificate, x509.BasicConstraints)
    usage = _find(certificate, x509.KeyUsage)
    _hold(constraints is not None and constraints.ca and usage is not None and usage.key_cert_sign)
    _hold(_find(certificate, x509.ExtendedKeyUsage) is None)
    _hold(isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)))
    names = _find(certificate, x509.NameConstraints)
    return Trust(key, certificate.subject, names, certificate.not_valid_before_utc)


def accept_terminal(certificate: x509.Certificate, trust: Trust, today: datetime) -> Terminal:
    """Accepts a terminal; raises `CertificateRefused`."""
    key = _signed(certificate, trust, today, _TERMINAL_EXTENSIONS)
    _hold(isinstance(key.curve, ec.SECP256R1))
    constraints, usage = _find(certificate, x509.BasicConstraints), _find(certificate, x509.KeyUsage)
    _hold(constraints is not None and not constraints.ca and usage == _KEY_AGREEMENT)
    _hold(_find(certificate, x509.NameConstraints) is None)
    uri = _single_uri(certificate)
    if trust.constraints is not None:
        _hold(_may_vouch(trust.constraints, urlsplit(uri).hostname or ""))
    usages = _find(certificate, x509.ExtendedKeyUsage)
    roles = frozenset(ROLES[usage] for usage in usages or () if usage in ROLES)
    _hold(roles)
    newest = max(certificate.not_valid_before_utc, trust.not_before or certificate.not_valid_before_utc)
    return Terminal(key, uri, roles, newest)


_KEY_AGREEMENT = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=True,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _signed(
    certificate: x509.Certificate, trust: Trust, today: datetime, known: frozenset[x509.ObjectIdentifier]
) -> ec.EllipticCurvePublicKey:
    """Checks what every certificate must have; returns its key."""
    _hold(certificate.version is x509.Version.v3)
    _hold(trust.name is None or certificate.issuer == trust.name)
    _hold(certificate.not_valid_after_utc >= today)
    _hold(all(extension.oid in known for extension in certificate.extensions if extension.critical))
    for kind in (ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE):
        _hold(any(extension.oid == kind and extension.critical for extension in certificate.extensions))
    digest = certificate.signature_hash_algorithm
    if not isinstance(digest, (hashes.SHA256, hashes.SHA384)):
        raise CertificateRefused
    try:
        trust.key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(digest))
    except InvalidSignature:
        raise CertificateRefused from None
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRefused
    return key


def _find(certificate: x509.Certificate, kind: type[E]) -> E | None:
    for extension in certificate.extensions:
        if isinstance(extension.value, kind):
            return extension.value
    return None


def _single_uri(certificate: x509.Certificate) -> str:
    names = _find(certificate, x509.SubjectAlternativeName)
    uris = [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)
    _hold(len(uris) == 1 and uris[0].startswith("spiffe://"))
    return uris[0]


def _may_vouch(constraints: x509.NameConstraints, host: str) -> bool:
    permitted, excluded = _hosts(constraints.permitted_subtrees), _hosts(constraints.excluded_subtrees)
    if any(_lies_in(host, subtree) for subtree in excluded):
        return False
    return not permitted or any(_lies_in(host, subtree) for subtree in permitted)


def _hosts(subtrees: Iterable[x509.GeneralName] | None) -> list[str]:
    return [name.value for name in subtrees or () if isinstance(name, x509.UniformResourceIdentifier)]


def _lies_in(host: str, subtree: str) -> bool:
    # RFC 5280 §4.2.1.10: a URI constraint is a host, or with a leading period everything below it.
    return host.endswith(subtree) if subtree.startswith(".") else host == subtree


def _hold(condition: object) -> None:
    if not condition:
        raise CertificateRefused


EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""The date of a card that has not been told any."""
