"""Cosignatures of both algorithms, and what they bind."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.checkpoint import Checkpoint, open_checkpoint, sign
from services.foundation.audit.cosignature import Cosigner, SubtreeVerifier, cosigned_at
from services.foundation.audit.note import NoteSigner, format_vkey, key_id
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.refusals import Refusal

LOG = NoteSigner("audit.one.juki.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
COSIGNER = Cosigner(
    "witness.two.juki.example",
    Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)),
    MLDSA44PrivateKey.from_seed_bytes(bytes([2] * 32)),
)
TREE = Checkpoint(LOG.name, 7, bytes([7] * 32))
TIME = 1_795_500_000


def cosigned(tree: Checkpoint = TREE) -> str:
    return sign(tree, LOG) + "".join(signature.line() for signature in COSIGNER.cosign(tree, TIME))


def test_a_cosigned_checkpoint_opens_with_all_keys() -> None:
    _, note = open_checkpoint(cosigned(), [LOG.verifier, *COSIGNER.verifiers], LOG.name)

    assert [cosigned_at(signed.signature) for signed in note.verified[1:]] == [TIME, TIME]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "other",
    [Checkpoint("audit.other.juki.example", 7, TREE.root_hash), Checkpoint(LOG.name, 8, TREE.root_hash),
     Checkpoint(LOG.name, 7, bytes(32))],
)  # fmt: skip
def test_a_cosignature_is_of_one_tree_alone(which: int, other: Checkpoint) -> None:
    signature = COSIGNER.cosign(TREE, TIME)[which].signature

    assert COSIGNER.verifiers[which].verifies(TREE.text(), signature)
    assert not COSIGNER.verifiers[which].verifies(other.text(), signature)


@pytest.mark.parametrize("which", [0, 1])
@given(place=st.integers(0, 71), bit=st.integers(0, 7))
def test_no_bit_of_time_or_signature_can_be_changed(which: int, place: int, bit: int) -> None:
    signature = bytearray(COSIGNER.cosign(TREE, TIME)[which].signature)

    signature[place] ^= 1 << bit

    assert not COSIGNER.verifiers[which].verifies(TREE.text(), bytes(signature))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("length", [0, 7, 8, 71, 72, 73, 2427, 2429])
def test_a_signature_of_another_length_is_none(which: int, length: int) -> None:
    signature = COSIGNER.cosign(TREE, TIME)[which].signature
    if length != len(signature):
        assert not COSIGNER.verifiers[which].verifies(TREE.text(), (signature + bytes(3000))[:length])


def test_the_post_quantum_cosignature_binds_the_name() -> None:
    renamed = SubtreeVerifier("witness.three.juki.example", COSIGNER.verifiers[1].public_key)

    assert not renamed.verifies(TREE.text(), COSIGNER.cosign(TREE, TIME)[1].signature)


@pytest.mark.parametrize("text", ["", "no checkpoint\n", f"{TREE.text()}an extension\n"])
def test_the_post_quantum_cosignature_is_of_checkpoints_alone(text: str) -> None:
    assert not COSIGNER.verifiers[1].verifies(text, COSIGNER.cosign(TREE, TIME)[1].signature)


@pytest.mark.parametrize("which", [0, 1])
def test_the_keys_survive_their_text(which: int) -> None:
    assert parse_vkey(format_vkey(COSIGNER.verifiers[which])) == COSIGNER.verifiers[which]


def test_a_key_of_an_algorithm_not_verified_here_is_refused_as_such() -> None:
    private = b"\xff\0\0"

    with pytest.raises(Refusal) as refused:
        parse_vkey(f"one+{key_id('one', private[0], private[1:]).hex()}+{base64.b64encode(private).decode()}")

    assert refused.value.reason == "VERIFIER_KEY_UNSUPPORTED"
