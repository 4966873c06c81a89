"""What a store must hold to be believed: this release's schema, a whole head, and all that was seen of it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.hashes import SqliteHashes
from kokuin.ledger.statements import READ_HEAD, REVISION, head_of
from kokuin.ledger.tile_proofs import HashSource, root_at
from kokuin.ledger.tree import grow, root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.ledger.plan import Head
    from kokuin.ledger.statements import HeadRow


def checked_head(connection: sqlite3.Connection) -> Head:
    """Return the head if leaves, tree and head agree; reads O(log n) of the tree.

    Raises:
        OpenRefusedError: with `INCONSISTENT`.
    """
    row = connection.execute(READ_HEAD).fetchone()
    last = connection.execute("SELECT max(idx) FROM entry").fetchone()[0]
    return require_whole(row, last, SqliteHashes(connection))


def require_whole(row: HeadRow | None, last: int | None, source: HashSource) -> Head:
    """Return the head if leaves, tree and head of a store agree.

    Args:
        row: of the head, None when there is none.
        last: highest index of a leaf, None when there is none.
        source: the store's tree.

    Raises:
        OpenRefusedError: with `INCONSISTENT`.
    """
    if row is None:
        raise OpenRefusedError(OpenFault.INCONSISTENT, "no head")
    head = head_of(row)
    if (0 if last is None else last + 1) != head.size:
        raise OpenRefusedError(OpenFault.INCONSISTENT, f"head {head.size}, last leaf {last}")
    if root_of(head.peaks) != head.root or stored_root(source, head.size) != head.root:
        raise OpenRefusedError(OpenFault.INCONSISTENT, "the head's root is not the tree's")
    return head


def require_ahead(head: Head, seen: Head, source: HashSource) -> None:
    """Refuse a store that does not go on from what was seen of it.

    Raises:
        OpenRefusedError: with `BEHIND`.
    """
    if head.epoch < seen.epoch or head.size < seen.size:
        raise OpenRefusedError(OpenFault.BEHIND, f"{head.size}, seen {seen.size}")
    if stored_root(source, seen.size) != seen.root:
        # A restored copy that was then appended to is as long, and another ledger.
        raise OpenRefusedError(OpenFault.BEHIND, f"another history before {seen.size}")


def require_known(head: Head, known: tuple[int, bytes], source: HashSource) -> None:
    """Refuse a store that does not begin with a tree that is known of it, whoever appended its leaves.

    Args:
        head: of the store.
        known: size and root.
        source: the store's tree.

    Raises:
        OpenRefusedError: with `BEHIND`.
    """
    size, root = known
    if head.size < size or stored_root(source, size) != root:
        raise OpenRefusedError(OpenFault.BEHIND, f"{head.size} leaves; {size} of another history are known")


def require_grown(head: Head, seen: Head, leaf_hashes: Sequence[bytes]) -> None:
    """Refuse a head that is not made of the one that was seen and the leaves after it.

    Args:
        head: as another writer left it.
        seen: as this writer left it.
        leaf_hashes: of the store's leaves from `seen` to `head`.

    Raises:
        OpenRefusedError: with `BEHIND` or `INCONSISTENT`.
    """
    if head.epoch < seen.epoch:
        raise OpenRefusedError(OpenFault.BEHIND, f"epoch {head.epoch}, seen {seen.epoch}")
    grown = grow(seen.size, seen.peaks, leaf_hashes)
    if (grown.size, grown.peaks, root_of(grown.peaks)) != (head.size, head.peaks, head.root):
        raise OpenRefusedError(OpenFault.INCONSISTENT, f"head {head.size} has not grown from {seen.size}")


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
