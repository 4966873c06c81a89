"""Roots and proofs (RFC 6962 §2.1) made from hashes that tiles hold. No I/O.

From whatever gives such hashes: a store's rows, files, another's log.
"""

from __future__ import annotations

import functools
from typing import Protocol

from kokuin.ledger.tiles import WIDTH
from kokuin.ledger.tree import HASH_OCTETS, MAX_SIZE, cover, grow, root_of

_HEIGHT = 8
"""Levels of the tree from one level of tiles to the next: 2**8 is `WIDTH`."""
_REMEMBERED_FROM = 4


class HashSource(Protocol):
    """Whatever holds the hashes of full subtrees of a tree.

    Every call from this module stays within one tile. `root_at` and the proofs read each tile that they need
    once and whole, as wide as the tree of the size asked for has it: `start` is its first hash, and its
    path is `TilePath(level, start // WIDTH, stop - start).path`.
    """

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return the hashes of the subtrees number `start` up to `stop` of 256**level leaves each.

        Raises what the source raises when it lacks one of them.
        """


def subtree(source: HashSource, start: int, height: int) -> bytes:
    """Return the hash of the full subtree of 2**height leaves that begins at leaf `start`.

    Args:
        source: of the hashes; asked once, for at most 128 of them within one tile.
        start: a multiple of 2**height.
        height: of the subtree.

    Raises:
        ValueError: no tree has this subtree, or the source did not give what it was asked for.
    """
    if not 0 <= height < MAX_SIZE.bit_length() or not 0 <= start <= MAX_SIZE - (1 << height):
        raise ValueError("no tree has this subtree")
    if start & (1 << height) - 1:
        raise ValueError("no subtree of this height begins here")
    level, rest = divmod(height, _HEIGHT)
    first = start >> level * _HEIGHT
    hashes = _read(source, level, first, first + (1 << rest))
    # What lies above level 0 is in the proofs of very many leaves; small ones would crowd out the others.
    return _peak(hashes) if rest < _REMEMBERED_FROM else _remembered_peak(b"".join(hashes))


def _peak(hashes: list[bytes]) -> bytes:
    return grow(0, (), hashes).peaks[0]


@functools.lru_cache(maxsize=1024)
def _remembered_peak(octets: bytes) -> bytes:
    """Return the same for hashes beside each other, at most 4 KiB: what is remembered stays below 4 MiB."""
    return _peak([octets[at : at + HASH_OCTETS] for at in range(0, len(octets), HASH_OCTETS)])


def _read(source: HashSource, level: int, start: int, stop: int) -> list[bytes]:
    found = source.hashes(level, start, stop)
    # Hashes cut at other places would hash to the same root. The set is a third of a loop's cost.
    if len(found) != stop - start or set(map(len, found)) - {HASH_OCTETS}:
        raise ValueError("the source gave something else than these hashes")
    return found


def root_at(source: HashSource, size: int) -> bytes:
    """Return the root of the tree of the first `size` leaves.

    Raises:
        ValueError: no tree has this size, or the source did not give what it was asked for.
    """
    return _root_over(_WholeTiles(source, size), 0, size)


def inclusion_proof(source: HashSource, index: int, size: int) -> list[bytes]:
    """Make the audit path of a leaf (RFC 6962 §2.1.1), from the leaf upward, for `verify_inclusion`.

    Args:
        source: of the hashes; asked for at most two tiles a level.
        index: of the leaf.
        size: of the tree that the leaf is proven to be in.

    Raises:
        ValueError: the tree has no such leaf, or the source did not give what it was asked for.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError("the tree has no such leaf")
    # PATH(m, D[n]) from the root downward: at each split the half without the leaf is one hash of the proof.
    halves: list[tuple[int, int]] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = _split(start, stop)
        if index < middle:
            halves.append((middle, stop))
            stop = middle
        else:
            halves.append((start, middle))
            start = middle
    return _upward(source, size, halves)


def consistency_proof(source: HashSource, old_size: int, size: int) -> list[bytes]:
    """Make the proof that a tree begins with an older one (RFC 6962 §2.1.2), for `verify_consistency`.

    Args:
        source: of the hashes; asked for at most two tiles a level.
        old_size: of the older tree; nothing needs to be proven of an empty one.
        size: of the newer tree.

    Returns:
        The proof; empty when the sizes are equal or the older tree is empty.

    Raises:
        ValueError: not 0 <= old_size <= size <= `MAX_SIZE`, or the source did not give what it was asked for.
    """
    if not 0 <= old_size <= size <= MAX_SIZE:
        raise ValueError("a tree does not shrink")
    if old_size in {0, size}:
        return []
    # SUBPROOF(m, D[n], b) from the root downward, until the subtree that remains is all old.
    halves: list[tuple[int, int]] = []
    start, stop = 0, size
    while old_size < stop:
        middle = _split(start, stop)
        if old_size <= middle:
            halves.append((middle, stop))
            stop = middle
        else:
            halves.append((start, middle))
            start = middle
    if start:
        # b is false: the verifier knows this subtree's hash only when it is the whole old tree.
        halves.append((start, stop))
    return _upward(source, size, halves)


def _split(start: int, stop: int) -> int:
    """Return where RFC 6962 §2.1 splits: after the largest power of two that is smaller than the whole."""
    return start + (1 << (stop - start - 1).bit_length() - 1)


def _upward(source: HashSource, size: int, halves: list[tuple[int, int]]) -> list[bytes]:
    tiles = _WholeTiles(source, size)
    return [_root_over(tiles, start, stop) for start, stop in reversed(halves)]


def _root_over(source: HashSource, start: int, stop: int) -> bytes:
    # `start` is a multiple of a power of two that is not smaller than the range, so its cover are its peaks.
    return root_of([subtree(source, at, height) for at, height in cover(start, stop)])


class _WholeTiles:
    """A source that reads each tile once and whole, as wide as the tree of its size has it."""

    __slots__ = ("_size", "_source", "_tiles")

    def __init__(self, source: HashSource, size: int) -> None:
        self._source = source
        self._size = size
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        index = start // WIDTH
        first = index * WIDTH
        tile = self._tiles.get((level, index))
        if tile is None:
            last = min(first + WIDTH, self._size >> level * _HEIGHT)
            tile = self._tiles[level, index] = _read(self._source, level, first, last)
        return tile[start - first : stop - first]
