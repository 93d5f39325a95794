"""The Merkle tree against the well-known test tree of RFC 6962 and a naive tree by the RFC's own recursion."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit.merkle import (
    EMPTY_ROOT,
    Appender,
    consistency_proof,
    fold,
    inclusion_proof,
    leaf_hash,
    left_edge,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# Inputs, roots and paths of the Certificate Transparency project's test tree.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (index from 0, size)
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


class Nodes:
    """Insert-only nodes, as a table would keep them."""

    def __init__(self, leaves: Sequence[bytes] = ()) -> None:
        self.kept: dict[tuple[int, int], bytes] = {}
        self.reads = 0
        for node in Appender(self, 0).extend(leaves):
            self.insert(node.level, node.index, node.hash)

    def insert(self, level: int, index: int, value: bytes) -> None:
        assert (level, index) not in self.kept
        self.kept[level, index] = value

    def node(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self.kept[level, index]


def naive(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162 2.1.1, over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def naive_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive(leaves[:k])]


def naive_subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [naive(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive(leaves[:k])]


LEAVES = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]
MANY = [leaf_hash(str(i).encode()) for i in range(600)]
MANY_NODES = Nodes(MANY)


def test_leaf_node_and_empty_hashes_are_those_of_the_rfc() -> None:
    assert leaf_hash(b"").hex() == ROOTS[0]
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert node_hash(LEAVES[0], LEAVES[1]).hex() == ROOTS[1]
    assert root(Nodes(), 0) == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_well_known_tree_come_out(size: int) -> None:
    assert root(Nodes(LEAVES), size).hex() == ROOTS[size - 1]
    assert root(Nodes(LEAVES[:size]), size).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_paths_of_the_well_known_tree_come_out(index: int, size: int) -> None:
    proof = inclusion_proof(Nodes(LEAVES), index, size)
    assert [part.hex() for part in proof] == INCLUSION[index, size]
    assert verify_inclusion(LEAVES[index], index, size, proof=proof, root=bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_paths_of_the_well_known_tree_come_out(old: int, new: int) -> None:
    proof = consistency_proof(Nodes(LEAVES), old, new)
    assert [part.hex() for part in proof] == CONSISTENCY[old, new]
    old_root, new_root = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1])
    assert verify_consistency(old, new, old_root=old_root, new_root=new_root, proof=proof)


def test_every_root_up_to_six_hundred_equals_the_naive_one() -> None:
    appender = Appender(Nodes(), 0)
    for size in range(1, 601):
        appender.append(MANY[size - 1])
        if size % 7 == 1 or size > 590:
            assert appender.root() == root(MANY_NODES, size) == naive(MANY[:size])
    assert appender.size == 600


@given(st.integers(0, 600), st.integers(0, 600))
def test_an_appender_that_resumes_makes_the_same_nodes(one: int, other: int) -> None:
    start, end = sorted((one, other))
    appender = Appender(MANY_NODES, start)
    made = {(n.level, n.index): n.hash for n in appender.extend(MANY[start:end])}
    assert all(MANY_NODES.kept[place] == value for place, value in made.items())
    assert len(made) == sum(1 for level, index in MANY_NODES.kept if start < (index + 1) << level <= end)
    assert appender.root() == root(MANY_NODES, end)


@settings(max_examples=200)
@given(st.integers(1, 600).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))), st.data())
def test_inclusion_proofs_equal_the_naive_ones_and_no_other_is_accepted(
    place: tuple[int, int], data: st.DataObject
) -> None:
    index, size = place
    proof = inclusion_proof(MANY_NODES, index, size)
    whole = root(MANY_NODES, size)
    assert proof == naive_path(index, MANY[:size])
    assert verify_inclusion(MANY[index], index, size, proof=proof, root=whole)
    assert not verify_inclusion(leaf_hash(b"other"), index, size, proof=proof, root=whole)
    assert not verify_inclusion(MANY[index], index, size, proof=[*proof, MANY[0]], root=whole)
    assert not verify_inclusion(MANY[index], size, size, proof=proof, root=whole)
    other = data.draw(st.integers(0, size - 1))
    assert verify_inclusion(MANY[index], other, size, proof=proof, root=whole) is (other == index)
    if proof:
        assert not verify_inclusion(MANY[index], index, size, proof=proof[:-1], root=whole)
        broken = list(proof)
        broken[data.draw(st.integers(0, len(proof) - 1))] = leaf_hash(b"other")
        assert not verify_inclusion(MANY[index], index, size, proof=broken, root=whole)


@settings(max_examples=200)
@given(st.integers(1, 600), st.integers(1, 600), st.data())
def test_consistency_proofs_equal_the_naive_ones_and_no_other_is_accepted(
    one: int, two: int, data: st.DataObject
) -> None:
    old, new = sorted((one, two))
    proof = consistency_proof(MANY_NODES, old, new)
    old_root, new_root = root(MANY_NODES, old), root(MANY_NODES, new)
    assert proof == naive_subproof(old, MANY[:new], True)
    assert verify_consistency(old, new, old_root=old_root, new_root=new_root, proof=proof)
    other = leaf_hash(b"other")
    assert not verify_consistency(old, new, old_root=other, new_root=new_root, proof=proof)
    assert not verify_consistency(old, new, old_root=old_root, new_root=other, proof=proof)
    assert not verify_consistency(old, new, old_root=old_root, new_root=new_root, proof=[*proof, other])
    if proof:
        assert not verify_consistency(old, new, old_root=old_root, new_root=new_root, proof=proof[:-1])
        broken = list(proof)
        broken[data.draw(st.integers(0, len(proof) - 1))] = other
        assert not verify_consistency(old, new, old_root=old_root, new_root=new_root, proof=broken)


def test_an_empty_older_tree_is_the_beginning_of_every_tree() -> None:
    assert consistency_proof(MANY_NODES, 0, 5) == []
    assert verify_consistency(0, 5, old_root=EMPTY_ROOT, new_root=root(MANY_NODES, 5), proof=[])
    assert not verify_consistency(0, 5, old_root=MANY[0], new_root=root(MANY_NODES, 5), proof=[])
    assert not verify_consistency(6, 5, old_root=MANY[0], new_root=MANY[0], proof=[])
    assert not verify_consistency(3, 5, old_root=MANY[0], new_root=MANY[0], proof=[])


def test_leaves_and_sizes_that_do_not_exist_are_refused() -> None:
    for index, size in ((-1, 5), (5, 5), (0, 0)):
        with pytest.raises(ValueError, match="no such leaf"):
            inclusion_proof(MANY_NODES, index, size)
    with pytest.raises(ValueError, match="larger"):
        consistency_proof(MANY_NODES, 6, 5)


def test_the_left_edge_has_a_hash_for_each_one_bit_and_folds_to_the_root() -> None:
    for size in (0, 1, 6, 255, 256, 599):
        edge = left_edge(MANY_NODES, size)
        assert len(edge) == size.bit_count()
        assert fold(edge) == root(MANY_NODES, size)


def test_a_proof_reads_no_more_than_about_twice_the_height() -> None:
    before = MANY_NODES.reads
    inclusion_proof(MANY_NODES, 123, 599)
    assert MANY_NODES.reads - before <= 20
