"""Offline proofs (C2SP tlog-proof): all that a resident needs to verify one entry without asking anybody; pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint
from services.foundation.audit.merkle import Hash, leaf_hash, verify_inclusion
from services.foundation.audit.note import Verifier, parse_note
from services.foundation.audit.refusals import TlogProofMalformed

_HEADER = "c2sp.org/tlog-proof@v1\n"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_PATH_LIMIT = 63


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An entry's index, its path of hashes to the root, and the signed checkpoint it leads to."""

    index: int
    path: tuple[Hash, ...]
    checkpoint: str
    extra: bytes | None = None

    def text(self) -> str:
        """Returns the proof as text."""
        extra = "" if self.extra is None else f"extra {base64.b64encode(self.extra).decode()}\n"
        path = "".join(f"{base64.b64encode(item).decode()}\n" for item in self.path)
        return f"{_HEADER}{extra}index {self.index}\n{path}\n{self.checkpoint}"

    def verify(self, entry: bytes, verifiers: Iterable[Verifier], origin: str) -> Checkpoint:
        """Returns the checkpoint under which `entry` is proved; refuses what is wrong with either."""
        checkpoint, _ = open_checkpoint(self.checkpoint, verifiers, origin)
        verify_inclusion(leaf_hash(entry), self.index, checkpoint.size, self.path, checkpoint.root_hash)
        return checkpoint


def parse_tlog_proof(text: str) -> TlogProof:
    """Reads a proof; refuses TLOG_PROOF_MALFORMED, and NOTE_MALFORMED for its checkpoint."""
    head, gap, checkpoint = text.partition("\n\n")
    if not gap or not head.startswith(_HEADER):
        raise TlogProofMalformed("an offline proof begins with its version, and its checkpoint follows an empty line")
    lines = head.removeprefix(_HEADER).split("\n")
    extra = _decoded(lines.pop(0).removeprefix("extra ")) if lines[0].startswith("extra ") else None
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None:
        raise TlogProofMalformed("the index is a decimal number without leading zeros")
    path = tuple(_decoded(line) for line in lines)
    if len(path) > _PATH_LIMIT or any(len(item) != 32 for item in path):
        raise TlogProofMalformed("a path has at most 63 hashes of 32 bytes")
    parse_note(checkpoint)
    return TlogProof(int(index[1]), path, checkpoint, extra)


def _decoded(line: str) -> bytes:
    try:
        value = base64.b64decode(line, validate=True)
    except ValueError:
        value = None
    if value is None or base64.b64encode(value).decode() != line:
        raise TlogProofMalformed("the proof holds a line that is not strict base64")
    return value
