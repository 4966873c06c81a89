"""The tree's hashes out of a ledger file, as proofs and tiles are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_LEAVES = "SELECT leaf_hash FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_NODES = "SELECT hash FROM node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"


class SqliteHashes:
    """A `tiles.HashSource` over an open connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Args: a connection to a ledger of this release, used by one thread at a time."""
        self._connection = connection

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return the hashes of the subtrees of 256**level leaves, the start-th to before the stop-th.

        Fewer are returned where the ledger has fewer.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        if level == 0:
            rows = self._connection.execute(_LEAVES, (start, stop))
        else:
            rows = self._connection.execute(_NODES, (level, start, stop))
        return [row[0] for row in rows]
