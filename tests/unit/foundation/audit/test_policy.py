"""Policy files, and what makes a quorum."""

from __future__ import annotations

from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.checkpoint import Checkpoint, sign
from services.foundation.audit.cosignature import Cosigner
from services.foundation.audit.note import NoteSigner, format_vkey
from services.foundation.audit.policy import format_policy, parse_policy
from services.foundation.refusals import Refusal

LOG = NoteSigner("audit.one.juki.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = NoteSigner("audit.two.juki.example", Ed25519PrivateKey.from_private_bytes(bytes([9] * 32)))
WITNESSES = [
    Cosigner(
        f"witness.{number}.juki.example",
        Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)),
        MLDSA44PrivateKey.from_seed_bytes(bytes([number] * 32)),
    )
    for number in (1, 2, 3)
]
TREE = Checkpoint(LOG.name, 7, bytes([7] * 32))
KEYS = [[format_vkey(key) for key in witness.verifiers] for witness in WITNESSES]
TWO_OF_THREE = format_policy(
    LOG.vkey, [(name, keys, "http://127.0.0.1:1") for name, keys in zip("abc", KEYS, strict=True)], 2
)
ED = [keys[0] for keys in KEYS]
TWO = f"witness a {ED[0]}\nwitness b {ED[1]}\n"


def signed(*signers: tuple[Cosigner, int, int]) -> str:
    """A checkpoint cosigned by these: the witness, its time, and how many of its keys sign."""
    lines = [signature.line() for witness, at, keys in signers for signature in witness.cosign(TREE, at)[2 - keys :]]
    return sign(TREE, LOG) + "".join(lines)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_two_of_three_are_needed(count: int) -> None:
    policy = parse_policy(TWO_OF_THREE)
    for chosen in combinations(WITNESSES, count):
        note = signed(*((witness, 100, 2) for witness in chosen))
        if count >= 2:
            assert policy.open(note, LOG.name) == (TREE, 100)
        else:
            with pytest.raises(Refusal) as refused:
                policy.open(note, LOG.name)
            assert refused.value.reason == "LOG_QUORUM_MISSING"


def test_a_witness_counts_when_it_signed_with_both_keys() -> None:
    with pytest.raises(Refusal) as refused:
        parse_policy(TWO_OF_THREE).open(signed((WITNESSES[0], 1, 2), (WITNESSES[1], 1, 1)), LOG.name)

    assert refused.value.reason == "LOG_QUORUM_MISSING"


@given(times=st.lists(st.integers(0, 2**40), min_size=3, max_size=3))
def test_the_time_is_the_latest_at_which_the_quorum_holds(times: list[int]) -> None:
    note = signed(*((witness, at, 2) for witness, at in zip(WITNESSES, times, strict=True)))

    assert parse_policy(TWO_OF_THREE).open(note, LOG.name)[1] == sorted(times)[1]


def test_groups_of_groups_count_as_their_members_do() -> None:
    policy = parse_policy(
        f"# for three\n\n log {LOG.vkey}\n{TWO}\tgroup x any a b \nwitness c {ED[2]} https://c.example\n"
        "group y all x c\nquorum y\n"
    )
    first, second, third = ((witness, 5, 2) for witness in WITNESSES)

    assert policy.open(signed(second, third), LOG.name) == (TREE, 5)
    with pytest.raises(Refusal):
        policy.open(signed(first, second), LOG.name)


def test_no_quorum_asks_for_no_cosignature() -> None:
    assert parse_policy(f"log {LOG.vkey}\nquorum none\n").open(sign(TREE, LOG), LOG.name) == (TREE, 0)


def test_a_policy_of_another_log_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        parse_policy(f"log {OTHER.vkey}\nquorum none\n").open(sign(TREE, LOG), LOG.name)

    assert refused.value.reason == "LOG_POLICY_MALFORMED"


def test_a_forged_cosignature_spoils_the_note() -> None:
    note = signed((WITNESSES[0], 1, 2), (WITNESSES[1], 1, 2))
    forged = note.replace(note[-40:-3], "A" * 37)

    with pytest.raises(Refusal) as refused:
        parse_policy(TWO_OF_THREE).open(forged, LOG.name)

    assert refused.value.reason == "NOTE_FORGED"


@pytest.mark.parametrize(
    "text",
    [
        "", "quorum none", f"log {LOG.vkey}\n", "quorum none\nquorum none\n", "quorum a\n", "quorum\n", "quorum a b\n",
        f"{TWO}quorum c\n", f"{TWO}quorum a\rb\n", f"{TWO}quorum a\x00\n", "grop x any a\nquorum none\n",
        f"log {ED[0]}\nquorum none\n", f"witness a {LOG.vkey}\nquorum a\n", f"log {LOG.vkey} u v\nquorum none\n",
        f"log {LOG.vkey}\nlog {LOG.vkey}\nquorum none\n", f"witness a {ED[0]}\nwitness b {ED[0]}\nquorum a\n",
        f"witness none {ED[0]}\nquorum none\n", f"witness a {ED[0]}\nwitness a {ED[1]}\nquorum a\n",
        "witness a\nquorum none\n", "witness a nonsense\nquorum a\n", f"witness a {ED[0][:-1]}\nquorum a\n",
        f"{TWO}group a any b\nquorum a\n", f"{TWO}group g 0 a b\nquorum g\n", f"{TWO}group g 3 a b\nquorum g\n",
        f"{TWO}group g 01 a b\nquorum g\n", f"{TWO}group g most a b\nquorum g\n", f"{TWO}group g any\nquorum g\n",
        f"{TWO}group g any a a\nquorum g\n", f"{TWO}group g any a none\nquorum g\n",
        f"{TWO}group g any a h\ngroup h any b\nquorum g\n", f"{TWO}group g any g\nquorum g\n",
        f"{TWO}group g any a b\ngroup h all g a\nquorum h\n", f"quorum g\n{TWO}group g any a b\n",
        "#\n" * 1100 + "quorum none\n",
    ],
)  # fmt: skip
def test_what_is_not_a_policy_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_policy(text)

    assert refused.value.reason == "LOG_POLICY_MALFORMED"
