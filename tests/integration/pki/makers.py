"""Certificates that the ceremony would never make, and the outside judges of those it makes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.pki import certificates, profiles
from deploy.pki.authority import Pki
from deploy.pki.certificates import Issuer, load_certificate, load_elliptic_key
from deploy.pki.profiles import Profile
from deploy.pki.settings import CeremonySettings, load_settings
from services.foundation.identity import node_id

SETTINGS_PATH = Path(__file__).parents[3] / "deploy/pki/ceremony.toml"


@dataclass
class MovableClock:
    """A clock that a test sets."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.moment

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)


@dataclass(frozen=True)
class Pair:
    """A private key and a chain, PEM."""

    key: bytes
    chain: bytes


def settings() -> CeremonySettings:
    """The settings that are shipped."""
    return load_settings(SETTINGS_PATH)


def pair_of(directory: Path, kind: str = "tls") -> Pair:
    """The pair in a node's key directory."""
    return Pair((directory / f"{kind}.key").read_bytes(), (directory / f"{kind}.crt").read_bytes())


def issuer_of(pki: Pki, label: str) -> Issuer:
    """An issuing authority with its key, as a thief of its directory would have it."""
    directory = pki.state / "authorities" / label
    return Issuer(load_certificate(directory / "issuing.crt"), load_elliptic_key(directory / "issuing.key"))


def forge(issuer: Issuer, uris: list[str], dns: list[str]) -> Pair:
    """A TLS pair with any names, signed by an issuing authority past every check of the ceremony."""
    names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, dns)]
    model = profiles.tls(settings(), node_id("prefecture/13", "juki.example"))
    extensions = tuple(
        (x509.SubjectAlternativeName(names), critical)
        if isinstance(value, x509.SubjectAlternativeName)
        else (value, critical)
        for value, critical in model.extensions
    )
    key = ec.generate_private_key(ec.SECP256R1())
    profile = Profile(model.subject, model.lifetime, extensions)
    leaf = certificates.certify(profile, key.public_key(), issuer, certificates.new_serial(), datetime.now(UTC))
    return Pair(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        leaf.public_bytes(Encoding.PEM) + issuer.certificate.public_bytes(Encoding.PEM),
    )


def openssl(*arguments: str | Path, stdin: bytes = b"") -> tuple[int, str]:
    """Runs openssl; returns its exit status and everything it said."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, timeout=20, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def verify(pki: Pki, chain: bytes, scratch: Path, *options: str) -> tuple[int, str]:
    """Asks openssl whether a chain leads to this network's root, with the revocation lists that are published."""
    (scratch / "chain.pem").write_bytes(chain)
    lists = [part for path in (pki.trust.path / "crl").glob("*.crl") for part in ("-CRLfile", path)]
    trusted, chain_path = ("-CAfile", pki.trust.path / "roots.crt"), scratch / "chain.pem"
    strict = ("-x509_strict", "-crl_check", *options)
    return openssl("verify", *strict, *trusted, *lists, "-untrusted", chain_path, chain_path)
