"""The Merkle tree of RFC 6962: the hashes of roots and proofs, and the verification of proofs.

A log stores the hash of every complete subtree: the node `(level, index)` covers the 2^level leaves
from index * 2^level on. The root and every proof, for any size of the tree, can be computed from a
few dozen of these. This module does no storage: it names the nodes that are needed, and computes
with their hashes.
"""

import hashlib
from collections.abc import Mapping, Sequence

# (level, index) of a complete subtree.
Node = tuple[int, int]
# (start, end) of consecutive leaves, the end excluded.
Range = tuple[int, int]

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node; its prefix differs from that of a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed_by(index: int) -> list[Node]:
    """The inner nodes that the leaf at `index` completes, lowest first.

    The children of `(level, index)` are `(level - 1, 2 * index)` and `(level - 1, 2 * index + 1)`.
    """
    nodes = []
    level = 0
    while index & 1:
        level, index = level + 1, index >> 1
        nodes.append((level, index))
    return nodes


def covering_nodes(*leaves: Range) -> list[Node]:
    """The complete subtrees that some ranges of leaves consist of, each from left to right.

    Each range is one that RFC 6962 hashes: its start is a multiple of a power of 2 that is not
    less than its length.
    """
    nodes = []
    for start, end in leaves:
        position = start
        while position < end:
            level = (end - position).bit_length() - 1
            nodes.append((level, position >> level))
            position += 1 << level
    return nodes


def range_hash(leaves: Range, hashes: Mapping[Node, bytes]) -> bytes:
    """The Merkle tree hash of a range of leaves, from the hashes of its `covering_nodes`."""
    nodes = covering_nodes(leaves)
    if not nodes:
        return EMPTY_ROOT
    result = hashes[nodes[-1]]
    for node in reversed(nodes[:-1]):
        result = node_hash(hashes[node], result)
    return result


def inclusion_path(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that leaf `index` is in a tree of `size` leaves.

    The range next to the leaf comes first (RFC 6962, section 2.1.1). Raises ValueError unless
    0 <= index < size.
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
    """The ranges whose hashes prove that a tree of `second` leaves extends one of `first`.

    RFC 6962, section 2.1.2. Raises ValueError unless 0 <= first <= second.
    """
    if not 0 <= first <= second:
        raise ValueError("the first tree is larger than the second, or its size is negative")
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
    # Where the first tree is a complete subtree, its own root takes this place.
    if start > 0:
        path.append((start, end))
    return path[::-1]


class Growth:
    """A tree that grows in memory.

    It needs only the nodes that the tree consists of at first: the root, and the proof that a new
    leaf is in the tree, are computed from those and the new nodes.
    """

    def __init__(self, size: int, nodes: Mapping[Node, bytes]) -> None:
        """nodes: the hashes of `covering_nodes((0, size))`."""
        self.size = size
        self.added: dict[Node, bytes] = {}
        self._nodes = dict(nodes)

    def add(self, leaf: bytes) -> int:
        """Add a leaf, of this hash. Returns its index."""
        index = self.size
        self._set((0, index), leaf)
        for level, place in completed_by(index):
            pair = self._nodes[level - 1, 2 * place], self._nodes[level - 1, 2 * place + 1]
            self._set((level, place), node_hash(*pair))
        self.size += 1
        return index

    def root(self) -> bytes:
        """The Merkle tree hash of all leaves."""
        return range_hash((0, self.size), self._nodes)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """The proof that a leaf that was added is in the tree."""
        return [range_hash(leaves, self._nodes) for leaves in inclusion_path(index, self.size)]

    def _set(self, node: Node, value: bytes) -> None:
        self.added[node] = self._nodes[node] = value


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether a proof leads from a leaf's hash to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and result == root


def _split(size: int) -> int:
    """The largest power of 2 below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
