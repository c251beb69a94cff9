"""Merkle trees and their proofs, compared with the definitions of RFC 6962 and RFC 9162."""

from __future__ import annotations

import hashlib

import pytest

from hokusai.verify.merkle import (
    EMPTY_ROOT,
    consistency_holds,
    inclusion_holds,
    leaf_hash,
    roots,
)

LEAVES = [leaf_hash(str(number).encode()) for number in range(33)]
SIZES = [*range(1, 18), 31, 32, 33]


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def tree_root(leaves: list[bytes]) -> bytes:
    """The recursive definition of section 2.1 of RFC 6962."""
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(tree_root(leaves[:k]), tree_root(leaves[k:]))


def inclusion_proof(index: int, leaves: list[bytes]) -> list[bytes]:
    """The recursive definition of section 2.1.1 of RFC 6962."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*inclusion_proof(index, leaves[:k]), tree_root(leaves[k:])]
    return [*inclusion_proof(index - k, leaves[k:]), tree_root(leaves[:k])]


def consistency_proof(first: int, leaves: list[bytes], is_whole: bool = True) -> list[bytes]:
    """The recursive definition of section 2.1.2 of RFC 6962."""
    if first == len(leaves):
        return [] if is_whole else [tree_root(leaves)]
    k = split(len(leaves))
    if first <= k:
        return [*consistency_proof(first, leaves[:k], is_whole), tree_root(leaves[k:])]
    return [*consistency_proof(first - k, leaves[k:], False), tree_root(leaves[:k])]


def test_a_leaf_is_hashed_with_a_zero_byte() -> None:
    assert leaf_hash(b"entry") == hashlib.sha256(b"\x00entry").digest()


def test_roots_are_those_of_the_definition() -> None:
    computed = roots(LEAVES, [0, *SIZES, 99])

    assert computed.pop(0) == EMPTY_ROOT
    assert computed == {size: tree_root(LEAVES[:size]) for size in SIZES}
    assert roots(LEAVES, []) == {}


@pytest.mark.parametrize("size", SIZES)
def test_inclusion_proofs_hold_for_their_own_leaf_only(size: int) -> None:
    root = tree_root(LEAVES[:size])
    for index in range(size):
        proof = inclusion_proof(index, LEAVES[:size])
        leaf = LEAVES[index]
        assert inclusion_holds(leaf, index, size, proof, root)
        assert not inclusion_holds(b"another leaf", index, size, proof, root)
        assert not inclusion_holds(leaf, index, size, [*proof, leaf], root)
        assert not inclusion_holds(leaf, index, size, proof, bytes(32))
        assert not proof or not inclusion_holds(leaf, index, size, proof[:-1], root)


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 0)])
def test_an_index_outside_of_the_tree_is_not_included(index: int, size: int) -> None:
    assert not inclusion_holds(LEAVES[0], index, size, [], LEAVES[0])


@pytest.mark.parametrize("second", SIZES)
def test_consistency_proofs_hold_for_their_own_trees_only(second: int) -> None:
    second_root = tree_root(LEAVES[:second])
    for first in range(1, second):
        first_root = tree_root(LEAVES[:first])
        proof = consistency_proof(first, LEAVES[:second])
        assert consistency_holds(first, second, proof, first_root, second_root)
        assert not consistency_holds(first, second, proof, bytes(32), second_root)
        assert not consistency_holds(first, second, proof, first_root, bytes(32))
        assert not consistency_holds(first, second, [], first_root, second_root)
        assert not consistency_holds(first, second, [*proof, proof[0]], first_root, second_root)
        assert not consistency_holds(second, first, proof, second_root, first_root)


def test_consistency_of_equal_and_of_empty_trees_needs_no_proof() -> None:
    root = tree_root(LEAVES)

    assert consistency_holds(33, 33, [], root, root)
    assert not consistency_holds(33, 33, [], root, bytes(32))
    assert not consistency_holds(33, 33, [root], root, root)
    assert consistency_holds(0, 33, [], EMPTY_ROOT, root)
    assert not consistency_holds(0, 33, [], bytes(32), root)
    assert not consistency_holds(0, 33, [root], EMPTY_ROOT, root)
