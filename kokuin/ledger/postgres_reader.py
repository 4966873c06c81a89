"""Reading a ledger in PostgreSQL: look-ups and walks in transactions too short to hold anything up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from kokuin.ledger.checked import require_ahead
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.plan import Head
from kokuin.ledger.postgres_link import Link
from kokuin.ledger.postgres_statements import READ_HEAD
from kokuin.ledger.reader import StoreReader
from kokuin.ledger.statements import head_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kokuin.ledger.plan import Value

_ACT = "SELECT max(idx) FROM ix WHERE node = ? AND kind = ? AND serial IS NULL AND idx < ?"
_ACT_OF_ALL = (
    "SELECT max(newest) FROM (SELECT (SELECT max(idx) FROM ix"
    " WHERE ix.node = node_cfg.node AND kind = ? AND serial IS NULL) AS newest FROM node_cfg) AS nodes"
)
"""One step into the index for each node; without the node the whole index would be read."""

T = TypeVar("T")


class PostgresReader(StoreReader):
    """A read-only connection to a ledger that several nodes share. Used by one thread at a time.

    It connects anew when the server was restarted, and refuses a server that then shows less, or something
    else, than it has shown before. Every method raises `OpenRefusedError` when the server cannot be asked.
    """

    def __init__(self, dsn: str, node: str) -> None:
        """Open a ledger for reading.

        Args:
            dsn: of a role that may read; libpq's key words or a URL.
            node: name of the node whose own past `newest` and `backwards` look at.

        Raises:
            OpenRefusedError: it cannot be read, or another release made it.
        """
        self._dsn = dsn
        self._node = node
        self._seen = Head(0, 0, 0, 0)
        self._link = self._open()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def head(self) -> Head:
        """Return where the ledger ends; `cfg_epoch` is the node's own."""
        [row] = self.execute(READ_HEAD, (self._node,))
        self._seen = head_of(row)
        return self._seen

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes of the tree, as a `tiles.HashSource` does."""
        return self._ask(lambda link: link.hashes(level, start, stop))

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one query; `?` stands for a value."""
        return self._ask(lambda link: link.execute(statement, values))

    def act(self, kind: str, before: int) -> int | None:
        """Return the index of this node's newest leaf of a kind without a serial below `before`, or None."""
        index: int | None = self.execute(_ACT, (self._node, kind, before))[0][0]
        return index

    def act_of_all(self, kind: str) -> int | None:
        """Return the index of the newest leaf of a kind without a serial, of whichever node, or None."""
        index: int | None = self.execute(_ACT_OF_ALL, (kind,))[0][0]
        return index

    def _ask(self, question: Callable[[Link], T]) -> T:
        try:
            return question(self._link)
        except psycopg.Error as error:
            if not self._link.lost:
                raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error
        self._link = self._open()
        try:
            return question(self._link)
        except psycopg.Error as error:
            raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error

    def _open(self) -> Link:
        link = Link(self._dsn)
        try:
            link.execute("SET default_transaction_read_only = on")
            [row] = link.execute(READ_HEAD, (self._node,))
            require_ahead(head_of(row), self._seen, link)
        except psycopg.Error as error:
            link.close()
            raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error
        except OpenRefusedError:
            link.close()
            raise
        return link
