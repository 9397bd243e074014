"""Certificates for tests, minted at run time: roots, issuers, node leaves right and wrong, revocation lists."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.foundation.identity import NodeId, node_id

ROOT = "juki.example"
BOTH_USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, and the certificates that a peer sends after it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate and its chain."""
        return b"".join(pem(each) for each in (self.certificate, *self.chain))

    @property
    def leaf_pem(self) -> bytes:
        return pem(self.certificate)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, directory: Path) -> Path:
        """Lays the pair into a key directory, as a rotation does: a new folder, then one renamed link."""
        version = directory / f"tls-{self.certificate.serial_number:x}"
        version.mkdir(parents=True, exist_ok=True)
        (version / "tls.key").write_bytes(self.key_pem)
        (version / "tls.crt").write_bytes(self.certificate_pem)
        staged = directory / ".tls.new"
        staged.symlink_to(version.name)
        staged.replace(directory / "tls")
        for name in ("tls.key", "tls.crt"):
            if not (directory / name).is_symlink():
                (directory / name).symlink_to(f"tls/{name}")
        return directory


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def make_root(name: str = "test root") -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(name), _name(name), key, timedelta(days=3650))
    return Pair(_authority(builder, path_length=1).sign(key, hashes.SHA256()), key)


def make_issuer(root: Pair, domain: str = f"13.{ROOT}", *, constrained: bool = True) -> Pair:
    """An issuing authority for one trust domain."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(f"{domain} issuing"), root.certificate.subject, key, timedelta(days=1825))
    builder = _authority(builder, path_length=0)
    if constrained:
        permitted: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(domain),
            x509.DNSName(domain),
            x509.DNSName("localhost"),
        ]
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    return Pair(builder.sign(root.key, hashes.SHA256()), key)


def make_leaf(
    issuer: Pair,
    node: str = "municipal/131016",
    *,
    uris: Sequence[str] | None = None,
    ca: bool = False,
    digital_signature: bool = True,
    usages: Sequence[x509.ObjectIdentifier] = BOTH_USAGES,
    lifetime: timedelta = timedelta(days=30),
    begins: datetime | None = None,
) -> Pair:
    """A node's TLS certificate; the arguments after the name make it wrong in one way each."""
    identity = node_id(node, ROOT)
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [
        *(x509.UniformResourceIdentifier(uri) for uri in ([identity.uri] if uris is None else uris)),
        x509.DNSName(identity.dns_name),
        x509.DNSName("localhost"),
    ]
    builder = _builder(_name(node), issuer.certificate.subject, key, lifetime, begins)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=digital_signature, authority=ca), critical=True)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Pair(builder.sign(issuer.key, hashes.SHA256()), key, (issuer.certificate,))


def make_list(
    issuer: Pair,
    *serials: int,
    key: ec.EllipticCurvePrivateKey | None = None,
    begins: datetime | None = None,
    lifetime: timedelta = timedelta(days=7),
) -> bytes:
    """A revocation list, PEM, of the issuer; signed by another key when one is given."""
    begins = begins or datetime.now(UTC) - timedelta(minutes=1)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(begins + lifetime)
    )
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begins).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(key or issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def replace_file(path: Path, data: bytes) -> None:
    """Puts new content in place in one step, as every writer of the trust directory does."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    staged.write_bytes(data)
    os.replace(staged, path)  # noqa: PTH105 - the name of the system call that this stands for


@dataclass(frozen=True)
class Network:
    """A small network: a root, the authorities of two prefectures and the nation, and a trust directory."""

    directory: Path
    root: Pair = field(default_factory=make_root)
    issuers: dict[str, Pair] = field(default_factory=dict)

    @property
    def trust(self) -> Path:
        return self.directory / "trust"

    def leaf(self, node: str, **wrong: object) -> Pair:
        """Mints a node's certificate from the authority of its trust domain."""
        domain = node_id(node, ROOT).trust_domain
        return make_leaf(self.issuers[domain], node, **wrong)  # type: ignore[arg-type]

    def keys(self, node: str, **wrong: object) -> Path:
        """Mints a node's certificate into a key directory of its own and returns the directory."""
        directory = self.directory / node.replace("/", "-")
        return self.leaf(node, **wrong).write(directory)

    def revoke(self, domain: str, *serials: int) -> None:
        replace_file(self.trust / "crl" / f"{domain}.crl", make_list(self.issuers[domain], *serials))

    def suspend(self, *nodes: NodeId) -> None:
        replace_file(self.trust / "suspended", "".join(f"{node.uri}\n" for node in nodes).encode())


def make_network(directory: Path) -> Network:
    """Makes the network's authorities and its trust directory, with empty revocation lists."""
    network = Network(directory)
    (network.trust / "crl").mkdir(parents=True)
    replace_file(network.trust / "roots.crt", network.root.leaf_pem)
    replace_file(network.trust / "suspended", b"# nobody\n")
    for domain in (f"13.{ROOT}", f"14.{ROOT}", f"national.{ROOT}"):
        network.issuers[domain] = make_issuer(network.root, domain)
        network.revoke(domain)
    return network


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    lifetime: timedelta,
    begins: datetime | None = None,
) -> x509.CertificateBuilder:
    begins = begins or datetime.now(UTC) - timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(127) | 1)
        .not_valid_before(begins)
        .not_valid_after(begins + lifetime)
    )


def _authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        _key_usage(digital_signature=False, authority=True), critical=True
    )


def _key_usage(*, digital_signature: bool, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not digital_signature and not authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
