"""The Merkle tree of RFC 6962 §2.1: growing it, its root, and the verdict on its proofs.

A tree of n leaves is known by its peaks: the hashes of the perfect subtrees
that n's binary digits name, largest first. From them it grows and has its
root, so a writer keeps no more than 63 hashes. Nothing here reads or stores.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HASH_OCTETS = 32
"""Octets of every hash in the tree, SHA-256."""

MAX_SIZE = 2**63 - 1
"""Most leaves that a tree may have: stores and other readers keep sizes as signed 64-bit numbers."""

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962 §2.1)."""

_LEVEL_HEIGHT = 8
"""Heights between two levels of nodes that are kept: a tile holds 256 hashes (C2SP tlog-tiles)."""


class Grown(NamedTuple):
    """A tree after leaves were appended.

    Attributes:
        size: number of leaves.
        peaks: hashes of the perfect subtrees, largest first, one for each set bit of `size`.
        nodes: (level, index, hash) of every full subtree of 256**level leaves, level >= 1, that the new
            leaves completed; its first leaf is `index * 256**level`. Lower levels first, then by index.
    """

    size: int
    peaks: tuple[bytes, ...]
    nodes: tuple[tuple[int, int, bytes], ...]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash over two subtrees, SHA-256(0x01 ‖ left ‖ right) (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


def grow(size: int, peaks: tuple[bytes, ...], leaf_hashes: Sequence[bytes]) -> Grown:
    """Append leaves to a tree (RFC 6962 §2.1), one hash a leaf.

    Args:
        size: number of leaves so far.
        peaks: of these leaves, as in `Grown`.
        leaf_hashes: of the new leaves, 32 octets each, in order; not looked into.

    Returns:
        The tree with the new leaves.

    Raises:
        ValueError: the peaks are not as many as the size has, or the tree would pass `MAX_SIZE`.
    """
    new_size = size + len(leaf_hashes)
    if size < 0 or new_size > MAX_SIZE or len(peaks) != size.bit_count():
        raise ValueError("no tree has this size and these peaks")
    kept = list(peaks)
    tail: list[bytes] = []
    nodes: list[tuple[int, int, bytes]] = []
    row = list(leaf_hashes)
    height = 0
    first = size
    # Row by row upward: `row` holds the new subtrees of 2**height leaves, `first` is the index of the first.
    while row:
        if height and height % _LEVEL_HEIGHT == 0:
            level = height // _LEVEL_HEIGHT
            nodes += [(level, index, node) for index, node in enumerate(row, first)]
        if first & 1:
            row.insert(0, kept.pop())
        if len(row) & 1:
            tail.append(row.pop())
        lefts = iter(row)
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(lefts, lefts, strict=True)]
        first >>= 1
        height += 1
    return Grown(new_size, (*kept, *reversed(tail)), tuple(nodes))


def root_of(peaks: Sequence[bytes]) -> bytes:
    """Return the root of the tree with these peaks, largest first; `EMPTY_ROOT` when there are none."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether the tree of `size` leaves with this root has the leaf at `index` (RFC 9162 §2.1.3.2).

    Size and root must come from one signed checkpoint: a proof often fits other sizes as well.

    Args:
        index: of the leaf, from 0.
        size: number of leaves.
        leaf_hash: of the leaf.
        proof: its audit path, from the leaf upward (RFC 6962 §2.1.1).
        root: of the tree.

    Returns:
        Whether the proof holds. Values that no tree has are refused, never raised about.
    """
    if not 0 <= index < size <= MAX_SIZE or not _are_hashes(proof, leaf_hash, root):
        return False
    # Below the height where the paths of this leaf and of the last one meet, siblings stand on the side that
    # the index's bit names; above it all stand on the left, one for each set bit. No other number is right.
    inner = (index ^ (size - 1)).bit_length()
    if len(proof) != inner + (index >> inner).bit_count():
        return False
    node = leaf_hash
    for height, sibling in enumerate(proof):
        on_the_left = height >= inner or index >> height & 1
        node = node_hash(sibling, node) if on_the_left else node_hash(node, sibling)
    return node == root


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether the new tree begins with all leaves of the old one (RFC 9162 §2.1.4.2).

    Each size and root must come from one signed checkpoint: a proof often fits other sizes as well.
    Every tree begins with the empty one: an old size of 0 needs `EMPTY_ROOT` and an empty proof, and then
    says nothing about the new root (C2SP tlog-witness).

    Args:
        old_size: number of leaves of the old tree.
        new_size: number of leaves of the new tree.
        old_root: root of the old tree.
        new_root: root of the new tree.
        proof: consistency proof (RFC 6962 §2.1.2).

    Returns:
        Whether the proof holds. Values that no tree has are refused, never raised about.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE or not _are_hashes(proof, old_root, new_root):
        return False
    if old_size == new_size:
        return not proof and old_root == new_root and (new_size > 0 or new_root == EMPTY_ROOT)
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    return _joins(old_size, new_size, old_root, new_root, proof)


def _joins(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    # The path runs upward from the old tree's last peak, of 2**low leaves, as for an inclusion proof of it.
    low = (old_size & -old_size).bit_length() - 1
    index = (old_size >> low) - 1
    inner = (index ^ (new_size - 1 >> low)).bit_length()
    # When the old tree is this one peak, its root is known and the proof does not repeat it.
    path = proof if index == 0 else proof[1:]
    if (index and not proof) or len(path) != inner + (index >> inner).bit_count():
        return False
    old = new = old_root if index == 0 else proof[0]
    for height, sibling in enumerate(path):
        if height >= inner or index >> height & 1:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    return old == old_root and new == new_root


def _are_hashes(proof: Sequence[bytes], *others: bytes) -> bool:
    # A proof of the deepest tree has 64 hashes; a longer one is not even looked through.
    return len(proof) <= 64 and all(len(octets) == HASH_OCTETS for octets in (*others, *proof))


def cover(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield (start, height) of the largest aligned subtrees that fill the leaves from `start` up to `stop`.

    A subtree of height h has 2**h leaves and begins at a multiple of them.

    Raises:
        ValueError: not 0 <= start <= stop <= `MAX_SIZE`.
    """
    if not 0 <= start <= stop <= MAX_SIZE:
        raise ValueError("no tree has these leaves")
    while start < stop:
        height = (stop - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        yield start, height
        start += 1 << height


class Builder:
    """A tree built from leaves and subtrees that come in order; it remembers its peaks alone.

    Attributes:
        size: number of leaves so far.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Hashes of the perfect subtrees, largest first."""
        return tuple(self._peaks)

    def push(self, octets: bytes, height: int = 0) -> None:
        """Append a leaf, or a perfect subtree.

        Args:
            octets: its hash, 32 octets.
            height: of the subtree, which has 2**height leaves.

        Raises:
            ValueError: no hash, a subtree that cannot begin here, or a tree past `MAX_SIZE`.
        """
        if len(octets) != HASH_OCTETS:
            raise ValueError("a hash has 32 octets")
        if not 0 <= height < 63 or self.size & ((1 << height) - 1) or self.size + (1 << height) > MAX_SIZE:
            raise ValueError("no subtree of this height begins here")
        node = octets
        rest = self.size >> height
        while rest & 1:
            node = node_hash(self._peaks.pop(), node)
            rest >>= 1
        self._peaks.append(node)
        self.size += 1 << height

    def root(self) -> bytes:
        """Return the root over all that was pushed."""
        return root_of(self._peaks)
