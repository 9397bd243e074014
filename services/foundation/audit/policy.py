"""Who must have signed a checkpoint before it is believed: a C2SP tlog-policy file; pure.

log <vkey> [<url>]
witness <name> <vkey> [<url>]
group <name> all|any|<k> <name>...
quorum <name>|none
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint
from services.foundation.audit.cosignature import CosignatureVerifier, SubtreeVerifier, cosigned_at
from services.foundation.audit.note import Ed25519Verifier, Note
from services.foundation.audit.refusals import KeyMalformed, KeyUnsupported, PolicyMalformed, QuorumMissing
from services.foundation.audit.vkeys import parse_vkey

WitnessKey: TypeAlias = CosignatureVerifier | SubtreeVerifier
"""A key of a witness; one that signs with two algorithms has two, and a group of both."""

NONE = "none"
"""The quorum that asks for no cosignature."""

_LONGEST = 1_000_000
_MOST_LINES = 1024
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DECIMAL = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Witness:
    """A key that may cosign, and where its holder is asked, if the file says so."""

    name: str
    key: WitnessKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy file says; only `parse_policy` makes one."""

    logs: tuple[Ed25519Verifier, ...]
    witnesses: Mapping[str, Witness]
    quorum: str
    _groups: Mapping[str, _Group] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[WitnessKey, ...]:
        """The witnesses' keys."""
        return tuple(witness.key for witness in self.witnesses.values())

    def log(self, origin: str) -> Ed25519Verifier:
        """Returns the key of a log; refuses LOG_POLICY_MALFORMED when the policy does not name it."""
        for key in self.logs:
            if key.name == origin:
                return key
        raise PolicyMalformed("give the policy of this log, which names its key", origin=origin, line=0)

    def witnessed_at(self, note: Note) -> int | None:
        """Returns the latest time, in POSIX seconds, at which the quorum holds by cosignatures of then or later.

        None when the verified signatures of `note` do not make the quorum; 0 when it asks for none.
        """
        times = {(signed.name, signed.key_id): cosigned_at(signed.signature) for signed in note.verified}
        found = {
            name: times[witness.key.name, witness.key.key_id]
            for name, witness in self.witnesses.items()
            if (witness.key.name, witness.key.key_id) in times
        }
        return self._at(self.quorum, found)

    def open(self, note: str, origin: str) -> tuple[Checkpoint, int]:
        """Reads a checkpoint of the log `origin` and returns it with the time at which the quorum held.

        Refuses what `open_checkpoint` refuses, and LOG_QUORUM_MISSING when too few witnesses have cosigned.
        """
        checkpoint, opened = open_checkpoint(note, [self.log(origin), *self.keys], origin)
        at = self.witnessed_at(opened)
        if at is None:
            raise QuorumMissing("ask for the checkpoint that the quorum cosigned", origin=origin, size=checkpoint.size)
        return checkpoint, at

    def _at(self, name: str, found: Mapping[str, int]) -> int | None:
        if name == NONE:
            return 0
        group = self._groups.get(name)
        if group is None:
            return found.get(name)
        times = sorted((at for member in group.members if (at := self._at(member, found)) is not None), reverse=True)
        return times[group.threshold - 1] if len(times) >= group.threshold else None


