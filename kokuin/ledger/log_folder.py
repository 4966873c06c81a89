"""The public face of the ledger: tiles and checkpoint as files that never change (C2SP tlog-tiles).

Any web server may serve them. A tile is written before a checkpoint that needs
it; a crash between the two leaves files that nobody was told of.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.tiles import WIDTH, new_tiles
from pqc.newfile import write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.ledger.tile_proofs import HashSource
    from kokuin.ledger.tiles import TilePath

CHECKPOINT = "checkpoint"
"""Name of the one file that changes."""

_MODE = 0o644


class LogFolder:
    """Writes the folder. Used by one thread at a time."""

    def __init__(self, root: Path) -> None:
        """Args: the folder; made when the first checkpoint is published."""
        self._root = root

    def checkpoint(self) -> bytes | None:
        """Return the published checkpoint, None before the first.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return (self._root / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None

    def published_size(self) -> int:
        """Return how many leaves the published checkpoint has, whose tiles are there; 0 before the first.

        Raises:
            OSError: it cannot be read.
            NoteError: it is no checkpoint.
        """
        octets = self.checkpoint()
        return 0 if octets is None else read_checkpoint(octets).checkpoint.size

    def write_tiles(self, source: HashSource, since: int, size: int) -> None:
        """Write the tiles that a tree of `size` leaves has and one of `since` had not, durably.

        Raises:
            OSError: a file cannot be written.
            ValueError: the source has not all of the hashes.
        """
        for tile in new_tiles(since, size):
            self._write_tile(source, tile)

    def publish(self, note: bytes) -> None:
        """Put a checkpoint in the place of the one before; its tiles are there, and it is kept.

        Raises:
            OSError: the former one stays.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        write_durably(self._root / CHECKPOINT, note, _MODE)

    def _write_tile(self, source: HashSource, tile: TilePath) -> None:
        path = self._root / tile.path
        hashes = source.hashes(tile.level, tile.start, tile.stop)
        if len(hashes) != tile.width:
            # Attack: a database that lags behind. A file that never changes would be wrong for ever.
            raise ValueError(f"{tile.path}: {len(hashes)} hashes")
        octets = b"".join(hashes)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, octets, _MODE)
        if tile.width == WIDTH:
            # The full tile stands for all of its beginnings (C2SP tlog-tiles, partial tiles).
            shutil.rmtree(path.with_name(path.name + ".p"), ignore_errors=True)
