"""Tiles (C2SP tlog-tiles): their paths, the tiles of a tree, and proofs made from hashes that tiles hold.

A tile is up to 256 hashes beside each other at one level; a hash at level L
stands for a full subtree of 256**L leaves. From whatever gives such hashes (a
store's rows, files, another's log) roots and proofs are made here. No I/O.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kokuin.ledger.tree import HASH_OCTETS, MAX_SIZE, cover, grow, root_of

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 256
"""Hashes in a full tile, and entries in a full bundle."""

MAX_LEVEL = 63
"""Highest level that a path may name."""

_HEIGHT = 8
_REMEMBERED_FROM = 4
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


class HashSource(Protocol):
    """Whatever holds the hashes of full subtrees of a tree.

    Every call from this module stays within one tile. `root_at` and the proofs read each tile that they need
    once and whole, as wide as the tree of the size asked for has it: `start` is its first hash, and its
    path is `tile_path(level, start // WIDTH, stop - start)`.
    """

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return the hashes of the subtrees number `start` up to `stop` of 256**level leaves each.

        Raises what the source raises when it lacks one of them.
        """


@dataclass(frozen=True, slots=True)
class TilePath:
    """One tile or entry bundle.

    Attributes:
        level: 0 to 63; 0 for an entry bundle, whose entries are those of the tile of its index there.
        index: of the tile within its level, from 0.
        width: how many hashes or entries it holds, 1 to 256; fewer than 256 is a partial tile.
        entries: whether it is an entry bundle.

    Raises:
        ValueError: no tree has such a tile.
    """

    level: int
    index: int
    width: int = WIDTH
    entries: bool = False

    def __post_init__(self) -> None:
        if not _is_tile(self.level, self.index, self.width) or (self.entries and self.level):
            raise ValueError("no tree has such a tile")

    @property
    def start(self) -> int:
        """Index of its first hash within the level, or of its first entry."""
        return self.index * WIDTH

    @property
    def stop(self) -> int:
        """Index behind its last hash within the level, or behind its last entry."""
        return self.start + self.width

    @property
    def path(self) -> str:
        """Its path below the log's prefix, without a slash before it."""
        digits = f"{self.index:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        elements = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        number = "/".join([*("x" + element for element in elements[:-1]), elements[-1]])
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.entries else self.level}/{number}{partial}"


def _is_tile(level: int, index: int, width: int) -> bool:
    # The last bound keeps every number that a path leads to within a store's signed 64 bits.
    return (
        0 <= level <= MAX_LEVEL and index >= 0 and 1 <= width <= WIDTH and index * WIDTH + width <= MAX_SIZE
    )


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Return a tile's path, such as `tile/0/x001/x234/067` or `tile/1/000.p/17` (C2SP tlog-tiles).

    Raises:
        ValueError: no tree has such a tile.
    """
    return TilePath(level, index, width).path


def entries_path(index: int, width: int = WIDTH) -> str:
    """Return an entry bundle's path, such as `tile/entries/x001/x234/067` (C2SP tlog-tiles).

    Raises:
        ValueError: no tree has such a bundle.
    """
    return TilePath(0, index, width, entries=True).path


def parse_path(path: str) -> TilePath | None:
    """Read a path as `tile_path` or `entries_path` writes it, and no other spelling of it.

    Args:
        path: from a request, or a file's name; anything.

    Returns:
        What it names, or None.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    entries = match[1] == "entries"
    level = 0 if entries else int(match[1])
    index = int(match[2].replace("/", "").replace("x", ""))
    width = WIDTH if match[3] is None else int(match[3])
    if not _is_tile(level, index, width):
        return None
    tile = TilePath(level, index, width, entries)
    # Refuses zeros before a number and `.p/256`: a tile has one path, so that nothing caches it under two.
    return tile if tile.path == path else None


def new_tiles(old_size: int, size: int) -> Iterator[TilePath]:
    """Yield the tiles, full and partial, that the tree of `size` leaves has and that of `old_size` had not.

    Args:
        old_size: number of leaves whose tiles there are, 0 for none.
        size: number of leaves, not fewer.

    Yields:
        Lower levels first, then by index; each tile once, as wide as the larger tree has it.

    Raises:
        ValueError: not 0 <= old_size <= size <= `MAX_SIZE`.
    """
    if not 0 <= old_size <= size <= MAX_SIZE:
        raise ValueError("a tree does not shrink")
    level = 0
    while size > old_size:
        for index in range(old_size // WIDTH, -(-size // WIDTH)):
            yield TilePath(level, index, min(WIDTH, size - index * WIDTH))
        old_size //= WIDTH
        size //= WIDTH
        level += 1


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
