"""The Merkle tree of RFC 6962: computing roots, and verifying inclusion and consistency proofs."""

from __future__ import annotations

import hashlib
from typing import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a log entry as a leaf, 32 bytes (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def roots(leaves: Iterable[bytes], sizes: Iterable[int]) -> dict[int, bytes]:
    """Return the root hash of the tree at several sizes.

    Args:
        leaves: The leaf hashes, from the first on.
        sizes: Numbers of leaves. Sizes beyond the leaves are missing in the result.

    Returns:
        The root by size.
    """
    requested = set(sizes)
    by_size = {0: EMPTY_ROOT} if 0 in requested else {}
    # Complete subtrees from left to right: the number of their leaves, and their root.
    peaks: list[tuple[int, bytes]] = []
    for count, leaf in enumerate(leaves, start=1):
        peak = (1, leaf)
        while peaks and peaks[-1][0] == peak[0]:
            size, left = peaks.pop()
            peak = (2 * size, _node_hash(left, peak[1]))
        peaks.append(peak)
        if count in requested:
            root = peaks[-1][1]
            for _, left in reversed(peaks[:-1]):
                root = _node_hash(left, root)
            by_size[count] = root
    return by_size


def inclusion_holds(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Return whether a proof leads from a leaf to the root (RFC 9162, section 2.1.3.2).

    Args:
        leaf: The leaf hash.
        index: The index of the leaf, from 0 on.
        size: The number of leaves.
        proof: The hashes of the proof.
        root: The root hash of the tree.
    """
    if not 0 <= index < size:
        return False
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            computed = _node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = _node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and computed == root


def consistency_holds(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Return whether a proof shows that one tree extends another (RFC 9162, section 2.1.4.2).

    Args:
        first: The number of leaves of the smaller tree.
        second: The number of leaves of the larger tree.
        proof: The hashes of the proof.
        first_root: The root hash of the smaller tree.
        second_root: The root hash of the larger tree.
    """
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    path = list(proof)
    # If the smaller tree is complete, its root is the node at which the proof begins.
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = _node_hash(sibling, before), _node_hash(sibling, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = _node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and before == first_root and after == second_root
