"""The Merkle tree of the trail: hashes, appending, roots and proofs as RFC 9162 section 2.1 states them.

Must not store anything: nodes are read through ``NodeReader`` and handed back to be inserted. Only complete
subtrees become nodes, so a node never changes: ``(level, index)`` covers leaves ``index << level`` up to, not
including, ``(index + 1) << level``. A tree of n leaves has fewer than 2n nodes; a proof reads about 2·log2 n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

EMPTY_ROOT = hashlib.sha256(b"").digest()
_sha256 = hashlib.sha256


@dataclass(frozen=True, slots=True)
class Node:
    """One complete subtree, immutable from the moment it exists."""

    level: int
    index: int
    hash: bytes


class NodeReader(Protocol):
    """Where nodes are kept."""

    def node(self, level: int, index: int) -> bytes:
        """The 32 bytes of a node that was inserted. Raises what the store raises when it is missing."""
        ...


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 || data), 32 bytes."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees: SHA-256(0x01 || left || right), 32 bytes."""
    return _sha256(b"\x01" + left + right).digest()


class Appender:
    """Grows a tree from ``size`` leaves on; reads its right edge once, then needs the store no more."""

    __slots__ = ("_edge", "size")

    def __init__(self, reader: NodeReader, size: int) -> None:
        self.size = size
        self._edge = left_edge(reader, size)

    def append(self, leaf: bytes) -> list[Node]:
        """The nodes that become complete with the leaf hash ``leaf``: the leaf itself, then upwards."""
        level, index, made = 0, self.size, leaf
        nodes = [Node(0, index, leaf)]
        while index & 1:
            made = node_hash(self._edge.pop(), made)
            level, index = level + 1, index >> 1
            nodes.append(Node(level, index, made))
        self._edge.append(made)
        self.size += 1
        return nodes

    def extend(self, leaves: Iterable[bytes]) -> Iterator[Node]:
        """The nodes to insert for many leaf hashes, lazily; the tree has grown as far as they were taken."""
        for leaf in leaves:
            yield from self.append(leaf)

    def root(self) -> bytes:
        """Root at the present size."""
        return fold(self._edge)


def left_edge(reader: NodeReader, size: int) -> list[bytes]:
    """Hashes of the largest complete subtrees that make up the first ``size`` leaves, from the left.

    As many as ``size`` has one bits. A slice of the trail that begins at position ``size`` carries them, so that its
    roots can be recomputed without what came before.
    """
    return _cover(reader, 0, size)


def fold(edge: Sequence[bytes]) -> bytes:
    """Root of the tree whose left edge is ``edge``."""
    if not edge:
        return EMPTY_ROOT
    made = edge[-1]
    for left in reversed(edge[:-1]):
        made = node_hash(left, made)
    return made


def root(reader: NodeReader, size: int) -> bytes:
    """Root of the first ``size`` leaves, for any size up to the stored one."""
    return fold(left_edge(reader, size))


def inclusion_proof(reader: NodeReader, index: int, size: int) -> list[bytes]:
    """The path that shows leaf ``index`` (from 0) in the tree of ``size`` leaves (RFC 9162 2.1.3.1).

    Raises ``ValueError`` unless ``0 <= index < size``.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of this size")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(fold(_cover(reader, middle, high)))
            high = middle
        else:
            path.append(fold(_cover(reader, low, middle)))
            low = middle
    return path[::-1]


def consistency_proof(reader: NodeReader, old: int, new: int) -> list[bytes]:
    """The hashes that show the tree of ``old`` leaves as the beginning of that of ``new`` (RFC 9162 2.1.4.1).

    Empty when ``old`` equals ``new`` or is 0. Raises ``ValueError`` unless ``0 <= old <= new``.
    """
    if not 0 <= old <= new:
        raise ValueError("the older tree must not be larger")
    if old in (0, new):
        return []
    path: list[bytes] = []
    low, high = 0, new
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(fold(_cover(reader, middle, high)))
            high = middle
        else:
            path.append(fold(_cover(reader, low, middle)))
            low = middle
    if low:  # else the old tree is itself a complete subtree whose root the verifier holds
        path.append(fold(_cover(reader, low, high)))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, *, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` leads from the leaf hash at ``index`` to ``root`` (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, made = index, size - 1, leaf
    for part in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            made = node_hash(part, made)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            made = node_hash(made, part)
        at, last = at >> 1, last >> 1
    return last == 0 and made == root


def verify_consistency(old: int, new: int, *, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree of ``new`` leaves only added to that of ``old`` (RFC 9162 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_made = new_made = path[0]
    for part in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_made, new_made = node_hash(part, old_made), node_hash(part, new_made)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new_made = node_hash(new_made, part)
        at, last = at >> 1, last >> 1
    return last == 0 and old_made == old_root and new_made == new_root


def _split(count: int) -> int:
    """The largest power of two smaller than ``count`` (> 1): where the RFC divides a tree."""
    return 1 << ((count - 1).bit_length() - 1)


def _cover(reader: NodeReader, low: int, high: int) -> list[bytes]:
    """Hashes of the largest complete subtrees over leaves ``low`` to ``high``, from the left.

    ``low`` is where the RFC's division put it, so each subtree begins at a multiple of its own width.
    """
    hashes: list[bytes] = []
    while low < high:
        level = (high - low).bit_length() - 1
        hashes.append(reader.node(level, low >> level))
        low += 1 << level
    return hashes
