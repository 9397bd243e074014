"""The tree for every size and index, against the definitions of RFC 6962 written out as they stand there."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.merkle import (
    EMPTY_ROOT,
    Hash,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from services.foundation.audit.refusals import ConsistencyUnproved, InclusionUnproved, IndexOutsideTree

LARGEST = 70
LEAVES = [leaf_hash(b"%d" % number) for number in range(LARGEST)]


def defined_root(leaves: list[Hash]) -> Hash:
    """MTH of RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:])).digest()


def read(level: int, index: int) -> Hash:
    """Reads a complete subtree of LEAVES, and fails for one that is not complete."""
    start, end = index << level, (index + 1) << level
    assert end <= LARGEST
    return defined_root(LEAVES[start:end])


ROOTS = [defined_root(LEAVES[:size]) for size in range(LARGEST + 1)]
sizes = st.integers(1, LARGEST)


@pytest.mark.parametrize("size", range(LARGEST + 1))
def test_the_root_is_as_defined_for_every_size(size: int) -> None:
    assert root(LEAVES[:size]) == ROOTS[size]
    assert root_at(size, read) == ROOTS[size]


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_leaf_is_proved_in_every_size(size: int) -> None:
    for index in range(size):
        verify_inclusion(LEAVES[index], index, size, inclusion_proof(index, size, read), ROOTS[size])


@pytest.mark.parametrize("new", range(LARGEST + 1))
def test_every_size_is_proved_to_continue_every_smaller_one(new: int) -> None:
    for old in range(new + 1):
        verify_consistency(old, new, ROOTS[old], ROOTS[new], consistency_proof(old, new, read))


@given(sizes, st.data())
def test_an_inclusion_proof_proves_no_other_index_size_leaf_or_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, read)
    other_index = data.draw(st.integers(0, LARGEST - 1).filter(lambda other: other != index))
    other_size = data.draw(sizes.filter(lambda other: other != size))

    for leaf, place, tree, top in (
        (LEAVES[index], other_index, size, ROOTS[size]),
        (LEAVES[index], index, other_size, ROOTS[other_size]),
        (LEAVES[other_index], index, size, ROOTS[size]),
        (LEAVES[index], index, size, ROOTS[other_size]),
    ):
        with pytest.raises(InclusionUnproved):
            verify_inclusion(leaf, place, tree, proof, top)


@given(sizes, st.data())
def test_an_altered_inclusion_proof_proves_nothing(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, read)

    for altered in alterations(proof, data):
        with pytest.raises(InclusionUnproved):
            verify_inclusion(LEAVES[index], index, size, altered, ROOTS[size])


@given(sizes, st.data())
def test_an_altered_consistency_proof_proves_nothing(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    proof = consistency_proof(old, new, read)

    for altered in alterations(proof, data):
        with pytest.raises(ConsistencyUnproved):
            verify_consistency(old, new, ROOTS[old], ROOTS[new], altered)


@given(sizes, st.data())
def test_a_consistency_proof_proves_no_other_root(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    proof = consistency_proof(old, new, read)
    other = leaf_hash(b"other")

    with pytest.raises(ConsistencyUnproved):
        verify_consistency(old, new, other, ROOTS[new], proof)
    if old:
        with pytest.raises(ConsistencyUnproved):
            verify_consistency(old, new, ROOTS[old], other, proof)


def alterations(proof: list[Hash], data: st.DataObject) -> list[list[Hash]]:
    """Returns the proof lengthened, and, where there is something to alter, shortened, bit-flipped and truncated."""
    altered = [[*proof, leaf_hash(b"more")], [leaf_hash(b"more"), *proof]]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = bytearray(proof[place])
        flipped[bit // 8] ^= 1 << bit % 8
        altered += [
            proof[:place] + proof[place + 1 :],
            [*proof[:place], bytes(flipped), *proof[place + 1 :]],
            [*proof[:place], proof[place][:-1], *proof[place + 1 :]],
        ]
    return altered


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_an_index_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(IndexOutsideTree):
        inclusion_proof(index, size, read)
    with pytest.raises(InclusionUnproved):
        verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_an_old_size_outside_the_new_tree_is_refused(old: int, new: int) -> None:
    with pytest.raises(IndexOutsideTree):
        consistency_proof(old, new, read)
    with pytest.raises(ConsistencyUnproved):
        verify_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, [])


def test_a_proof_is_needed_between_different_sizes() -> None:
    with pytest.raises(ConsistencyUnproved):
        verify_consistency(3, 5, ROOTS[3], ROOTS[5], [])


def test_a_node_does_not_pass_for_a_leaf() -> None:
    left, right = LEAVES[:2]

    assert leaf_hash(left + right) != node_hash(left, right)