class _Reader:
    """Reads a policy line by line; what a line may name must stand above it."""

    def __init__(self) -> None:
        self.logs: list[Ed25519Verifier] = []
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, _Group] = {}
        self.quorum: str | None = None
        self._placed: set[str] = set()
        self._acts: Mapping[str, Callable[[list[str], int], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }

    def read(self, items: list[str], line: int) -> None:
        act = self._acts.get(items[0])
        if act is None:
            raise PolicyMalformed("begin each line with log, witness, group or quorum", line=line)
        act(items[1:], line)

    def _log(self, items: list[str], line: int) -> None:
        _counted(items, 1, 2, line)
        key = _key(items[0], line)
        if not isinstance(key, Ed25519Verifier):
            raise PolicyMalformed("give a log's Ed25519 key, not a witness's", line=line)
        if key.public_key in {each.public_key for each in self.logs} or key.name in {each.name for each in self.logs}:
            raise PolicyMalformed("name each log, and each log key, once", line=line)
        self.logs.append(key)

    def _witness(self, items: list[str], line: int) -> None:
        _counted(items, 2, 3, line)
        key = _key(items[1], line)
        if isinstance(key, Ed25519Verifier):
            raise PolicyMalformed("give a witness's cosignature key, not a log's", line=line)
        if key.public_key in {each.key.public_key for each in self.witnesses.values()}:
            raise PolicyMalformed("name each witness key once", line=line)
        self._new(items[0], line)
        self.witnesses[items[0]] = Witness(items[0], key, items[2] if len(items) == 3 else "")

    def _group(self, items: list[str], line: int) -> None:
        if len(items) < 3:
            raise PolicyMalformed("a group has a name, a threshold, and members", line=line)
        name, threshold, *members = items
        for member in members:
            if not self._known(member):
                raise PolicyMalformed("define what a group names on a line above it", line=line)
            if member in self._placed:
                raise PolicyMalformed("put each witness and group into one group, once", line=line)
            self._placed.add(member)
        self._new(name, line)
        self.groups[name] = _Group(_threshold(threshold, len(members), line), tuple(members))

    def _quorum(self, items: list[str], line: int) -> None:
        _counted(items, 1, 1, line)
        if self.quorum is not None:
            raise PolicyMalformed("say once what the quorum is", line=line)
        if items[0] != NONE and not self._known(items[0]):
            raise PolicyMalformed("define what the quorum names on a line above it", line=line)
        self.quorum = items[0]

    def _known(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def _new(self, name: str, line: int) -> None:
        if name == NONE or self._known(name):
            raise PolicyMalformed("give each witness and group a name of its own, other than none", line=line)


def parse_policy(text: str) -> Policy:
    """Reads a policy; refuses LOG_POLICY_MALFORMED with the line."""
    if len(text) > _LONGEST or _FORBIDDEN.search(text) or not text.endswith("\n"):
        raise PolicyMalformed("write lines that end with a line feed and hold no other control characters", line=0)
    lines = text[:-1].split("\n")
    if len(lines) > _MOST_LINES:
        raise PolicyMalformed("write at most 1,024 lines", line=_MOST_LINES)
    reader = _Reader()
    for number, line in enumerate(lines, start=1):
        items = [item for item in re.split(r"[ \t]+", line) if item]
        if items and not items[0].startswith("#"):
            reader.read(items, number)
    if reader.quorum is None:
        raise PolicyMalformed("add a quorum line", line=len(lines))
    return Policy(tuple(reader.logs), reader.witnesses, reader.quorum, reader.groups)


def load_policy(path: Path) -> Policy:
    """Reads a policy file; refuses LOG_POLICY_MALFORMED also for one that cannot be read."""
    try:
        # Octets above ASCII are opaque to the format, so any encoding of them will do.
        return parse_policy(path.read_bytes().decode("latin-1"))
    except OSError:
        raise PolicyMalformed("name a policy file that exists", file=str(path), line=0) from None


def format_policy(log: str, witnesses: Iterable[tuple[str, Iterable[str], str]], threshold: int) -> str:
    """Writes a policy: of the witnesses, each its name, its verifier keys and its address, so many must cosign.

    A witness counts when it has signed with all of its keys.
    """
    lines, names = [f"log {log}"], []
    for name, keys, url in witnesses:
        parts = [f"{name}.{number}" for number, _ in enumerate(keys)]
        lines += [f"witness {part} {key} {url}" for part, key in zip(parts, keys, strict=True)]
        lines.append(f"group {name} all {' '.join(parts)}")
        names.append(name)
    return "\n".join([*lines, f"group quorum-of-{len(names)} {threshold} {' '.join(names)}"]) + (
        f"\nquorum quorum-of-{len(names)}\n"
    )


def _key(text: str, line: int) -> Ed25519Verifier | WitnessKey:
    try:
        return parse_vkey(text)
    except (KeyMalformed, KeyUnsupported) as refusal:
        raise PolicyMalformed(refusal.advice, line=line, form=refusal.reason) from None


def _counted(items: list[str], least: int, most: int, line: int) -> None:
    if not least <= len(items) <= most:
        raise PolicyMalformed("write log <vkey> [<url>], witness <name> <vkey> [<url>] or quorum <name>", line=line)


def _threshold(text: str, members: int, line: int) -> int:
    if text in ("all", "any"):
        return members if text == "all" else 1
    if _DECIMAL.fullmatch(text) is None or not 1 <= int(text) <= members:
        raise PolicyMalformed("ask for all, any, or from one to as many members as there are", line=line)
    return int(text)
