"""Whose key signed an envelope, by certificates that lead to a root this node trusts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.foundation.clock import Clock
from services.foundation.exchange.refusals import SignerUnknown
from services.foundation.identity import IdentityMalformed, NodeId, parse_spiffe_id

CERTIFICATES_LIMIT = 2048
"""Most certificates in one call: a leaf for each municipality of the country, and their issuers."""

_VERIFIED_AT_ONCE = 32  # after which other calls get their turn


@dataclass(frozen=True, slots=True)
class StoredSigner:
    """A signing certificate and its issuing authority's, DER, as this node keeps and passes them on."""

    node: str
    certificate: bytes = field(repr=False)
    issuer: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key whose certificate was verified, and the node that it belongs to."""

    node: NodeId
    key: Ed25519PublicKey
    certificate: x509.Certificate = field(repr=False)
    issuer: x509.Certificate = field(repr=False)


class SignerStore(Protocol):
    """Where verified signing certificates are kept."""

    async def signers(self, hashes: Sequence[bytes]) -> Mapping[bytes, StoredSigner]:
        """Returns those kept, by the SHA-256 of the certificate."""
        ...

    async def add_signers(self, signers: Mapping[bytes, StoredSigner]) -> None:
        """Keeps some; those already kept stay as they are."""
        ...


class Signers:
    """The signing keys that this node has come to know.

    A certificate's chain is verified once, when it is first seen. At every use it must be valid at that moment and
    neither it nor its issuer revoked. `is_revoked` looks an issuer's serial number up in the present revocation lists.
    """

    def __init__(
        self,
        roots: Sequence[x509.Certificate],
        trust_domain_root: str,
        clock: Clock,
        is_revoked: Callable[[x509.Name, int], bool],
    ) -> None:
        self._roots = tuple(roots)
        self.trust_domain_root = trust_domain_root
        self._clock = clock
        self._is_revoked = is_revoked
        self._known: dict[bytes, Signer] = {}

    @classmethod
    def load(
        cls, trust: Path, trust_domain_root: str, clock: Clock, is_revoked: Callable[[x509.Name, int], bool]
    ) -> Signers:
        """Reads the roots in `roots.crt` of the trust directory."""
        roots = x509.load_pem_x509_certificates((trust / "roots.crt").read_bytes())
        return cls(roots, trust_domain_root, clock, is_revoked)

    async def introduce(self, store: SignerStore, hashes: Iterable[bytes], certificates: Sequence[bytes]) -> None:
        """Makes the signers with these hashes known from the store; keeps there those that `certificates` (DER) prove.

        What is kept is known from the next call on, after the commit. Those that remain unknown stay so.
        """
        missing = [each for each in set(hashes) if each not in self._known]
        if not missing:
            return
        for each, kept in (await store.signers(missing)).items():
            self._known[each] = self._read(kept)
        missing = [each for each in missing if each not in self._known]
        supplied = {hashlib.sha256(der).digest(): der for der in certificates[:CERTIFICATES_LIMIT]}
        issuers = await self._issuers(supplied.values())
        found = {
            each: stored for each in missing if each in supplied and (stored := self._chain(supplied[each], issuers))
        }
        if found:
            await store.add_signers(found)

    def signer(self, signer_hash: bytes, *, received: bool = False) -> Signer:
        """Returns a signer whose certificate is valid now; refuses SIGNER_UNKNOWN, with the hash in hexadecimal.

        Of an envelope that was `received` while the certificate was valid, its end no longer matters.
        """
        signer = self._known.get(signer_hash)
        if signer is None:
            raise _unknown(signer_hash, "send the signing certificate and its issuer's with the call")
        now = self._clock.now()
        for certificate in (signer.certificate, signer.issuer):
            if not received and not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                raise _unknown(signer_hash, "have the signing key certified anew: its certificate is not valid now")
            if self._is_revoked(certificate.issuer, certificate.serial_number):
                raise _unknown(signer_hash, "have the signing key certified anew: its certificate is revoked")
        return signer

    def knows(self, signer_hash: bytes) -> bool:
        """Tells whether a signer was introduced, be its certificate valid now or not."""
        return signer_hash in self._known

    async def _issuers(self, certificates: Iterable[bytes]) -> dict[bytes, x509.Certificate]:
        """Returns the authorities among `certificates` that a root issued: few, however many a peer sends."""
        issuers = {}
        for number, der in enumerate(certificates):
            if number % _VERIFIED_AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                certificate = x509.load_der_x509_certificate(der)
                _require_authority(certificate)
                _require_root(certificate, self._roots)
            except (ValueError, TypeError, x509.ExtensionNotFound):
                continue
            issuers[der] = certificate
        return issuers

    def _chain(self, leaf_der: bytes, issuers: Mapping[bytes, x509.Certificate]) -> StoredSigner | None:
        """Returns the leaf with the one of `issuers` that may have issued it; None if there is none."""
        try:
            leaf = x509.load_der_x509_certificate(leaf_der)
        except ValueError:
            return None
        for issuer_der, issuer in issuers.items():
            try:
                node = self._vouched(leaf, issuer)
            except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound, IdentityMalformed):
                continue
            return StoredSigner(node.name, leaf_der, issuer_der)
        return None

    def _vouched(self, leaf: x509.Certificate, issuer: x509.Certificate) -> NodeId:
        """Returns whose signing certificate `leaf` is; raises unless the authority `issuer` may vouch for it."""
        leaf.verify_directly_issued_by(issuer)
        node = parse_spiffe_id(_single_uri(leaf), self.trust_domain_root)
        constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
        # RFC 5280 §4.2.1.10: a URI constraint without a leading dot is a host, matched whole.
        if node.trust_domain not in _permitted_hosts(constraints):
            raise ValueError("the issuer may not vouch for this trust domain")
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.digital_signature or leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise ValueError("not the certificate of a signing key")
        if not isinstance(leaf.public_key(), Ed25519PublicKey):
            raise TypeError("events are signed with Ed25519")
        return node

    def _read(self, stored: StoredSigner) -> Signer:
        leaf = x509.load_der_x509_certificate(stored.certificate)
        key = leaf.public_key()
        if not isinstance(key, Ed25519PublicKey):
            raise TypeError("a stored signer has a key that is not Ed25519")
        node = parse_spiffe_id(_single_uri(leaf), self.trust_domain_root)
        return Signer(node, key, leaf, x509.load_der_x509_certificate(stored.issuer))


def _unknown(signer_hash: bytes, advice: str) -> SignerUnknown:
    return SignerUnknown(advice, signer=signer_hash.hex())


def _require_root(issuer: x509.Certificate, roots: Sequence[x509.Certificate]) -> None:
    # Two roots may have one name while the one replaces the other.
    for root in roots:
        if root.subject == issuer.issuer:
            try:
                issuer.verify_directly_issued_by(root)
            except InvalidSignature:
                continue
            return
    raise ValueError("no trusted root issued the issuer")


def _require_authority(issuer: x509.Certificate) -> None:
    basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    if not basic.ca or not usage.key_cert_sign:
        raise ValueError("the issuer is not an authority")


def _single_uri(leaf: x509.Certificate) -> str:
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise ValueError("a node's certificate has exactly one URI")
    return uris[0]


def _permitted_hosts(constraints: x509.NameConstraints) -> list[str]:
    return [
        name.value for name in constraints.permitted_subtrees or () if isinstance(name, x509.UniformResourceIdentifier)
    ]
