"""The Merkle tree of RFC 6962 section 2.1: hashes, proofs, and their verification; pure.

Everything is computed from a reader of complete subtrees, never from all leaves: `read(level, index)` answers the hash
of the leaves `index * 2**level` up to, not including, `(index + 1) * 2**level`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence

from services.foundation.audit.refusals import ConsistencyUnproved, InclusionUnproved, IndexOutsideTree

Hash = bytes
"""A SHA-256 value, 32 bytes."""

ReadNode = Callable[[int, int], Hash]
"""From (level, index) to the hash of a complete subtree."""

HASH_SIZE = 32
EMPTY_ROOT: Hash = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(data: bytes) -> Hash:
    """Returns the hash of a leaf; its prefix keeps a node from passing for a leaf (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Returns the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[Hash]) -> Hash:
    """Returns the root over these leaves, which may also be the roots of complete subtrees of one size."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        # A node without a sibling rises unchanged: this yields the same tree as splitting at the largest power of two.
        level = paired if len(level) % 2 == 0 else [*paired, level[-1]]
    return level[0]


def root_at(size: int, read: ReadNode) -> Hash:
    """Returns the root of the first `size` leaves."""
    return _range_hash(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: ReadNode) -> list[Hash]:
    """Returns the siblings from leaf `index` to the root of `size` leaves, leaf first; refuses INDEX_OUTSIDE_TREE."""
    if not 0 <= index < size:
        raise IndexOutsideTree("ask for an index below the size", index=index, size=size)
    proof: list[Hash] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_hash(middle, end, read))
            end = middle
        else:
            proof.append(_range_hash(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, read: ReadNode) -> list[Hash]:
    """Returns the proof that the tree of `new` leaves begins with that of `old`; refuses INDEX_OUTSIDE_TREE.

    It is empty for `old` equal to 0 or to `new` (RFC 6962 section 2.1.2).
    """
    if not 0 <= old <= new:
        raise IndexOutsideTree("ask for an old size not above the new one", old=old, new=new)
    if old in (0, new):
        return []
    proof: list[Hash] = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_hash(middle, end, read))
            end = middle
        else:
            proof.append(_range_hash(start, middle, read))
            start = middle
    if start:
        # The old tree is no complete subtree on the left edge, so the verifier cannot know this hash.
        proof.append(_range_hash(start, end, read))
    return proof[::-1]


def verify_inclusion(leaf: Hash, index: int, size: int, proof: Sequence[Hash], root: Hash) -> None:
    """Refuses INCLUSION_UNPROVED unless `proof` shows that `leaf` is entry `index` of the tree (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        raise InclusionUnproved("the index lies outside the tree", index=index, size=size)
    place, last, found = index, size - 1, leaf
    siblings = _hashes(proof, InclusionUnproved)
    for sibling in siblings:
        if last == 0:
            raise InclusionUnproved("the proof is too long", index=index, size=size)
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last or not hmac.compare_digest(found, root):
        raise InclusionUnproved("the proof does not lead to the root", index=index, size=size)


def verify_consistency(old: int, new: int, old_root: Hash, new_root: Hash, proof: Sequence[Hash]) -> None:
    """Refuses CONSISTENCY_UNPROVED unless `proof` shows that the new tree begins with the old (RFC 9162 2.1.4.2)."""
    if not 0 <= old <= new:
        raise ConsistencyUnproved("the old size is above the new one", old=old, new=new)
    hashes = list(_hashes(proof, ConsistencyUnproved))
    if old in (0, new):
        known = EMPTY_ROOT if old == 0 else new_root
        if hashes or not hmac.compare_digest(old_root, known):
            raise ConsistencyUnproved("equal sizes need equal roots and no proof", old=old, new=new)
        return
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes or not _leads_to(old, new, hashes, old_root, new_root):
        raise ConsistencyUnproved("the proof does not lead to both roots", old=old, new=new)


def _leads_to(old: int, new: int, hashes: Sequence[Hash], old_root: Hash, new_root: Hash) -> bool:
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    found_old = found_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            found_old, found_new = node_hash(sibling, found_old), node_hash(sibling, found_new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found_new = node_hash(found_new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and hmac.compare_digest(found_old, old_root) and hmac.compare_digest(found_new, new_root)


def _hashes(proof: Sequence[Hash], refusal: type[InclusionUnproved | ConsistencyUnproved]) -> Iterator[Hash]:
    for item in proof:
        if len(item) != HASH_SIZE:
            raise refusal("each hash of a proof has 32 bytes")
        yield item


def _range_hash(start: int, end: int, read: ReadNode) -> Hash:
    """Returns the hash of leaves `start` to `end`, whose start is a multiple of each subtree's size in it."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read(level, start >> level)
    middle = start + _split(width)
    return node_hash(_range_hash(start, middle, read), _range_hash(middle, end, read))


def _split(width: int) -> int:
    """Returns the largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1
