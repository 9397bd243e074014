"""Checkpoints and offline proofs."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign
from services.foundation.audit.cosignature import CosignatureVerifier
from services.foundation.audit.merkle import leaf_hash
from services.foundation.audit.note import NoteSigner, Signature
from services.foundation.audit.tlog_proof import TlogProof, parse_tlog_proof
from services.foundation.refusals import Refusal

ORIGIN = "log.juki.example/2026"
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
ENTRY = b"{}"
ONE = Checkpoint(ORIGIN, 1, leaf_hash(ENTRY))
NOTE = sign(ONE, SIGNER)
PROOF = TlogProof(0, (), NOTE, b"extra")
ROOT = base64.b64encode(bytes(32)).decode()


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_survives_its_text(size: int, root_hash: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root_hash)

    assert parse_checkpoint(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{ORIGIN}\n",
        f"{ORIGIN}\n5\n",
        f"{ORIGIN}\n5\n{ROOT}",
        f"\n5\n{ROOT}\n",
        f"{ORIGIN}\n05\n{ROOT}\n",
        f"{ORIGIN}\n-5\n{ROOT}\n",
        f"{ORIGIN}\n٥\n{ROOT}\n",
        f"{ORIGIN}\n{10**19}\n{ROOT}\n",
        f"{ORIGIN}\n5\n{ROOT[:-2]}B=\n",
        f"{ORIGIN}\n5\n{ROOT[:-4]}\n",
        f"{ORIGIN}\n5\n{ROOT}\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_checkpoint(text)

    assert refused.value.reason == "CHECKPOINT_MALFORMED"


@given(st.integers(0, len(ONE.text()) - 1))
def test_every_truncation_of_a_checkpoint_is_refused(length: int) -> None:
    with pytest.raises(Refusal) as refused:
        parse_checkpoint(ONE.text()[:length])

    assert refused.value.reason == "CHECKPOINT_MALFORMED"


def test_a_signed_checkpoint_opens() -> None:
    checkpoint, note = open_checkpoint(NOTE, [SIGNER.verifier], ORIGIN)

    assert checkpoint == ONE
    assert note.text == ONE.text()


def test_a_checkpoint_of_another_log_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        open_checkpoint(NOTE, [SIGNER.verifier], "other.juki.example/2026")

    assert refused.value.reason == "CHECKPOINT_MALFORMED"


def test_a_witness_alone_does_not_vouch_for_a_log() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes([2] * 32))
    witness = CosignatureVerifier(ORIGIN, key.public_key().public_bytes_raw())
    signed = key.sign(f"cosignature/v1\ntime 5\n{ONE.text()}".encode())
    note = f"{ONE.text()}\n{Signature(ORIGIN, witness.key_id, (5).to_bytes(8) + signed).line()}"

    with pytest.raises(Refusal) as refused:
        open_checkpoint(note, [SIGNER.verifier, witness], ORIGIN)

    assert refused.value.reason == "NOTE_UNSIGNED"


@pytest.mark.parametrize("extra", [None, b"", b"extra"])
@pytest.mark.parametrize("path", [(), (bytes(32), bytes([1] * 32))])
def test_an_offline_proof_survives_its_text(path: tuple[bytes, ...], extra: bytes | None) -> None:
    proof = TlogProof(7, path, NOTE, extra)

    assert parse_tlog_proof(proof.text()) == proof


def test_an_offline_proof_proves_its_entry_and_no_other() -> None:
    assert PROOF.verify(ENTRY, [SIGNER.verifier], ORIGIN) == ONE

    with pytest.raises(Refusal) as refused:
        PROOF.verify(b"[]", [SIGNER.verifier], ORIGIN)

    assert refused.value.reason == "INCLUSION_UNPROVED"


@given(st.integers(0, len(PROOF.text()) - 1))
def test_every_truncation_of_an_offline_proof_is_refused(length: int) -> None:
    with pytest.raises(Refusal) as refused:
        parse_tlog_proof(PROOF.text()[:length]).verify(ENTRY, [SIGNER.verifier], ORIGIN)

    assert refused.value.reason in ("TLOG_PROOF_MALFORMED", "NOTE_MALFORMED", "NOTE_FORGED")


@pytest.mark.parametrize(
    "head",
    [
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v2\nindex 0",
        "c2sp.org/tlog-proof@v1\nextra AA==",
        "c2sp.org/tlog-proof@v1\nindex 00",
        "c2sp.org/tlog-proof@v1\nindex -1",
        "c2sp.org/tlog-proof@v1\nextra *\nindex 0",
        "c2sp.org/tlog-proof@v1\nextra AB==\nindex 0",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA",
        "c2sp.org/tlog-proof@v1\nindex 0" + f"\n{ROOT}" * 64,
    ],
)
def test_what_is_no_offline_proof_is_refused(head: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_tlog_proof(f"{head}\n\n{NOTE}")

    assert refused.value.reason == "TLOG_PROOF_MALFORMED"
