"""Reading a ledger beside its writer: look-ups and walks in transactions too short to hold anything up."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
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
_FROM = _SELECT + ">= ? AND entry.idx < ? ORDER BY entry.idx LIMIT ?"
_FROM_LEAVES = "SELECT idx, leaf, leaf_hash, NULL FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
_ACT = "SELECT max(idx) FROM ix INDEXED BY ix_act WHERE kind = ? AND serial IS NULL AND idx < ?"


@dataclass(frozen=True, slots=True)
class Stored:
    """One leaf as the ledger keeps it, with the DER of its token where it has one.

    The leaf has no octets when its retention is over.
    """

    index: int
    leaf: bytes
    leaf_hash: bytes
    token: bytes | None


class StoreReader(ABC):
    """Reads a ledger, whatever database it lies in. Used by one thread at a time."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def head(self) -> Head:
        """Return where the ledger ends."""

    @abstractmethod
    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes of the tree, as a `tiles.HashSource` does."""

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one query; `?` stands for a value."""

    @abstractmethod
    def act(self, kind: str, before: int) -> int | None:
        """Return the index of the newest leaf of a kind without a serial below the index `before`, or None.

        Where several nodes write to the ledger, only this node's own acts are looked at.
        """

    def act_of_all(self, kind: str) -> int | None:
        """Return the index of the newest leaf of a kind without a serial, of whichever node, or None."""
        return self.act(kind, self.size())

    def size(self) -> int:
        """Return how many leaves are committed."""
        return self.head().size

    def by_index(self, index: int) -> Stored | None:
        """Return the leaf at an index, or None beyond the end."""
        return self._one(_BY_INDEX, index)

    def by_serial(self, serial: str) -> Stored | None:
        """Return the leaf of a token's serial number (lower-case hex), or None when it was never given."""
        return self._one(_BY_SERIAL, serial)

    def newest(self, *kinds: str) -> Stored | None:
        """Return the newest leaf of any of these kinds, or None; only acts are looked at, as of `act`."""
        size = self.size()
        found = [index for index in (self.act(kind, size) for kind in kinds) if index is not None]
        return self.by_index(max(found)) if found else None

    def newest_of_all(self, *kinds: str) -> Stored | None:
        """Do the same, over the acts of every node that writes to the ledger."""
        found = [index for index in map(self.act_of_all, kinds) if index is not None]
        return self.by_index(max(found)) if found else None

    def backwards(self, kind: str) -> Iterator[Stored]:
        """Yield the leaves of a kind from the newest to the oldest; only acts, as of `act`."""
        before: int | None = self.size()
        while before is not None:
            before = self.act(kind, before)
            stored = None if before is None else self.by_index(before)
            if stored is not None:
                yield stored

    def walk(self, start: int = 0, stop: int | None = None, *, tokens: bool = True) -> Iterator[Stored]:
        """Yield leaves in order from `start` to before `stop` (None: the size when the walk began).

        Without `tokens` their octets, most of the store, are not read.
        """
        end = self.size() if stop is None else stop
        query = _FROM if tokens else _FROM_LEAVES
        while start < end:
            page = self.execute(query, (start, end, _PAGE))
            if not page:
                return
            for row in page:
                yield Stored(*row)
            start = page[-1][0] + 1

    def _one(self, query: str, key: int | str) -> Stored | None:
        rows = self.execute(query, (key,))
        return Stored(*rows[0]) if rows else None


class LedgerReader(StoreReader):
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

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def head(self) -> Head:
        """Return where the ledger ends."""
        return head_of(self._connection.execute(READ_HEAD).fetchone())

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes of the tree, as a `tiles.HashSource` does."""
        return self._hashes.hashes(level, start, stop)

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one query; `?` stands for a value."""
        return self._connection.execute(statement, values).fetchall()

    def act(self, kind: str, before: int) -> int | None:
        """Return the index of the newest leaf of a kind without a serial below `before`, or None."""
        index: int | None = self.execute(_ACT, (kind, before))[0][0]
        return index
