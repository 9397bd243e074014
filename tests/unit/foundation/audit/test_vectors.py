"""The vectors of tests/vectors/tlog, derived again and compared byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint, sign
from services.foundation.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from services.foundation.audit.note import NoteSigner, cosigned_at, parse_vkey
from services.foundation.audit.proofs import Proofs
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import Edge
from services.foundation.audit.tlog_proof import TlogProof, parse_tlog_proof
from services.foundation.refusals import Refusal

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


def test_a_key_of_an_algorithm_not_verified_here_is_refused_as_such() -> None:
    with pytest.raises(Refusal) as refused:
        parse_vkey(POST_QUANTUM)

    assert refused.value.reason == "VERIFIER_KEY_UNSUPPORTED"
