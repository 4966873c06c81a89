"""The tiles that were published, read again: for whoever asks the service for one, and for proofs."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING

from kokuin.ledger.tiles import WIDTH, TilePath
from kokuin.ledger.tree import HASH_OCTETS

if TYPE_CHECKING:
    from pathlib import Path

_KEPT = 256
"""Full tiles that are remembered: 2 MiB; above level 0 this is the whole tree of sixteen million leaves."""


class TileFiles:
    """A `tiles.HashSource` over a log's folder. Any thread may use it."""

    def __init__(self, root: Path) -> None:
        """Args: the folder that `LogFolder` writes."""
        self._root = str(root)
        self._full: dict[tuple[int, int], bytes] = {}
        self._lock = Lock()

    def tile(self, tile: TilePath) -> bytes | None:
        """Return the octets of a hash tile, or None when no file has all of it.

        A partial tile may be the beginning of a wider one: its own file is gone once the full tile is there,
        or never was because no checkpoint had its size (C2SP tlog-tiles, partial tiles).
        """
        octets = None if tile.width == WIDTH else self._read(tile)
        if octets is None:
            octets = self._read_full(tile)
        if octets is None and tile.width < WIDTH:
            octets = self._read_wider(tile)
        return None if octets is None else octets[: tile.width * HASH_OCTETS]

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes of the tree, all of one tile; none where no file has all of them."""
        index = start // WIDTH
        octets = self.tile(TilePath(level, index, stop - index * WIDTH))
        if octets is None:
            return []
        first = (start - index * WIDTH) * HASH_OCTETS
        return [octets[at : at + HASH_OCTETS] for at in range(first, len(octets), HASH_OCTETS)]

    def _read_full(self, tile: TilePath) -> bytes | None:
        # A full tile never changes. An absent one may come yet, and is not remembered.
        key = (tile.level, tile.index)
        octets = self._full.get(key)
        if octets is None:
            octets = self._read(TilePath(*key))
            if octets is not None:
                self._keep(key, octets)
        return octets

    def _keep(self, key: tuple[int, int], octets: bytes) -> None:
        with self._lock:
            if len(self._full) >= _KEPT:
                # The lowest level goes first: proofs share what is above it.
                del self._full[min(self._full)]
            self._full[key] = octets

    def _read_wider(self, tile: TilePath) -> bytes | None:
        folder = os.path.dirname(f"{self._root}/{tile.path}")  # noqa: PTH120 - pathlib takes as long as reading
        try:
            widths = sorted(int(name) for name in os.listdir(folder) if name.isdecimal())  # noqa: PTH208 - likewise
        except OSError:
            return None
        wider = next((width for width in widths if tile.width < width < WIDTH), None)
        return None if wider is None else self._read(TilePath(tile.level, tile.index, wider))

    def _read(self, tile: TilePath) -> bytes | None:
        """Read a tile's own file; None when it is absent, cannot be read, or is not as long as it must be."""
        size = tile.width * HASH_OCTETS
        try:
            with open(f"{self._root}/{tile.path}", "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes as long as reading
                octets = file.read(size + 1)
        except OSError:
            return None
        return octets if len(octets) == size else None
