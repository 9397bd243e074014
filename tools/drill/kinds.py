"""Every kind of tampering of the drill: what whoever runs a node, with its disk, database and log key, might do."""

from __future__ import annotations

import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.foundation.audit.checkpoint import Checkpoint, parse_checkpoint, sign
from services.foundation.audit.note import NoteSigner, Signature, parse_note
from tools.drill.scene import ORIGIN, Scene, changed

Harm = Callable[[Scene, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name, what does it, whether only the quorum can find it, and whether it is in the table."""

    name: str
    harm: Harm
    quorum: bool = False
    table: bool = False


async def flip_entry(scene: Scene, rng: random.Random) -> None:
    """Flips a bit of an entry bundle."""
    _flip(rng.choice(_files(scene.fresh_copy().directory / "tile" / "entries")), rng)


async def flip_tile(scene: Scene, rng: random.Random) -> None:
    """Flips a bit of a hash tile."""
    _flip(rng.choice(_files(scene.fresh_copy().directory / "tile" / "0")), rng)


async def delete_tile(scene: Scene, rng: random.Random) -> None:
    """Deletes a tile."""
    rng.choice(_files(scene.fresh_copy().directory / "tile")).unlink()


async def cut_bundle(scene: Scene, rng: random.Random) -> None:
    """Cuts the end off a bundle."""
    file = rng.choice(_files(scene.fresh_copy().directory / "tile" / "entries"))
    content = file.read_bytes()
    file.write_bytes(content[: rng.randrange(len(content))])


async def flip_checkpoint(scene: Scene, rng: random.Random) -> None:
    """Changes a character of what the log's key signed: origin, size or root."""
    path = scene.fresh_copy().directory / "checkpoint"
    text = path.read_text(encoding="utf-8")
    place = rng.randrange(len(text.partition("\n\n")[0]))
    other = rng.choice([letter for letter in "0123456789ABab" if letter != text[place]])
    path.write_text(text[:place] + other + text[place + 1 :], encoding="utf-8")


async def edit_entry(scene: Scene, rng: random.Random) -> None:
    """Rewrites an entry, and every tile to fit it."""
    place = rng.randrange(len(scene.entries))
    scene.rebuilt(_with(scene.entries, place, changed(scene.entries[place], case="other")), signed=False)


async def delete_entry(scene: Scene, rng: random.Random) -> None:
    """Removes an entry and numbers the rest anew."""
    place = rng.randrange(len(scene.entries))
    scene.rebuilt(_numbered(scene.entries[:place] + scene.entries[place + 1 :]), signed=False)


async def insert_entry(scene: Scene, rng: random.Random) -> None:
    """Inserts an entry that nobody caused."""
    place = rng.randrange(len(scene.entries))
    added = changed(scene.entries[place], case="invented")
    scene.rebuilt(_numbered([*scene.entries[:place], added, *scene.entries[place:]]), signed=False)


async def swap_entries(scene: Scene, rng: random.Random) -> None:
    """Swaps two entries, each keeping its number."""
    first, second = rng.sample(range(len(scene.entries)), 2)
    swapped = _with(_with(scene.entries, first, scene.entries[second]), second, scene.entries[first])
    scene.rebuilt(swapped, signed=False)


async def renumber_entry(scene: Scene, rng: random.Random) -> None:
    """Gives an entry another number, re-signed."""
    place = rng.randrange(len(scene.entries))
    scene.rebuilt(_with(scene.entries, place, changed(scene.entries[place], seq=place + 1)), signed=True)


async def back_date(scene: Scene, rng: random.Random) -> None:
    """Dates an entry a day before those around it, re-signed."""
    place = rng.randrange(1, len(scene.entries))
    earlier = changed(scene.entries[place], t="2026-03-31T00:00:00.000000Z")
    scene.rebuilt(_with(scene.entries, place, earlier), signed=True)


async def roll_back(scene: Scene, rng: random.Random) -> None:
    """Cuts the log to an earlier size and signs that with the log's key."""
    scene.rebuilt(scene.entries[: rng.randrange(1, len(scene.entries))], signed=True)


async def fork(scene: Scene, rng: random.Random) -> None:
    """Rewrites history from some entry on and signs it with the log's key."""
    place = rng.randrange(len(scene.entries))
    scene.rebuilt(_with(scene.entries, place, changed(scene.entries[place], case="forked")), signed=True)


async def restore_all(scene: Scene, _rng: random.Random) -> None:
    """Puts everything back to the last checkpoint but one, which the quorum had cosigned."""
    shutil.rmtree(scene.copy, ignore_errors=True)
    shutil.copytree(scene.before, scene.copy)


async def cosign_by_strangers(scene: Scene, rng: random.Random) -> None:
    """Forks, and has the fork cosigned by keys that bear the witnesses' names."""
    await fork(scene, rng)
    checkpoint = _present(scene)
    _add(scene, [one for stranger in scene.keys.strangers for one in stranger.cosign(checkpoint, scene.now())])


async def collide_key_ids(scene: Scene, rng: random.Random) -> None:
    """Forks, and signs with strangers' keys under the witnesses' own key ids."""
    await fork(scene, rng)
    checkpoint, at = _present(scene), scene.now()
    for real, stranger in zip(scene.keys.witnesses, scene.keys.strangers, strict=True):
        forged = [
            Signature(own.name, own.key_id, signature.signature)
            for own, signature in zip(real.verifiers, stranger.cosign(checkpoint, at), strict=True)
        ]
        _add(scene, forged)


async def move_cosignatures(scene: Scene, rng: random.Random) -> None:
    """Forks, and puts on it the cosignatures of the honest checkpoint."""
    await fork(scene, rng)
    names = {witness.name for witness in scene.keys.witnesses}
    _add(scene, [one for one in parse_note(scene.note)[1] if one.name in names])


async def cosignatures_of_another_log(scene: Scene, rng: random.Random) -> None:
    """Forks, and puts on it what the witnesses cosigned, in good faith, of another log with the same root and size."""
    await fork(scene, rng)
    here = _present(scene)
    other = Checkpoint("audit.agency-other.juki.example", here.size, here.root_hash)
    _add(scene, [one for witness in scene.keys.witnesses for one in witness.cosign(other, scene.now())])


async def one_witness_colludes(scene: Scene, rng: random.Random) -> None:
    """Forks, and has one of the three witnesses cosign the fork."""
    await fork(scene, rng)
    _add(scene, list(rng.choice(scene.keys.witnesses).cosign(_present(scene), scene.now())))


async def strip_cosignatures(scene: Scene, _rng: random.Random) -> None:
    """Takes the cosignatures off the honest checkpoint."""
    path = scene.fresh_copy().directory / "checkpoint"
    path.write_text(sign(parse_checkpoint(parse_note(scene.note)[0]), scene.keys.log), encoding="utf-8")


async def steal_the_name(scene: Scene, _rng: random.Random) -> None:
    """Signs an honest-looking checkpoint with a log key of the attacker's own."""
    stranger = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
    path = scene.fresh_copy().directory / "checkpoint"
    path.write_text(sign(parse_checkpoint(parse_note(scene.note)[0]), stranger), encoding="utf-8")


async def edit_row(scene: Scene, rng: random.Random) -> None:
    """Rewrites a row of the table, leaving the files."""
    place = rng.randrange(len(scene.entries))
    await scene.owner.execute("UPDATE audit_entry SET body = $2 WHERE seq = $1", place, b"{}")


async def delete_row(scene: Scene, rng: random.Random) -> None:
    """Deletes a row of the table."""
    await scene.owner.execute("DELETE FROM audit_entry WHERE seq = $1", rng.randrange(len(scene.entries)))


async def swap_rows(scene: Scene, rng: random.Random) -> None:
    """Swaps two rows of the table."""
    first, second = rng.sample(range(len(scene.entries)), 2)
    for place, body in ((first, scene.entries[second]), (second, scene.entries[first])):
        await scene.owner.execute("UPDATE audit_entry SET body = $2 WHERE seq = $1", place, body)


KINDS = (
    Kind("entry flipped", flip_entry),
    Kind("tile flipped", flip_tile),
    Kind("tile deleted", delete_tile),
    Kind("bundle cut short", cut_bundle),
    Kind("checkpoint changed", flip_checkpoint),
    Kind("entry edited", edit_entry),
    Kind("entry deleted", delete_entry),
    Kind("entry inserted", insert_entry),
    Kind("entries swapped", swap_entries),
    Kind("entry renumbered, re-signed", renumber_entry),
    Kind("entry back-dated, re-signed", back_date),
    Kind("log signed by a stranger", steal_the_name),
    Kind("row edited", edit_row, table=True),
    Kind("row deleted", delete_row, table=True),
    Kind("rows swapped", swap_rows, table=True),
    Kind("rolled back, re-signed", roll_back, quorum=True),
    Kind("forked, re-signed", fork, quorum=True),
    Kind("everything restored", restore_all, quorum=True),
    Kind("fork cosigned by strangers", cosign_by_strangers, quorum=True),
    Kind("fork under colliding key ids", collide_key_ids, quorum=True),
    Kind("fork with moved cosignatures", move_cosignatures, quorum=True),
    Kind("fork with another log's cosignatures", cosignatures_of_another_log, quorum=True),
    Kind("fork cosigned by one witness", one_witness_colludes, quorum=True),
    Kind("cosignatures taken off", strip_cosignatures, quorum=True),
)
"""All kinds; those that only the quorum can find are re-signed with the log's own key."""


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _with(entries: list[bytes], place: int, entry: bytes) -> list[bytes]:
    return [*entries[:place], entry, *entries[place + 1 :]]


def _numbered(entries: list[bytes]) -> list[bytes]:
    return [changed(entry, seq=seq) for seq, entry in enumerate(entries)]


def _present(scene: Scene) -> Checkpoint:
    return parse_checkpoint(parse_note((scene.copy / "checkpoint").read_text(encoding="utf-8"))[0])


def _add(scene: Scene, signatures: list[Signature]) -> None:
    path = scene.copy / "checkpoint"
    note = path.read_text(encoding="utf-8") + "".join(one.line() for one in signatures)
    path.write_text(note, encoding="utf-8")
