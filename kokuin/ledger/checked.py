"""What a ledger file must hold before anybody believes it: this release's schema, a head that fits."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.hashes import SqliteHashes
from kokuin.ledger.schema import REVISION
from kokuin.ledger.statements import READ_HEAD, head_of
from kokuin.ledger.tiles import HashSource, root_at
from kokuin.ledger.tree import root_of

if TYPE_CHECKING:
    from kokuin.ledger.plan import Head


def checked_head(connection: sqlite3.Connection) -> Head:
    """Return the head if leaves, tree and head agree; reads O(log n) of the tree.

    Raises:
        OpenRefusedError: with `INCONSISTENT`.
    """
    row = connection.execute(READ_HEAD).fetchone()
    if row is None:
        raise OpenRefusedError(OpenFault.INCONSISTENT, "no head")
    head = head_of(row)
    last = connection.execute("SELECT max(idx) FROM entry").fetchone()[0]
    if (0 if last is None else last + 1) != head.size:
        raise OpenRefusedError(OpenFault.INCONSISTENT, f"head {head.size}, last leaf {last}")
    if root_of(head.peaks) != head.root or stored_root(SqliteHashes(connection), head.size) != head.root:
        raise OpenRefusedError(OpenFault.INCONSISTENT, "the head's root is not the tree's")
    return head


def stored_root(source: HashSource, size: int) -> bytes | None:
    """Return the root of the first `size` leaves of a store, or None where rows of its tree are missing."""
    try:
        return root_at(source, size)
    except ValueError:
        return None


def require_schema(connection: sqlite3.Connection) -> None:
    """Refuse a file of another release.

    Raises:
        OpenRefusedError: with `SCHEMA`.
        sqlite3.Error: the file cannot be read.
    """
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        row = None
    if row is None or row[0] != REVISION:
        raise OpenRefusedError(OpenFault.SCHEMA, row[0] if row else "no ledger")
