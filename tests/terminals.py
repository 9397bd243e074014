"""Terminal certificates for tests, minted at run time: right ones, and every wrong one that a test asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.card.softcard.terminals import JUKI_NET, ROLES

ROLE_IDS = {role: oid for oid, role in ROLES.items()}
DOMAIN = "13.juki.example"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Holder:
    """A key and the certificate that somebody issued for it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Shape:
    """What a certificate says; tests replace the one thing they are about."""

    subject: str = "card/131016-1"
    issuer: str = f"{DOMAIN} issuing"
    is_authority: bool = False
    basic_constraints_critical: bool = True
    key_agreement: bool = True
    digital_signature: bool = False
    key_cert_sign: bool = False
    uris: tuple[str, ...] = (f"spiffe://{DOMAIN}/card/131016-1",)
    usages: tuple[x509.ObjectIdentifier, ...] = (ROLE_IDS[JUKI_NET],)
    constraints: x509.NameConstraints | None = None
    unknown_critical: bool = False
    not_before: datetime = NOW
    lifetime: timedelta = timedelta(days=30)
    curve: ec.EllipticCurve = field(default_factory=ec.SECP256R1)
    digest: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)


TERMINAL = Shape()
ISSUING = Shape(
    subject=f"{DOMAIN} issuing",
    issuer="juki.example root",
    is_authority=True,
    key_agreement=False,
    key_cert_sign=True,
    uris=(),
    usages=(),
    constraints=x509.NameConstraints([x509.UniformResourceIdentifier(DOMAIN)], None),
    lifetime=timedelta(days=3650),
)


def mint(shape: Shape, signer: ec.EllipticCurvePrivateKey) -> Holder:
    """Makes a key and a certificate of this shape, signed by `signer`."""
    key = ec.generate_private_key(shape.curve)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(shape.subject))
        .issuer_name(_name(shape.issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(shape.not_before)
        .not_valid_after(shape.not_before + shape.lifetime)
    )
    for extension, critical in _extensions(shape):
        builder = builder.add_extension(extension, critical)
    return Holder(key, builder.sign(signer, shape.digest))  # type: ignore[arg-type]


def _extensions(shape: Shape) -> Sequence[tuple[x509.ExtensionType, bool]]:
    usage = x509.KeyUsage(
        digital_signature=shape.digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=shape.key_agreement,
        key_cert_sign=shape.key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    constraints = x509.BasicConstraints(ca=shape.is_authority, path_length=0 if shape.is_authority else None)
    found: list[tuple[x509.ExtensionType, bool]] = [(constraints, shape.basic_constraints_critical), (usage, True)]
    if shape.uris:
        found.append((x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in shape.uris]), False))
    if shape.usages:
        found.append((x509.ExtendedKeyUsage(shape.usages), False))
    if shape.constraints is not None:
        found.append((shape.constraints, True))
    if shape.unknown_critical:
        found.append((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), True))
    return found


class Federation:
    """A root, an issuing authority below it, and the terminals that it certifies."""

    def __init__(self) -> None:
        self.root = ec.generate_private_key(ec.SECP256R1())
        self.issuing = mint(ISSUING, self.root)

    def terminal(self, **changes: object) -> Holder:
        """Certifies a terminal below the issuing authority, right except for `changes` to its shape."""
        return mint(replace(TERMINAL, **changes), self.issuing.key)  # type: ignore[arg-type]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
