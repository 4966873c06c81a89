"""Inserts of many rows of an append at once, as SQLAlchemy writes them for the ledger's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from kokuin.ledger.schema import LedgerTable

if TYPE_CHECKING:
    import sqlite3

    from kokuin.ledger.plan import Value

ROWS = 64
"""Rows of the longest insert statement; one is prepared and kept for every smaller number that occurs."""

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
