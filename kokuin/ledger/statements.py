"""The statements of the append path, and inserts of many rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import insert
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from kokuin.ledger.plan import Head
from kokuin.ledger.schema import LedgerTable

if TYPE_CHECKING:
    import sqlite3

    from kokuin.ledger.plan import Value

ROWS = 64
"""Rows of the longest insert statement; one is prepared and kept for every smaller number that occurs."""

READ_HEAD = "SELECT epoch, cfg_epoch, size, at, acted, root, peaks FROM head WHERE id = 1"
SWAP_HEAD = (
    "UPDATE head SET epoch = ?, cfg_epoch = ?, size = ?, at = ?, acted = ?, root = ?, peaks = ?"
    " WHERE id = 1 AND epoch = ? AND cfg_epoch = ? AND size = ? AND root = ?"
)
RAISE_GEN = (
    "INSERT INTO unit_high (unit, gen) VALUES (?, ?)"
    " ON CONFLICT (unit) DO UPDATE SET gen = max(gen, excluded.gen)"
)

HeadRow: TypeAlias = "tuple[int, int, int, int, int, bytes, bytes]"
"""What `READ_HEAD` finds."""

_HASH = 32


def head_of(row: HeadRow) -> Head:
    """Return the head of the row that `READ_HEAD` finds."""
    epoch, cfg_epoch, size, at, acted, root, peaks = row
    cut = tuple(peaks[start : start + _HASH] for start in range(0, len(peaks), _HASH))
    return Head(epoch, cfg_epoch, size, at, acted, root, cut)


def head_swap(old: Head, new: Head) -> tuple[int | bytes, ...]:
    """Return the values of `SWAP_HEAD`."""
    after = (new.epoch, new.cfg_epoch, new.size, new.at, new.acted, new.root, b"".join(new.peaks))
    return (*after, old.epoch, old.cfg_epoch, old.size, old.root)


_DIALECT = sqlite_dialect(paramstyle="qmark")


class RowInsert:
    """Inserts of any number of rows into one table of the ledger; the text for every number is made once."""

    def __init__(self, name: str) -> None:
        table = LedgerTable.metadata.tables[name]
        # A row that is refused ends the transaction anyway. Said to SQLite, it keeps no copy of every page
        # that a statement touches, and writes none to a temporary file when there are many.
        one = str(insert(table).prefix_with("OR ROLLBACK").compile(dialect=_DIALECT))
        places = one.partition(" VALUES ")[2]
        self._width = len(table.columns)
        self._texts = tuple(one + (", " + places) * more for more in range(ROWS))

    def run(self, connection: sqlite3.Connection, values: list[Value]) -> None:
        """Insert rows.

        Args:
            connection: in a transaction.
            values: the rows' values one after another, in the order of the table's columns.

        Raises:
            sqlite3.IntegrityError: a row was refused; the transaction is rolled back.
            sqlite3.Error: the transaction must be rolled back.
        """
        step = self._width * ROWS
        for start in range(0, len(values), step):
            part = values[start : start + step]
            connection.execute(self._texts[len(part) // self._width - 1], part)


INSERT_ENTRY = RowInsert("entry")
INSERT_IX = RowInsert("ix")
INSERT_TOKEN = RowInsert("token")
INSERT_NODE = RowInsert("node")
INSERT_SIDE = RowInsert("side")
