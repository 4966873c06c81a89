"""The statements of the append path, and inserts of many rows at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import insert
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from kokuin.ledger.schema import LedgerTable

if TYPE_CHECKING:
    import sqlite3

    from kokuin.ledger.plan import Value

ROWS = 64
"""Rows of the longest insert statement; one is prepared and kept for every smaller number that occurs."""

READ_HEAD = "SELECT epoch, cfg_epoch, size, at FROM head WHERE id = 1"
SWAP_HEAD = (
    "UPDATE head SET cfg_epoch = ?, size = ?, at = ?"
    " WHERE id = 1 AND epoch = ? AND cfg_epoch = ? AND size = ?"
)
RAISE_GEN = (
    "INSERT INTO unit_high (unit, gen) VALUES (?, ?)"
    " ON CONFLICT (unit) DO UPDATE SET gen = max(gen, excluded.gen)"
)

_DIALECT = sqlite_dialect(paramstyle="qmark")


def insert_rows(connection: sqlite3.Connection, name: str, values: list[Value]) -> None:
    """Insert rows into a table of the ledger.

    Args:
        connection: in a transaction.
        name: the table.
        values: the rows' values one after another, in the order of the table's columns.

    Raises:
        sqlite3.Error: the transaction must be rolled back.
    """
    width = len(LedgerTable.metadata.tables[name].columns)
    step = width * ROWS
    for start in range(0, len(values), step):
        part = values[start : start + step]
        connection.execute(_insert_sql(name, len(part) // width), part)


@lru_cache(maxsize=4 * ROWS)
def _insert_sql(name: str, rows: int) -> str:
    one = str(insert(LedgerTable.metadata.tables[name]).compile(dialect=_DIALECT))
    places = one.partition(" VALUES ")[2]
    return one + (", " + places) * (rows - 1)
