"""The published folder of a log as a check reads it: tiles beside what they must hold, and what is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kokuin.ledger.log_folder import CHECKPOINT
from kokuin.ledger.note import MAX_NOTE
from kokuin.ledger.store_faults import StoreFault
from kokuin.ledger.tiles import WIDTH, TilePath, parse_path
from kokuin.ledger.tree import HASH_OCTETS, MAX_SIZE
from pqc.os_errors import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kokuin.ledger.store_findings import Findings

_HEIGHT = 8
_PARTIAL = ".p"


class TileFiles:
    """Reads the tiles of one folder.

    Attributes:
        checkpoint: the published checkpoint, None when there is none or it cannot be read.
        expected: size of the tree whose tiles must be there.
    """

    def __init__(self, root: Path, findings: Findings) -> None:
        """Args: the folder; where findings go."""
        self._root, self._findings = root, findings
        self.checkpoint = self._read(root / CHECKPOINT, MAX_NOTE)
        self.expected = 0

    def hashes(self, level: int, index: int, most: int) -> list[bytes]:
        """Return the hashes of the widest file of a tile that has at most `most`; none when there is none."""
        widths = [width for width in self._widths(level, index) if width <= most]
        octets = self._tile(level, index, max(widths)) if widths else b""
        return _cut(octets or b"")

    def compare(
        self, level: int, index: int, hashes: Sequence[tuple[bytes | None, bytes | None]]
    ) -> list[int]:
        """Compare all files of a tile with what they must hold, and note which are missing.

        Args:
            level: of the tile.
            index: of the tile.
            hashes: by place in the tile, the two hashes that are right there; None: nothing is known.

        Returns:
            Numbers of the level's hashes that differ, rising; a file that is cut differs where it ends.
        """
        widths = self._widths(level, index)
        found: set[int] = set()
        for width in widths:
            octets = self._tile(level, index, width)
            if octets is None or width > len(hashes):
                continue  # noted already, or for `strange` to note
            filed = _cut(octets)
            places = (
                at
                for at, (own, right) in enumerate(zip(filed, hashes, strict=False))
                if not _fits(own, right)
            )
            first = next(places, None)
            if first is None and len(octets) != width * HASH_OCTETS:
                first = min(len(filed), width - 1)
            if first is not None:
                found |= {first, *places}
        self._require(level, index, widths)
        return [index * WIDTH + place for place in sorted(found)]

    def strange(self) -> Iterator[TilePath]:
        """Yield the tiles that lie in the folder; what else lies there is a finding."""
        for folder, _names, files in os.walk(self._root, onerror=self._unreadable):
            below = os.path.relpath(folder, self._root).replace(os.sep, "/")
            for name in files:
                path = name if below == "." else f"{below}/{name}"
                tile = parse_path(path)
                if tile is not None and not tile.entries:
                    yield tile
                elif path != CHECKPOINT and not name.startswith("."):
                    # A name with a dot is a file that a crash left half-written; nobody is told of it.
                    self._findings.add(StoreFault.FILE_STRANGE, None, path)

    def _require(self, level: int, index: int, widths: Sequence[int]) -> None:
        """Note a tile of the published tree that is not there; the full one stands for its beginnings."""
        width = min(WIDTH, (self.expected >> level * _HEIGHT) - index * WIDTH)
        if (
            width > 0
            and width not in widths
            and WIDTH not in widths
            and WIDTH not in self._widths(level, index)
        ):
            path = TilePath(level, index, width).path
            self._findings.add(StoreFault.TILE_MISSING, index * WIDTH << level * _HEIGHT, path)

    def _widths(self, level: int, index: int) -> list[int]:
        if index * WIDTH + WIDTH > MAX_SIZE:
            return []
        full = self._root / TilePath(level, index).path
        found = [WIDTH] if full.is_file() else []
        try:
            names = [path.name for path in full.with_name(full.name + _PARTIAL).iterdir()]
        except OSError:
            names = []
        path = TilePath(level, index).path + _PARTIAL
        tiles = (parse_path(f"{path}/{name}") for name in names)
        return sorted({*found, *(tile.width for tile in tiles if tile is not None)})

    def _tile(self, level: int, index: int, width: int) -> bytes | None:
        return self._read(self._root / TilePath(level, index, width).path, WIDTH * HASH_OCTETS)

    def _read(self, path: Path, most: int) -> bytes | None:
        try:
            with path.open("rb") as file:
                return file.read(most + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._unreadable(error)
            return None

    def _unreadable(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            self._findings.add(StoreFault.FILE_STRANGE, None, explain(error))


def _cut(octets: bytes) -> list[bytes]:
    return [octets[at : at + HASH_OCTETS] for at in range(0, len(octets) - HASH_OCTETS + 1, HASH_OCTETS)]


def _fits(own: bytes, right: tuple[bytes | None, bytes | None]) -> bool:
    return own in right or right == (None, None)
