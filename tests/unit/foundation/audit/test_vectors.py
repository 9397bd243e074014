"""The vectors of tests/vectors/tlog, derived again and compared byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint, sign
from services.foundation.audit.cosignature import Cosigner, cosigned_at, subtree_message
from services.foundation.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from services.foundation.audit.note import NoteSigner, format_vkey
from services.foundation.audit.proofs import Proofs
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import Edge
from services.foundation.audit.tlog_proof import TlogProof, parse_tlog_proof
from services.foundation.audit.vkeys import parse_vkey

FOLDER = Path(__file__).parents[3] / "vectors" / "tlog"
VECTORS = json.loads((FOLDER / "vec.json").read_text())
ENTRIES = [base64.b64decode(entry) for entry in VECTORS["entries"]]
ROOT = base64.b64decode(VECTORS["root"])
OLD_ROOT = base64.b64decode(VECTORS["old"])
INCLUSION = [base64.b64decode(item) for item in VECTORS["incl"]]
CONSISTENCY = [base64.b64decode(item) for item in VECTORS["cons"]]
ORIGIN = "audit.pref-13.juki.example/2026"
LOG, WITNESS, POST_QUANTUM = (FOLDER / "vkeys").read_text().splitlines()
NOTE = (FOLDER / "log" / "checkpoint").read_text()
SUBTREE = (
    "737562747265652f76310a00207769746e6573732e61756469746f722e6a756b692e6578616d706c652f707131000000006b0527e01f"
    "61756469742e707265662d31332e6a756b692e6578616d706c652f32303236000000000000000000000000000000058895"
    "9d3882f7af370f47e1bc4270b63db65e441336e3fbb76bab7fa6073d0969"
)
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"juki example log key").digest())


def test_entries_yield_the_root_and_the_tiles() -> None:
    edge = Edge()
    assert list(edge.extend(ENTRIES)) == []

    assert edge.root() == ROOT
    for tile in edge.partials():
        assert (FOLDER / "log" / str(tile.path)).read_bytes() == tile.content


def test_the_log_key_signs_the_checkpoint_the_same() -> None:
    signer = NoteSigner(ORIGIN, KEY)

    assert signer.vkey == LOG
    assert NOTE.startswith(sign(Checkpoint(ORIGIN, 5, ROOT), signer))


def test_the_checkpoint_opens_with_log_and_witness() -> None:
    checkpoint, note = open_checkpoint(NOTE, [parse_vkey(LOG), parse_vkey(WITNESS)], ORIGIN)

    assert checkpoint == Checkpoint(ORIGIN, 5, ROOT)
    assert cosigned_at(note.verified[1].signature) == 1_795_500_000


def test_proofs_from_the_tiles_are_those_of_the_vector() -> None:
    proofs = Proofs(TileStore(FOLDER / "log"))

    assert proofs.leaf(2, 5) == leaf_hash(ENTRIES[2])
    assert proofs.inclusion(2, 5) == INCLUSION
    assert proofs.consistency(3, 5) == CONSISTENCY


def test_the_proofs_of_the_vector_verify() -> None:
    verify_inclusion(leaf_hash(ENTRIES[2]), 2, 5, INCLUSION, ROOT)
    verify_consistency(3, 5, OLD_ROOT, ROOT, CONSISTENCY)


def test_the_offline_proof_verifies_and_is_written_the_same() -> None:
    text = (FOLDER / "proof.tlog-proof").read_text()

    parse_tlog_proof(text).verify(ENTRIES[2], [parse_vkey(LOG)], ORIGIN)

    assert TlogProof(2, tuple(INCLUSION), NOTE).text() == text


def test_the_post_quantum_checkpoint_opens_with_all_three_keys() -> None:
    text = (FOLDER / "checkpoint.pq").read_text()

    checkpoint, note = open_checkpoint(text, [parse_vkey(key) for key in (LOG, WITNESS, POST_QUANTUM)], ORIGIN)

    assert checkpoint == Checkpoint(ORIGIN, 5, ROOT)
    assert [cosigned_at(signed.signature) for signed in note.verified[1:]] == [1_795_500_000] * 2
    assert text.startswith(NOTE)


def test_the_bytes_that_ml_dsa_signs_are_those_of_the_vector() -> None:
    name = parse_vkey(POST_QUANTUM).name

    assert subtree_message(name, 1_795_500_000, Checkpoint(ORIGIN, 5, ROOT)).hex() == SUBTREE


def test_the_witness_keys_cosign_the_same() -> None:
    classical = Ed25519PrivateKey.from_private_bytes(_seed("witness key"))
    quantum_safe = MLDSA44PrivateKey.from_seed_bytes(_seed("witness ml-dsa key"))
    ours = Cosigner(parse_vkey(WITNESS).name, classical, quantum_safe)

    signed, _ = ours.cosign(Checkpoint(ORIGIN, 5, ROOT), 1_795_500_000)

    assert format_vkey(ours.verifiers[0]) == WITNESS
    assert NOTE.endswith(signed.line())
    assert quantum_safe.public_key().public_bytes_raw() == parse_vkey(POST_QUANTUM).public_key


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"juki example {name}".encode()).digest()
