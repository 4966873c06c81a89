"""The statements of the append path over PostgreSQL, and inserts of many rows at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kokuin.ledger.plan import Value
    from kokuin.ledger.postgres_link import Link

_LOCK = 0x6B6F6B75696E
"""Number of the advisory lock under which one node at a time appends: "kokuin"."""


@lru_cache(maxsize=256)
def placed(statement: str) -> bytes:
    """Return a statement with `?` for values as the driver wants it."""
    return statement.replace("%", "%%").replace("?", "%s").encode()


# Every statement must see what the last owner of the lock has committed, whatever the role's default is.
BEGIN = placed("BEGIN ISOLATION LEVEL READ COMMITTED")
TAKE_LOCK = placed(f"SELECT pg_advisory_xact_lock({_LOCK})")
COMMIT = placed("COMMIT")
JOIN = placed("INSERT INTO node_cfg (node, cfg_epoch) VALUES (?, 0) ON CONFLICT (node) DO NOTHING")

_HEAD = (
    "epoch, coalesce(cfg_epoch, 0), size, at, acted, root, peaks"
    " FROM head LEFT JOIN node_cfg ON node_cfg.node = ? WHERE head.id = 1"
)
READ_HEAD = f"SELECT {_HEAD}"
# The settings are asked every time: a server takes over others while it runs.
READ_STATE = placed(
    "SELECT current_setting('fsync'), current_setting('full_page_writes'),"
    f" current_setting('synchronous_commit'), current_setting('transaction_read_only'), {_HEAD}"
)
"""The server's settings, `SETTINGS` of them, and the head as this node sees it."""
SETTINGS = 4

SWAP_HEAD = placed(
    "UPDATE head SET epoch = ?, size = ?, at = ?, acted = ?, root = ?, peaks = ?"
    " WHERE id = 1 AND epoch = ? AND size = ? AND root = ?"
)
SWAP_CFG = placed("UPDATE node_cfg SET cfg_epoch = ? WHERE node = ? AND cfg_epoch = ?")
RAISE_GEN = placed(
    "INSERT INTO unit_high (unit, gen) VALUES (?, ?)"
    " ON CONFLICT (unit) DO UPDATE SET gen = greatest(unit_high.gen, excluded.gen)"
)
TAKEN = placed("SELECT serial FROM ix WHERE serial = ANY(?)")


class RowInsert:
    """Inserts of any number of rows into one table: the values of a column are one parameter.

    Measured against COPY and against one prepared statement a row, it is the fastest from 1 row to 512.
    """

    def __init__(self, table: str, *types: str, also: str = "") -> None:
        """Args: the columns' types in order, and of a last column whose value is the same in all rows."""
        arrays = ", ".join(f"%b::{each}[]" for each in types)
        chosen = f"*, %b::{also}" if also else "*"
        self._width = len(types)
        self._text = f"INSERT INTO {table} SELECT {chosen} FROM unnest({arrays})".encode()  # noqa: S608 - constants only

    def send(self, link: Link, values: list[Value], *also: Value) -> None:
        """Send rows within a pipeline.

        Args:
            link: in a transaction and in a pipeline.
            values: the rows' values one after another, in the order of the table's columns.
            also: the last column's value, where it has one.
        """
        if values:
            link.send(self._text, (*also, *(values[column :: self._width] for column in range(self._width))))


INSERT_ENTRY = RowInsert("entry", "bigint", "bytea", "bytea")
INSERT_IX = RowInsert("ix", "bigint", "text", "text", "bigint", "text", also="text")
INSERT_TOKEN = RowInsert("token", "bigint", "bytea")
INSERT_NODE = RowInsert("node", "integer", "bigint", "bytea")
INSERT_SIDE = RowInsert("side", "bigint", "bytea", "text")
