"""Checkpoints (C2SP tlog-checkpoint): a log's promise of its size and root, as the text of a signed note; pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.foundation.audit.merkle import Hash
from services.foundation.audit.note import Ed25519Verifier, Note, NoteSigner, Verifier, open_note
from services.foundation.audit.refusals import CheckpointMalformed, NoteUnsigned

_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The origin of a log, how many entries it has, and the root over them (32 bytes)."""

    origin: str
    size: int
    root_hash: Hash

    def text(self) -> str:
        """Returns the note's text: three lines, no extension lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root_hash).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Reads a note's text; refuses CHECKPOINT_MALFORMED, also for extension lines, which cosigners do not cover."""
    match = _BODY.fullmatch(text)
    if match is None:
        raise CheckpointMalformed("a checkpoint has three lines: origin, size, root")
    root_hash = base64.b64decode(match[3])
    if base64.b64encode(root_hash).decode() != match[3]:
        raise CheckpointMalformed("the root is not strict base64")
    return Checkpoint(match[1], int(match[2]), root_hash)


def sign(checkpoint: Checkpoint, signer: NoteSigner) -> str:
    """Returns the checkpoint as a signed note."""
    return signer.sign(checkpoint.text())


def open_checkpoint(note: str, verifiers: Iterable[Verifier], origin: str) -> tuple[Checkpoint, Note]:
    """Reads a signed checkpoint of the log `origin`.

    Refuses what `open_note` and `parse_checkpoint` refuse, CHECKPOINT_MALFORMED for another log's checkpoint, and
    NOTE_UNSIGNED when only cosigners signed: they vouch for consistency, not for the log.
    """
    known = list(verifiers)
    opened = open_note(note, known)
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != origin:
        raise CheckpointMalformed("this is a checkpoint of another log", origin=checkpoint.origin)
    own = {key.key_id for key in known if isinstance(key, Ed25519Verifier) and key.name == origin}
    if all(signature.key_id not in own for signature in opened.verified):
        raise NoteUnsigned("give the log's own verifier key", origin=origin)
    return checkpoint, opened
