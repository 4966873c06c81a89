"""Tiles (C2SP tlog-tiles): their paths, and the tiles of a tree.

A tile is up to 256 hashes beside each other at one level; a hash at level L
stands for a full subtree of 256**L leaves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.tree import MAX_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 256
"""Hashes in a full tile, and entries in a full bundle."""

MAX_LEVEL = 63
"""Highest level that a path may name."""

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


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
        """Its path below the log's prefix (C2SP tlog-tiles): `tile/0/x001/x234/067`, `tile/1/000.p/17`."""
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


def parse_path(path: str) -> TilePath | None:
    """Read a path as `TilePath.path` writes it, and no other spelling of it.

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
