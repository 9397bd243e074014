"""Signed notes (C2SP signed-note): a text, and signatures that name their keys; pure.

Signatures by unknown keys are kept and ignored, which is the place for cosigners of other organisations.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.foundation.audit.refusals import KeyMalformed, NoteForged, NoteMalformed, NoteUnsigned

NOTE_LIMIT = 1_000_000
"""Bytes a note may have."""

ED25519 = 0x01
"""Algorithm of a log's own key."""

_SIGNATURES_LIMIT = 100
_KEY_ID = 4
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_NAME = re.compile(r"[^\s+]+")
_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


class Verifier(Protocol):
    """A key that can check signatures on notes."""

    @property
    def name(self) -> str:
        """The key's name, for a log its origin."""
        ...

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signatures name the key."""
        ...

    def verifies(self, text: str, signature: bytes) -> bool:
        """Returns whether `signature` (without key id) is this key's, over `text`."""
        ...


class Key(Verifier, Protocol):
    """A verifier that can be written as text."""

    algorithm: ClassVar[int]

    @property
    def public_key(self) -> bytes:
        """The key alone, without its algorithm."""
        ...


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name, its id (4 bytes), and the signature after it."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Returns the line, line feed included."""
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note whose known signatures have been verified; only `open_note` makes one."""

    text: str
    verified: tuple[Signature, ...]
    unknown: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Ed25519Verifier:
    """A log's own key: algorithm 0x01, signing the note's text."""

    algorithm: ClassVar[int] = ED25519
    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signatures name the key."""
        return key_id(self.name, self.algorithm, self.public_key)

    def verifies(self, text: str, signature: bytes) -> bool:
        """Returns whether `signature`, 64 bytes, is this key's over the note's text."""
        return verifies_ed25519(self.public_key, signature, text.encode())


class NoteSigner:
    """A log's signing key, algorithm 0x01."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        check_name(name)
        self._key = key
        self.verifier = Ed25519Verifier(name, key.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        """The key's name."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The verifier key as text, to be given to whoever verifies."""
        return format_vkey(self.verifier)

    def sign(self, text: str) -> str:
        """Returns the whole note: `text`, an empty line, and this key's signature."""
        _check_text(text)
        signature = Signature(self.name, self.verifier.key_id, self._key.sign(text.encode()))
        return f"{text}\n{signature.line()}"


def check_name(name: str) -> None:
    """Refuses VERIFIER_KEY_MALFORMED for what cannot be a key's name."""
    if _NAME.fullmatch(name) is None:
        raise KeyMalformed("a key's name has neither spaces nor plus signs")


def key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    """Returns the four bytes by which signatures name a key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:_KEY_ID]


def format_vkey(verifier: Key) -> str:
    """Returns a verifier key as text, `name+id+key`."""
    key = base64.b64encode(bytes([verifier.algorithm]) + verifier.public_key).decode()
    return f"{verifier.name}+{verifier.key_id.hex()}+{key}"


def open_note(note: str, verifiers: Iterable[Verifier]) -> Note:
    """Reads a note and verifies every signature by a known key.

    Refuses NOTE_MALFORMED; NOTE_FORGED when a known key's signature is wrong, whatever others say; NOTE_UNSIGNED when
    no signature is by a known key.
    """
    text, signatures = parse_note(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    verified, unknown = [], []
    for signature in signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            unknown.append(signature)
        elif verifier.verifies(text, signature.signature):
            verified.append(signature)
        else:
            raise NoteForged("do not trust this note: a known key's signature is wrong", name=signature.name)
    if not verified:
        raise NoteUnsigned("give the verifier key of the note's signer")
    return Note(text, tuple(verified), tuple(unknown))


def parse_note(note: str) -> tuple[str, list[Signature]]:
    """Splits a note into its text and its signatures, verifying nothing; refuses NOTE_MALFORMED."""
    if len(note.encode(errors="surrogatepass")) > NOTE_LIMIT:
        raise NoteMalformed("the note is too long")
    body, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise NoteMalformed("a note is a text, an empty line, and signature lines, each ended by a line feed")
    _check_text(body + "\n")
    signatures = [_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > _SIGNATURES_LIMIT:
        raise NoteMalformed("the note has too many signatures")
    return body + "\n", signatures


def _signature(line: str) -> Signature:
    match = _LINE.fullmatch(line)
    value = strict_base64(match[2]) if match else None
    if match is None or value is None or len(value) <= _KEY_ID:
        raise NoteMalformed("a signature line is an em dash, a key name, and base64")
    return Signature(match[1], value[:_KEY_ID], value[_KEY_ID:])


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoteMalformed("the text is not UTF-8") from None
    if _CONTROL.search(text) or not text.endswith("\n"):
        raise NoteMalformed("a text ends with a line feed and holds no other control characters")


def strict_base64(text: str) -> bytes | None:
    """Returns the bytes of strict base64, whose unused bits are zero, or nothing."""
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return value if base64.b64encode(value).decode() == text else None


def verifies_ed25519(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Returns whether `signature`, 64 bytes, is by the key over `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True
