"""Who is at the other end of a connection, and whether it may speak at all (SPIFFE X509-SVID, RFC 5280)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.foundation.clock import Clock, SystemClock
from services.foundation.identity import SERVING, NodeId, parse_spiffe_id
from services.foundation.rpc.refusals import (
    CertificateExpired,
    CertificateNotALeaf,
    CertificateRevoked,
    IdentityNotSingle,
    IssuerNotTrusted,
    KeyExchangeNotPostQuantum,
    NodeSuspended,
    RevocationUnknown,
    TlsTooOld,
)
from services.foundation.rpc.trust import TrustStore

POST_QUANTUM_GROUP = b"X25519MLKEM768"
_REMEMBERED = 4096
"""Certificates remembered; each takes a few kilobytes."""
_CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH

AuthContext = Mapping[str, Iterable[bytes]]
"""What gRPC tells of a connection."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An identified peer and its connection."""

    identity: NodeId
    tls_version: str
    tls_group: str


@dataclass(frozen=True, slots=True)
class _Judged:
    """A certificate that was found good while the trust store had this generation."""

    identity: NodeId
    generation: int
    valid_from: datetime
    valid_until: datetime


class Guard:
    """Identifies the peer of each call, not only of each handshake: trust may end while a channel is open.

    The certificate is judged once for each generation of the trust store; after that a call costs two comparisons.
    """

    def __init__(self, trust: TrustStore, *, classical_callers: bool = False, clock: Clock | None = None) -> None:
        self._trust = trust
        self._classical_callers = classical_callers
        self._clock = clock or SystemClock()
        self._judged: OrderedDict[tuple[bytes, bytes], _Judged] = OrderedDict()

    def identify(self, connection: AuthContext) -> Peer:
        """Returns who is at the other end; refuses with a reason of this module, or of identity and trust."""
        version, group = _one(connection, "ssl_tls_version"), _one(connection, "ssl_negotiated_key_exchange_group")
        if version != b"TLSv1.3":
            raise TlsTooOld("connect with TLS 1.3", version=version.decode())
        if group != POST_QUANTUM_GROUP and not self._classical_callers:
            raise _not_post_quantum(group)
        pem = _one(connection, "x509_pem_cert"), _one(connection, "x509_pem_cert_chain")
        judged = self._judged.get(pem)
        if judged is None or judged.generation != self._trust.generation:
            judged = self._remember(pem)
        if not judged.valid_from <= self._clock.now() <= judged.valid_until:
            raise CertificateExpired("connect again with the node's present certificate", peer=judged.identity.name)
        if group != POST_QUANTUM_GROUP and judged.identity.tier in SERVING:
            raise _not_post_quantum(group)
        return Peer(judged.identity, "TLSv1.3", group.decode())

    def _remember(self, pem: tuple[bytes, bytes]) -> _Judged:
        judged = self._judged[pem] = _judge(*pem, self._trust)
        self._judged.move_to_end(pem)
        if len(self._judged) > _REMEMBERED:
            self._judged.popitem(last=False)
        return judged


def _judge(leaf_pem: bytes, chain_pem: bytes, trust: TrustStore) -> _Judged:
    try:
        leaf = x509.load_pem_x509_certificate(leaf_pem)
        chain = x509.load_pem_x509_certificates(chain_pem) if chain_pem else []
        identity = parse_spiffe_id(_single_uri(leaf), trust.root)
        _require_leaf(leaf)
    except ValueError:
        raise CertificateNotALeaf("present a certificate that can be read") from None
    generation = trust.generation
    issuer = trust.issuer_of(leaf, chain)
    _require_vouching(issuer, identity)
    _require_unrevoked(leaf, issuer, identity, trust)
    if trust.is_suspended(identity):
        raise NodeSuspended("ask the network's operator why the node is suspended", peer=identity.name)
    return _Judged(
        identity,
        generation,
        max(leaf.not_valid_before_utc, issuer.not_valid_before_utc),
        min(leaf.not_valid_after_utc, issuer.not_valid_after_utc),
    )


def _not_post_quantum(group: bytes) -> KeyExchangeNotPostQuantum:
    return KeyExchangeNotPostQuantum("offer the key-exchange group X25519MLKEM768", group=group.decode())


def _single_uri(leaf: x509.Certificate) -> str:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    if len(uris) != 1:
        raise IdentityNotSingle("present a certificate with exactly one URI, the node's SPIFFE id", count=len(uris))
    return uris[0]


def _require_leaf(leaf: x509.Certificate) -> None:
    """Refuses what is not a node's TLS certificate: the keys that sign events or other certificates must not speak."""
    try:
        authority = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise CertificateNotALeaf("present the node's TLS certificate") from None
    if authority or not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise CertificateNotALeaf("present the node's TLS certificate, not an authority's")
    if _CLIENT_AUTH not in extended:
        raise CertificateNotALeaf("present a certificate for client authentication")


def _require_vouching(issuer: x509.Certificate, identity: NodeId) -> None:
    """Refuses unless the issuer is constrained to the trust domain of the identity, and to no other."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        raise IssuerNotTrusted("present a certificate from an authority that is constrained by name") from None
    hosts = {
        each.value for each in constraints.permitted_subtrees or () if isinstance(each, x509.UniformResourceIdentifier)
    }
    if hosts != {identity.trust_domain}:
        raise IssuerNotTrusted("present a certificate from the trust domain's own authority", peer=identity.name)


def _require_unrevoked(leaf: x509.Certificate, issuer: x509.Certificate, identity: NodeId, trust: TrustStore) -> None:
    for certificate in (leaf, issuer):
        if trust.is_revoked(certificate.issuer, certificate.serial_number):
            serial = f"{certificate.serial_number:x}"
            raise CertificateRevoked("have a new certificate issued", peer=identity.name, serial=serial)
    if trust.require_fresh_lists and not trust.is_fresh(leaf.issuer):
        raise RevocationUnknown("wait until the issuer publishes its next revocation list", peer=identity.name)


def _one(connection: AuthContext, name: str) -> bytes:
    """Returns a property's first value; empty when gRPC does not give it."""
    return next(iter(connection.get(name, ())), b"")
