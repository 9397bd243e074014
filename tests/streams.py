"""Signing keys, certificates, changes and streams for tests of the exchange; nobody in them is real."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from juki.common.v1 import change_pb2, envelope_pb2
from services.foundation.exchange.envelope import NO_HASH, EnvelopeSigner, Opened, Sealed
from services.foundation.exchange.messages import Accepted, Applied, Delivery, Outcome
from services.foundation.exchange.signers import Signers
from services.foundation.identity import NodeId, node_id
from services.foundation.refusals import Kind, Refusal

ROOT = "juki.example"
NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
CITY, TOWN, PREFECTURE, OTHER = (
    node_id(name, ROOT) for name in ("municipal/131016", "municipal/131024", "prefecture/13", "prefecture/14")
)


class FixedClock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)


class Pki:
    """A root and an issuing authority for one trust domain, which may vouch for `domains`."""

    def __init__(self, domain: str, *, domains: tuple[str, ...] | None = None) -> None:
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._issuer_key = ec.generate_private_key(ec.SECP256R1())
        self.root = (
            self._builder(_name("root"), _name("root"))
            .public_key(self._root_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .sign(self._root_key, hashes.SHA256())
        )
        permitted = [x509.UniformResourceIdentifier(each) for each in domains or (domain,)]
        self.issuer = (
            self._builder(_name(f"{domain} issuing"), _name("root"))
            .public_key(self._issuer_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(x509.NameConstraints(permitted, None), critical=True)
            .sign(self._root_key, hashes.SHA256())
        )

    def signer(
        self, node: NodeId, *, uris: tuple[str, ...] | None = None, authority: bool = False, days: int = 365
    ) -> EnvelopeSigner:
        """Returns a signer for `node` with a fresh key."""
        key = Ed25519PrivateKey.generate()
        names = [x509.UniformResourceIdentifier(uri) for uri in uris or (node.uri,)]
        leaf = (
            self._builder(_name(node.name), self.issuer.subject, days=days)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._issuer_key, hashes.SHA256())
        )
        return EnvelopeSigner(node.name, key, [leaf, self.issuer])

    def _builder(self, subject: x509.Name, issuer: x509.Name, *, days: int = 3650) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=days))
        )


def signers_of(*pkis: Pki, clock: FixedClock | None = None, revoked: frozenset[int] = frozenset()) -> Signers:
    """Returns the signers of a node that trusts the roots of `pkis`."""
    return Signers([pki.root for pki in pkis], ROOT, clock or FixedClock(), lambda _issuer, serial: serial in revoked)


def change(code: str, note: str = "") -> bytes:
    """Returns a change about the resident with `code`; `note` tells changes of one resident apart."""
    event = change_pb2.ChangeEvent(
        municipality_code="131016",
        resident_code=code,
        former_resident_code=note,
        reason=change_pb2.CHANGE_REASON_RELOCATION,
    )
    return event.SerializeToString(deterministic=True)


def line_of(origin: Opened) -> str:
    """Returns the line of a test's change; refuses one without a code."""
    if origin.change is None or not origin.change.resident_code:
        raise Unreadable("give a code")
    return f"{origin.sender}/{hashlib.sha256(origin.change.resident_code.encode()).hexdigest()[:16]}"


class Unreadable(Refusal):
    """A change has no code."""

    reason = "UNREADABLE"


class NotYet(Refusal):
    """A tier cannot apply a change."""

    kind = Kind.WRONG_STATE
    reason = "NOT_YET"


@dataclass
class Stream:
    """A sender's stream, made envelope by envelope."""

    signer: EnvelopeSigner
    sequence: int = 0
    hash: bytes = NO_HASH
    sealed: list[Sealed] = field(default_factory=list)

    def add(self, code: str = "", note: str = "", *, supersedes: int = 0, relayed: bytes | None = None) -> Delivery:
        """Returns the delivery of the next envelope."""
        one = self.signer.seal(
            self.sequence + 1,
            self.hash,
            change=None if relayed is not None else change(code, note),
            relayed=relayed,
            supersedes=supersedes,
        )
        self.sequence, self.hash = one.sequence, one.body_hash
        self.sealed.append(one)
        return Delivery(one.envelope)


@dataclass
class Tier:
    """What a tier applies in memory: the notes of each code, in order; it refuses the codes in `refused`."""

    refused: dict[str, str] = field(default_factory=dict)
    """Codes that cannot be applied, and the wait key of each."""
    keys: dict[str, str] = field(default_factory=dict)
    """Codes whose changes make a wait key true."""
    applied: list[tuple[str, str]] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    async def apply(self, accepted: object) -> list[Outcome]:
        assert isinstance(accepted, list)
        self.calls.append(len(accepted))
        lines = [each.line for each in accepted]
        assert len(lines) == len(set(lines))
        return [self._one(each) for each in accepted]

    def _one(self, accepted: Accepted) -> Outcome:
        made = accepted.origin.change
        assert made is not None
        code = made.resident_code
        if code in self.refused:
            return NotYet("wait", wait_key=self.refused[code]) if self.refused[code] else NotYet("wait")
        self.applied.append((code, made.former_resident_code))
        if code not in self.keys:
            return Applied()
        for waiting, key in list(self.refused.items()):
            if key == self.keys[code]:
                del self.refused[waiting]
        return Applied((self.keys[code],))


def forged(delivery: Delivery) -> Delivery:
    """Returns a delivery whose signature is not over its body."""
    envelope = envelope_pb2.Envelope.FromString(delivery.envelope)
    envelope.signature = bytes([envelope.signature[0] ^ 1]) + envelope.signature[1:]
    return Delivery(envelope.SerializeToString(deterministic=True))
