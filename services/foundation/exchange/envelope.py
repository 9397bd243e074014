"""How a message becomes a signed envelope, and how an envelope is read and verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from google.protobuf.message import DecodeError, Message

from juki.common.v1 import change_pb2, envelope_pb2
from services.foundation.exchange.refusals import EnvelopeMalformed, SenderMismatch, SignatureInvalid

CONTEXT = b"juki-event/v1\x00"
"""What is signed before the body, so that a signature cannot be taken for one over anything else."""

HASH_SIZE = 32
NO_HASH = bytes(HASH_SIZE)
"""The hash that stands before the first envelope of a stream."""

ENVELOPE_LIMIT = 64 * 1024
"""Bytes that an envelope may have; one change has about 500."""

_M = TypeVar("_M", bound=Message)
_SIGNATURE_SIZE = 64
_SENDER = re.compile(r"[a-z]{1,16}/[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope as parsed; whoever holds one must still `verify` it."""

    envelope: bytes = field(repr=False)
    """The Envelope, serialized, as it came."""
    body: bytes = field(repr=False)
    """The EnvelopeBody, serialized, as it was signed."""
    body_hash: bytes
    """SHA-256 of the body."""
    signature: bytes = field(repr=False)
    signer_hash: bytes
    """SHA-256 of the DER certificate of the signing key."""
    sender: str
    """Short name that the body gives."""
    sequence: int
    previous_hash: bytes
    supersedes: int
    """Place of the quarantined envelope that this one replaces; 0 where there is none."""
    change: change_pb2.ChangeEvent | None = field(repr=False)
    """The sender's own message; None in an envelope that relays."""
    relayed: bytes | None = field(repr=False)
    """The Envelope that is relayed, serialized; None in an envelope of the sender's own."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A signed envelope, ready to be stored and sent."""

    sequence: int
    envelope: bytes = field(repr=False)
    body_hash: bytes


class EnvelopeSigner:
    """Signs for `sender` with the key of `certificates[0]`, which the authority of `certificates[1]` issued."""

    def __init__(self, sender: str, key: Ed25519PrivateKey, certificates: Sequence[x509.Certificate]) -> None:
        self.sender = sender
        self.certificates = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
        self.signer_hash = hashlib.sha256(self.certificates[0]).digest()
        self._key = key

    @classmethod
    def load(cls, sender: str, keys: Path) -> EnvelopeSigner:
        """Reads `signing.key` and `signing.crt` in the node's key directory.

        Raises ValueError when they are not an Ed25519 key and its certificate, followed by its issuer's.
        """
        key = load_pem_private_key((keys / "signing.key").read_bytes(), None)
        certificates = x509.load_pem_x509_certificates((keys / "signing.crt").read_bytes())
        if not isinstance(key, Ed25519PrivateKey) or certificates[0].public_key() != key.public_key():
            raise ValueError("signing.key and signing.crt must be an Ed25519 key and its certificate")
        if len(certificates) < 2:
            raise ValueError("signing.crt must hold the certificate of the key's issuer too")
        return cls(sender, key, certificates)

    def seal(
        self,
        sequence: int,
        previous_hash: bytes,
        *,
        change: bytes | None = None,
        relayed: bytes | None = None,
        supersedes: int = 0,
    ) -> Sealed:
        """Signs one message at its place in the stream; refuses ENVELOPE_MALFORMED for bytes that are no message."""
        body = envelope_pb2.EnvelopeBody(
            sender=self.sender, sequence=sequence, previous_hash=previous_hash, supersedes=supersedes
        )
        if (change is None) == (relayed is None):
            raise ValueError("an envelope holds a change or a relayed envelope, not both and not neither")
        if change is not None:
            body.change.CopyFrom(_parse(change_pb2.ChangeEvent(), change))
        else:
            body.relayed.CopyFrom(_parse(envelope_pb2.Envelope(), relayed or b""))
        signed = body.SerializeToString(deterministic=True)
        envelope = envelope_pb2.Envelope(
            body=signed, signature=self._key.sign(CONTEXT + signed), signer_hash=self.signer_hash
        )
        return Sealed(sequence, envelope.SerializeToString(deterministic=True), hashlib.sha256(signed).digest())


def open_envelope(data: bytes) -> Opened:
    """Parses an envelope strictly; refuses ENVELOPE_MALFORMED.

    A field that this version does not know is refused: above the municipality nothing exists but what the contract
    names, so nothing else may ride along in what is kept verbatim.
    """
    if len(data) > ENVELOPE_LIMIT:
        raise EnvelopeMalformed("send envelopes of at most 64 KiB", fault="size")
    envelope = _parse(envelope_pb2.Envelope(), data)
    body = _parse(envelope_pb2.EnvelopeBody(), envelope.body)
    _check(envelope, body)
    own = body.WhichOneof("message") == "change"
    return Opened(
        envelope=data,
        body=envelope.body,
        body_hash=hashlib.sha256(envelope.body).digest(),
        signature=envelope.signature,
        signer_hash=envelope.signer_hash,
        sender=body.sender,
        sequence=body.sequence,
        previous_hash=body.previous_hash,
        supersedes=body.supersedes,
        change=body.change if own else None,
        relayed=None if own else body.relayed.SerializeToString(deterministic=True),
    )


def verify(opened: Opened, node: str, key: Ed25519PublicKey) -> None:
    """Refuses SENDER_MISMATCH unless `node` is the sender, and SIGNATURE_INVALID unless `key` signed the body."""
    if opened.sender != node:
        raise SenderMismatch("sign with the sender's own key", sender=opened.sender, signer=node)
    try:
        key.verify(opened.signature, CONTEXT + opened.body)
    except InvalidSignature:
        raise SignatureInvalid(
            "send what was signed, byte for byte", opened.sender, opened.sequence, NO_HASH, opened.body_hash
        ) from None


def _check(envelope: envelope_pb2.Envelope, body: envelope_pb2.EnvelopeBody) -> None:
    if len(envelope.signature) != _SIGNATURE_SIZE:
        raise EnvelopeMalformed("give a signature of 64 bytes", fault="signature")
    if len(envelope.signer_hash) != HASH_SIZE:
        raise EnvelopeMalformed("give the signer's hash in 32 bytes", fault="signer_hash")
    if _SENDER.fullmatch(body.sender) is None:
        raise EnvelopeMalformed("name the sender as <tier>/<code>", fault="sender")
    if body.sequence < 1:
        raise EnvelopeMalformed("number envelopes from 1", fault="sequence")
    if len(body.previous_hash) != HASH_SIZE:
        raise EnvelopeMalformed("give the hash before in 32 bytes", fault="previous_hash")
    if not 0 <= body.supersedes < body.sequence:
        raise EnvelopeMalformed("supersede an earlier envelope, or none", fault="supersedes")
    if body.WhichOneof("message") is None:
        raise EnvelopeMalformed("put a message into the envelope", fault="message")


def _parse(message: _M, data: bytes) -> _M:
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise EnvelopeMalformed("serialize the message by the contract", fault="encoding") from None
    # What is known takes at most the bytes that came; fewer means that something came which is not known.
    message.DiscardUnknownFields()
    if message.ByteSize() != len(data):
        raise EnvelopeMalformed("send the contract's fields and no others, each once", fault="unknown_field")
    return message
