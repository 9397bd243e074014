"""Signed notes and verifier keys."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.cosignature import CosignatureVerifier, cosigned_at
from services.foundation.audit.note import (
    NOTE_LIMIT,
    Ed25519Verifier,
    NoteSigner,
    Signature,
    format_vkey,
    open_note,
    parse_note,
)
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.refusals import Refusal

SIGNER = NoteSigner("log.juki.example/2026", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = NoteSigner("other.juki.example/2026", Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(bytes([2] * 32))
WITNESS = CosignatureVerifier("witness.juki.example/w1", WITNESS_KEY.public_key().public_bytes_raw())
TEXT = "a first line\n\na third line, 第三\n"
NOTE = SIGNER.sign(TEXT)

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(lambda line: line + "\n")


def reason_of(note: str, *verifiers: Ed25519Verifier | CosignatureVerifier) -> str:
    with pytest.raises(Refusal) as refused:
        open_note(note, verifiers or [SIGNER.verifier])
    return refused.value.reason


def cosigned(text: str, seconds: int) -> str:
    signed = WITNESS_KEY.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
    return Signature(WITNESS.name, WITNESS.key_id, seconds.to_bytes(8) + signed).line()


@given(texts)
def test_what_is_signed_can_be_opened(text: str) -> None:
    note = open_note(SIGNER.sign(text), [SIGNER.verifier])

    assert note.text == text
    assert [signature.name for signature in note.verified] == [SIGNER.name]
    assert note.unknown == ()


@given(st.integers(0, len(NOTE) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    assert reason_of(NOTE[:length]) in ("NOTE_MALFORMED", "NOTE_FORGED")


@given(st.integers(0, len(NOTE) - 1), st.characters(exclude_categories=["Cs"]))
def test_every_altered_character_is_refused(place: int, character: str) -> None:
    altered = NOTE[:place] + character + NOTE[place + 1 :]
    if altered != NOTE:
        assert reason_of(altered) in ("NOTE_MALFORMED", "NOTE_FORGED", "NOTE_UNSIGNED")


def test_the_vector_of_the_standard_opens() -> None:
    verifier = parse_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note = (
        "This is an example message.\n\n— example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )

    assert open_note(note, [verifier]).text == "This is an example message.\n"


def test_unknown_signatures_are_ignored_and_kept() -> None:
    both = NOTE + OTHER.sign(TEXT).rpartition("\n\n")[2] + cosigned(TEXT, 1_795_500_000)

    note = open_note(both, [SIGNER.verifier])

    assert [signature.name for signature in note.unknown] == [OTHER.name, WITNESS.name]


def test_a_cosignature_is_verified_with_its_time() -> None:
    note = open_note(NOTE + cosigned(TEXT, 1_795_500_000), [SIGNER.verifier, WITNESS])

    assert cosigned_at(note.verified[1].signature) == 1_795_500_000


def test_a_cosignature_with_another_time_is_forged() -> None:
    line = cosigned(TEXT, 5)
    _, (_, signature) = parse_note(NOTE + line)
    later = Signature(signature.name, signature.key_id, (6).to_bytes(8) + signature.signature[8:])

    assert reason_of(NOTE + later.line(), SIGNER.verifier, WITNESS) == "NOTE_FORGED"


def test_one_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    forged = Signature(OTHER.name, OTHER.verifier.key_id, bytes(64)).line()

    assert reason_of(NOTE + forged, SIGNER.verifier, OTHER.verifier) == "NOTE_FORGED"


@pytest.mark.parametrize("length", [0, 7, 63, 65])
def test_a_signature_of_another_length_is_forged(length: int) -> None:
    line = Signature(SIGNER.name, SIGNER.verifier.key_id, bytes(length or 1)).line()

    assert reason_of(f"{TEXT}\n{line}") == "NOTE_FORGED"


def test_a_note_by_strangers_alone_is_unsigned() -> None:
    assert reason_of(NOTE, OTHER.verifier) == "NOTE_UNSIGNED"


def test_a_name_with_another_key_is_a_stranger() -> None:
    impostor = Ed25519Verifier(SIGNER.name, OTHER.verifier.public_key)

    assert reason_of(NOTE, impostor) == "NOTE_UNSIGNED"


@pytest.mark.parametrize("count", [16, 100])
def test_many_signatures_are_accepted(count: int) -> None:
    line = OTHER.sign(TEXT).rpartition("\n\n")[2]

    assert len(open_note(NOTE + line * (count - 1), [SIGNER.verifier]).unknown) == count - 1


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        NOTE + OTHER.sign(TEXT).rpartition("\n\n")[2] * 100,
        NOTE.replace("a first", "a\tfirst"),
        NOTE.replace("a first", "a\x7ffirst"),
        NOTE.replace("a first", "a\udc80first"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—  "),
        NOTE[:-2] + "\n",
        NOTE + "\n",
        f"{TEXT}\n— name {'A' * 4}\n",
        f"{TEXT}\n— na+me {'A' * 8}\n",
        f"{TEXT}\n— name AAAAAAF=\n",
        f"{TEXT}\n— name AAAAA\n",
        "x" * NOTE_LIMIT + NOTE,
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    assert reason_of(note) == "NOTE_MALFORMED"


@pytest.mark.parametrize("text", ["no line feed", "a tab\there\n", "\udc80\n", ""])
def test_what_cannot_be_a_text_is_not_signed(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        SIGNER.sign(text)

    assert refused.value.reason == "NOTE_MALFORMED"


@pytest.mark.parametrize("name", ["", "two words", "a+b"])
def test_a_key_name_has_neither_spaces_nor_plus_signs(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        NoteSigner(name, WITNESS_KEY)

    assert refused.value.reason == "VERIFIER_KEY_MALFORMED"


@pytest.mark.parametrize("verifier", [SIGNER.verifier, WITNESS])
def test_a_verifier_key_survives_its_text(verifier: Ed25519Verifier | CosignatureVerifier) -> None:
    assert parse_vkey(format_vkey(verifier)) == verifier


def test_a_signers_key_is_its_verifiers() -> None:
    assert parse_vkey(SIGNER.vkey) == SIGNER.verifier


@given(st.integers(0, len(SIGNER.vkey) - 1))
def test_every_truncation_of_a_verifier_key_is_refused(length: int) -> None:
    with pytest.raises(Refusal) as refused:
        parse_vkey(SIGNER.vkey[:length])

    assert refused.value.reason == "VERIFIER_KEY_MALFORMED"


def test_a_key_of_another_length_is_refused() -> None:
    short = Ed25519Verifier("name", b"short")

    with pytest.raises(Refusal) as refused:
        parse_vkey(format_vkey(short))

    assert refused.value.reason == "VERIFIER_KEY_MALFORMED"
