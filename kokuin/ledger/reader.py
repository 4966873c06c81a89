"""Reading a ledger beside its writer: look-ups and walks in transactions too short to hold anything up."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from kokuin.ledger.checked import require_schema
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.hashes import SqliteHashes
from kokuin.ledger.statements import READ_HEAD, head_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from kokuin.ledger.plan import Head, Value

_PAGE = 512
"""Leaves that a walk reads at a time: a long reading would keep the write-ahead log from being emptied."""

_SELECT = (
    "SELECT entry.idx, entry.leaf, entry.leaf_hash, token.der FROM entry"
    " LEFT JOIN token ON token.idx = entry.idx WHERE entry.idx "
)
_BY_INDEX = _SELECT + "= ?"
_BY_SERIAL = _SELECT + "= (SELECT idx FROM ix WHERE serial = ?)"  # noqa: S608 - constants only
_NEWEST = _SELECT + "= (SELECT max(idx) FROM ix INDEXED BY ix_act WHERE kind = ? AND serial IS NULL)"  # noqa: S608 - constants only
_BEFORE = _SELECT + (  # noqa: S608 - constants only
    "= (SELECT max(idx) FROM ix INDEXED BY ix_act WHERE kind = ? AND serial IS NULL AND idx < ?)"
)
_FROM = _SELECT + ">= ? AND entry.idx < ? ORDER BY entry.idx LIMIT ?"
_FROM_LEAVES = "SELECT idx, leaf, leaf_hash, NULL FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?"


@dataclass(frozen=True, slots=True)
class Stored:
    """One leaf as the ledger keeps it, with the DER of its token where it has one.

    The leaf has no octets when its retention is over.
    """

    index: int
    leaf: bytes
    leaf_hash: bytes
    token: bytes | None


class LedgerReader:
    """A read-only connection to a ledger file. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open a ledger for reading.

        Args:
            path: the ledger's file; its writer may be at work.

        Raises:
            OpenRefusedError: it cannot be read, or another release made it.
        """
        try:
            self._connection = sqlite3.connect(
                path.absolute().as_uri() + "?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error
        self._hashes = SqliteHashes(self._connection)
        try:
            require_schema(self._connection)
        except sqlite3.Error as error:
            self.close()
            raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error
        except OpenRefusedError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def size(self) -> int:
        """Return how many leaves are committed."""
        size: int = self._connection.execute("SELECT size FROM head WHERE id = 1").fetchone()[0]
        return size

    def head(self) -> Head:
        """Return where the ledger ends."""
        return head_of(self._connection.execute(READ_HEAD).fetchone())

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes of the tree, as a `tiles.HashSource` does."""
        return self._hashes.hashes(level, start, stop)

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one query; `?` stands for a value."""
        return self._connection.execute(statement, values).fetchall()

    def by_index(self, index: int) -> Stored | None:
        """Return the leaf at an index, or None beyond the end."""
        return self._one(_BY_INDEX, index)

    def by_serial(self, serial: str) -> Stored | None:
        """Return the leaf of a token's serial number (lower-case hex), or None when it was never given."""
        return self._one(_BY_SERIAL, serial)

    def newest(self, *kinds: str) -> Stored | None:
        """Return the newest leaf of any of these kinds, or None; only acts without a serial are looked at."""
        found = [stored for stored in (self._one(_NEWEST, kind) for kind in kinds) if stored is not None]
        return max(found, key=lambda stored: stored.index, default=None)

    def backwards(self, kind: str) -> Iterator[Stored]:
        """Yield the leaves of a kind from the newest to the oldest; only acts without a serial."""
        before = self.size()
        while row := self._connection.execute(_BEFORE, (kind, before)).fetchone():
            yield Stored(*row)
            before = row[0]

    def walk(self, start: int = 0, stop: int | None = None, *, tokens: bool = True) -> Iterator[Stored]:
        """Yield leaves in order from `start` to before `stop` (None: the size when the walk began).

        Without `tokens` their octets, most of the file, are not read.
        """
        end = self.size() if stop is None else stop
        query = _FROM if tokens else _FROM_LEAVES
        while start < end:
            page = self._connection.execute(query, (start, end, _PAGE)).fetchall()
            if not page:
                return
            for row in page:
                yield Stored(*row)
            start = page[-1][0] + 1

    def _one(self, query: str, key: int | str) -> Stored | None:
        row = self._connection.execute(query, (key,)).fetchone()
        return None if row is None else Stored(*row)
