"""The tree of RFC 6962 compared with a naive one, and proofs that are tampered with.

Consistency proofs are verified by the users of a log, here by the SDK.
"""

import hashlib
from collections.abc import Sequence

import pytest
from hokusai.verify.merkle import consistency_holds
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.transparency_log import merkle
from app.control_plane.transparency_log.merkle import Node

SIZES = st.integers(min_value=1, max_value=130)


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """The definition in RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = naive_root(leaves[:split]), naive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def entries(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def grown(size: int) -> dict[Node, bytes]:
    """The nodes of a log to which entries were added one by one, as the database stores them."""
    nodes: dict[Node, bytes] = {}
    for index, entry in enumerate(entries(size)):
        nodes[0, index] = merkle.leaf_hash(entry)
        for level, place in merkle.completed_by(index):
            left, right = nodes[level - 1, 2 * place], nodes[level - 1, 2 * place + 1]
            nodes[level, place] = merkle.node_hash(left, right)
    return nodes


NODES = grown(130)


def root(size: int) -> bytes:
    return merkle.range_hash((0, size), NODES)


def inclusion(index: int, size: int) -> list[bytes]:
    return [merkle.range_hash(span, NODES) for span in merkle.inclusion_path(index, size)]


def consistency(first: int, second: int) -> list[bytes]:
    return [merkle.range_hash(span, NODES) for span in merkle.consistency_path(first, second)]


@pytest.mark.parametrize("size", range(66))
def test_roots_are_as_the_rfc_defines_them(size: int) -> None:
    assert root(size) == naive_root(entries(size))


def test_roots_of_known_trees() -> None:
    """The test vectors of Certificate Transparency's reference implementation."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    leaves.append("606162636465666768696a6b6c6d6e6f")
    found = naive_root([bytes.fromhex(leaf) for leaf in leaves])
    assert found.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert merkle.EMPTY_ROOT.hex() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


@given(st.data())
def test_inclusion_proofs_hold_until_anything_is_changed(data: st.DataObject) -> None:
    size = data.draw(SIZES)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    leaf, proof = NODES[0, index], inclusion(index, size)
    assert merkle.verify_inclusion(leaf, index, size, proof, root(size))
    other = data.draw(st.integers(min_value=-1, max_value=size + 1).filter(lambda i: i != index))
    assert not merkle.verify_inclusion(leaf, other, size, proof, root(size))
    assert not merkle.verify_inclusion(bytes(32), index, size, proof, root(size))
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, bytes(32)], root(size))
    if proof:
        assert not merkle.verify_inclusion(leaf, index, size, proof[:-1], root(size))
        assert not merkle.verify_inclusion(leaf, index, size, proof[1:], root(size))
        place = data.draw(st.integers(min_value=0, max_value=len(proof) - 1))
        forged = [*proof[:place], bytes(32), *proof[place + 1 :]]
        assert not merkle.verify_inclusion(leaf, index, size, forged, root(size))


@given(st.data())
def test_consistency_proofs_hold_until_anything_is_changed(data: st.DataObject) -> None:
    second = data.draw(SIZES)
    first = data.draw(st.integers(min_value=0, max_value=second))
    proof = consistency(first, second)
    assert consistency_holds(first, second, proof, root(first), root(second))
    assert not consistency_holds(first, second, [*proof, bytes(32)], root(first), root(second))
    assert not consistency_holds(first, second, proof, bytes(32), root(second))
    assert not consistency_holds(second + 1, second, proof, root(first), root(second))
    if first > 0:
        assert not consistency_holds(first, second, proof, root(first), bytes(32))
    if proof:
        assert not consistency_holds(first, second, proof[:-1], root(first), root(second))
        place = data.draw(st.integers(min_value=0, max_value=len(proof) - 1))
        forged = [*proof[:place], bytes(32), *proof[place + 1 :]]
        assert not consistency_holds(first, second, forged, root(first), root(second))


@given(
    st.integers(min_value=-3, max_value=20),
    st.integers(min_value=-3, max_value=20),
    st.lists(st.binary(min_size=32, max_size=32), max_size=6),
)
def test_made_up_proofs_prove_nothing(first: int, second: int, proof: list[bytes]) -> None:
    # The root differs from the leaf, which is itself the root of a tree of one leaf.
    assert not merkle.verify_inclusion(b"0" * 32, first, second, proof, b"1" * 32)
    if first != second:
        assert not consistency_holds(first, second, proof, b"1" * 32, b"2" * 32)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_an_index_outside_of_the_tree_has_no_path(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="inside"):
        merkle.inclusion_path(index, size)


@pytest.mark.parametrize(("first", "second"), [(-1, 3), (4, 3)])
def test_a_smaller_tree_is_no_extension(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="first"):
        merkle.consistency_path(first, second)


def test_a_proof_in_a_long_log_needs_few_nodes() -> None:
    spans = merkle.inclusion_path(123_456_789, 987_654_321)
    assert len(spans) <= 30
    assert len(merkle.covering_nodes(*spans)) <= 60
