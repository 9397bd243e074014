"""How a receipt is verified: signed checkpoint, inclusion proof, and the node's key that came another way.

Formats: C2SP signed-note and tlog-checkpoint, RFC 6962 section 2.1, RFC 9162 section 2.1.3.2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ED25519 = 0x01
_DASH = "\u2014"


class ReceiptUnproved(Exception):  # noqa: N818 - names what is the case
    """The log's published state does not show the entry that a receipt promises: keep the receipt and complain."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """A log's verifier key (C2SP vkey): name, key id (4 bytes) and Ed25519 public key (32 bytes)."""

    name: str
    key_id: bytes
    public_key: bytes

    @classmethod
    def parse(cls, vkey: str) -> LogKey:
        """Reads `<name>+<key id, hexadecimal>+<base64>`; raises ValueError for what is not an Ed25519 log key."""
        name, key_id, encoded = vkey.strip().split("+", 2)
        typed = base64.b64decode(encoded, validate=True)
        expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
        if len(typed) != 33 or typed[0] != _ED25519 or bytes.fromhex(key_id) != expected:
            raise ValueError("not the Ed25519 verifier key of a log")
        return cls(name, expected, typed[1:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's size and root hash, as its key signed them."""

    origin: str
    size: int
    root_hash: bytes


def open_checkpoint(note: str, key: LogKey) -> Checkpoint:
    """Verifies a signed checkpoint; raises `ReceiptUnproved`."""
    text, gap, signatures = note.partition("\n\n")
    text += "\n"
    if not gap or not any(_signed(line, text, key) for line in signatures.splitlines()):
        raise ReceiptUnproved("the checkpoint is not signed by the log's key")
    try:
        origin, size, root, _end = text.split("\n", 3)
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except ValueError:
        raise ReceiptUnproved("the checkpoint is malformed") from None
    if checkpoint.origin != key.name:
        raise ReceiptUnproved("the checkpoint is another log's")
    return checkpoint


def verify_inclusion(leaf: bytes, index: int, checkpoint: Checkpoint, proof: Sequence[bytes]) -> None:
    """Raises `ReceiptUnproved` unless `proof` leads from the leaf at `index` to the checkpoint's root."""
    if not 0 <= index < checkpoint.size:
        raise ReceiptUnproved("the index lies outside the checkpoint's tree")
    place, last, found = index, checkpoint.size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ReceiptUnproved("the proof is too long")
        if place & 1 or place == last:
            found = _node(sibling, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = _node(found, sibling)
        place, last = place >> 1, last >> 1
    if last or found != checkpoint.root_hash:
        raise ReceiptUnproved("the proof does not lead to the checkpoint's root")


def _signed(line: str, text: str, key: LogKey) -> bool:
    try:
        dash, name, encoded = line.split(" ")
        signature = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        return False
    if dash != _DASH or name != key.name or signature[:4] != key.key_id:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature[4:], text.encode())
    except InvalidSignature:
        raise ReceiptUnproved("a signature by the log's key does not verify") from None
    return True


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
