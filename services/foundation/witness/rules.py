"""What a witness cosigns and what it refuses (C2SP tlog-witness v1.1, add-checkpoint); pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from services.foundation.audit.merkle import EMPTY_ROOT, HASH_SIZE, Hash, verify_consistency
from services.foundation.audit.note import Ed25519Verifier, parse_note, strict_base64
from services.foundation.audit.refusals import CheckpointMalformed, ConsistencyUnproved
from services.foundation.refusals import Refusal

REQUEST_LIMIT = 256 * 1024
"""Bytes of a request; the largest proof and a hundred post-quantum signatures are below it."""
SIZE_TYPE = "text/x.tlog.size"
"""Content type of the body that says which size the witness holds."""

_PROOF_LIMIT = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class Status(IntEnum):
    """How a request ends; the values are those of HTTP."""

    COSIGNED = 200
    """The checkpoint continues what the witness held; the body has its signature lines."""
    MALFORMED = 400
    """The request is not one, or the old size is above the new."""
    UNSIGNED = 403
    """The log's key did not sign, or a signature by it is wrong."""
    UNKNOWN = 404
    """The witness does not watch this log."""
    CONFLICT = 409
    """The witness holds another size than the old one; the body says which."""
    INCONSISTENT = 422
    """The proof does not show that the tree continues the one held, or an equal size has another root."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A witness's answer: a status, and the body under it."""

    status: Status
    body: str = ""

    @property
    def content_type(self) -> str:
        """The body's content type."""
        return SIZE_TYPE if self.status is Status.CONFLICT else "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Held:
    """The newest checkpoint that a witness cosigned: its note with cosignatures, and the time in them (POSIX)."""

    checkpoint: Checkpoint
    note: str
    cosigned_at: int


@dataclass(frozen=True, slots=True)
class Addition:
    """A request: the size that the log believes held, the proof from there, and the signed checkpoint."""

    old: int
    proof: tuple[Hash, ...]
    note: str
    checkpoint: Checkpoint

    def text(self) -> str:
        """Returns the body of the request."""
        return format_addition(self.old, self.proof, self.note)


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The request ends with `answer`; `is_evidence` tells that the log signed what it may not have."""

    def __init__(self, answer: Answer, *, is_evidence: bool = False) -> None:
        super().__init__(answer.status.name)
        self.answer = answer
        self.is_evidence = is_evidence


def format_addition(old: int, proof: Sequence[Hash], note: str) -> str:
    """Writes a request."""
    lines = "".join(f"{base64.b64encode(item).decode()}\n" for item in proof)
    return f"old {old}\n{lines}\n{note}"


def parse_addition(body: bytes) -> Addition:
    """Reads a request; raises Refused with MALFORMED."""
    if len(body) > REQUEST_LIMIT:
        raise _malformed("the request is too long")
    try:
        head, gap, note = body.decode().partition("\n\n")
        lines = head.split("\n")
        old = _OLD.fullmatch(lines[0])
        proof = [strict_base64(line) for line in lines[1:]]
        checkpoint = parse_checkpoint(parse_note(note)[0])
    except (UnicodeDecodeError, Refusal):
        raise _malformed("the request holds no checkpoint without extension lines") from None
    hashes = [item for item in proof if item is not None and len(item) == HASH_SIZE]
    if not gap or old is None or len(hashes) != len(proof) or len(hashes) > _PROOF_LIMIT:
        raise _malformed("a request is an old size, at most 63 hashes, an empty line, and a checkpoint")
    return Addition(int(old[1]), tuple(hashes), note, checkpoint)


def check_signed(addition: Addition, keys: Sequence[Ed25519Verifier]) -> None:
    """Raises Refused unless one of the log's keys signed; no keys mean an unknown log."""
    if not keys:
        raise Refused(Answer(Status.UNKNOWN, "this witness does not watch the log\n"))
    try:
        open_checkpoint(addition.note, keys, addition.checkpoint.origin)
    except Refusal:
        raise Refused(Answer(Status.UNSIGNED, "the log's key has not signed this checkpoint\n")) from None


def check_continues(addition: Addition, held: Held | None) -> None:
    """Raises Refused unless the checkpoint continues the one held."""
    new = addition.checkpoint
    if addition.old > new.size:
        raise _malformed("the old size is above the checkpoint's")
    size, root = (held.checkpoint.size, held.checkpoint.root_hash) if held else (0, EMPTY_ROOT)
    if addition.old != size:
        raise Refused(Answer(Status.CONFLICT, f"{size}\n"))
    if new.size == size and new.root_hash != root:
        raise _inconsistent("the log has shown another tree of this size\n", is_evidence=True)
    try:
        verify_consistency(size, new.size, root, new.root_hash, addition.proof)
    except ConsistencyUnproved:
        raise _inconsistent("the proof does not lead from the tree held to this one\n", is_evidence=False) from None


def parse_size(body: str) -> int | None:
    """Returns the size that a witness says it holds, or nothing for what is no size."""
    match = re.fullmatch(r"(0|[1-9][0-9]{0,18})\n", body)
    return int(match[1]) if match else None


def next_time(now: int, held: Held | None) -> int:
    """Returns the time that the next cosignature states; it never goes back, even when the clock does."""
    return max(now, held.cosigned_at) if held else now


def is_prefix(checkpoint: Checkpoint, size: int, root_at: Callable[[int], Hash]) -> bool:
    """Tells whether a log of `size` entries, with these roots, continues `checkpoint`."""
    return checkpoint.size <= size and root_at(checkpoint.size) == checkpoint.root_hash


def held_checkpoint(note: str, key: Ed25519Verifier) -> Checkpoint:
    """Reads what a witness says it holds of the log `key`; refuses unless the log's own key signed it."""
    checkpoint, _ = open_checkpoint(note, [key], key.name)
    if checkpoint.origin != key.name:
        raise CheckpointMalformed("this is a checkpoint of another log", origin=checkpoint.origin)
    return checkpoint


def _malformed(what: str) -> Refused:
    return Refused(Answer(Status.MALFORMED, f"{what}\n"))


def _inconsistent(what: str, *, is_evidence: bool) -> Refused:
    return Refused(Answer(Status.INCONSISTENT, what), is_evidence=is_evidence)
