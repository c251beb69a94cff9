"""The Merkle tree of RFC 6962: which hashes make a root or a proof, and what proofs prove.

A log keeps the hash of every complete subtree: `(level, index)` covers the 2^level leaves from
index * 2^level on. A root or a proof of any size is then made of some dozens of these, however long
the log. What is here knows no storage: it names the nodes, and puts their hashes together.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

Node = tuple[int, int]
Range = tuple[int, int]

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node; its prefix keeps it from being taken for a leaf."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed_by(index: int) -> list[Node]:
    """The inner nodes that the leaf at `index` completes, lowest first.

    Each is made of its two children, `(level - 1, 2 * index)` and `(level - 1, 2 * index + 1)`.
    """
    found = []
    level = 0
    while index & 1:
        level, index = level + 1, index >> 1
        found.append((level, index))
    return found


def nodes_of(span: Range) -> list[Node]:
    """The complete subtrees that a range of leaves consists of, left to right.

    The range is one that RFC 6962 hashes: its start is a multiple of a power of 2 that is not
    below its length.
    """
    start, end = span
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def hash_of(span: Range, hashes: Mapping[Node, bytes]) -> bytes:
    """The Merkle tree hash of a range, from the hashes of its `nodes_of`."""
    nodes = nodes_of(span)
    if not nodes:
        return EMPTY_ROOT
    found = hashes[nodes[-1]]
    for node in reversed(nodes[:-1]):
        found = node_hash(hashes[node], found)
    return found


def inclusion_path(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that leaf `index` is in a tree of `size`, leaf's side first.

    RFC 6962, section 2.1.1. Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError("the index is not inside the tree")
    path: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_path(first: int, second: int) -> list[Range]:
    """The ranges whose hashes prove that a tree of `first` leaves grew into one of `second`.

    RFC 6962, section 2.1.2. Raises ValueError unless 0 <= first <= second.
    """
    if not 0 <= first <= second:
        raise ValueError("the first tree is not a part of the second")
    path: list[Range] = []
    start, end = 0, second
    if first in (0, second):
        return path
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    # The first tree itself is known to whoever asks.
    if start > 0:
        path.append((start, end))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether the proof leads from a leaf's hash to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def nodes_of_all(spans: Iterable[Range]) -> list[Node]:
    """The nodes of several ranges, for fetching them at once."""
    return [node for span in spans for node in nodes_of(span)]


def _split(size: int) -> int:
    """The largest power of 2 below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
