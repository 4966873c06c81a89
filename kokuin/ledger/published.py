"""What was published of a ledger, and who vouches for it: checkpoints, witnesses' cosignatures, time-stamps.

All of it is kept before anybody sees it. The tables are append-only, and one
size has one root for ever: a log that signed two is a log that lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.ledger.plan import Value

_INSERT_CHECKPOINT = (
    "INSERT INTO checkpoint (size, root, note, at) VALUES (?, ?, ?, ?) ON CONFLICT (size) DO NOTHING"
)
_INSERT_COSIGNATURE = (
    "INSERT INTO cosignature (size, signer, line, at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (size, signer) DO NOTHING"
)
_INSERT_STAMP = (
    "INSERT INTO stamp (size, signer, der, at) VALUES (?, ?, ?, ?) ON CONFLICT (size, signer) DO NOTHING"
)
_CHECKPOINT = "SELECT size, root, note, at FROM checkpoint "


class Rows(Protocol):
    """Whoever runs statements on a ledger: a reader, or a store within `transact`; `?` stands for a value."""

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        ...


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint as it was signed.

    Attributes:
        size: number of leaves.
        root: of the tree over them.
        note: the signed note with the log's own lines, without cosignatures.
        at: its date, microseconds since 1970 UTC: the last record's, or the signing's where that was earlier.
    """

    size: int
    root: bytes
    note: bytes
    at: int


@dataclass(frozen=True, slots=True)
class KeptStamp:
    """A time-stamp token over the note of the checkpoint of a size; `signer` names who made it."""

    size: int
    signer: str
    der: bytes
    at: int


class SecondRootError(Exception):
    """Another root is kept for this size already: the store was rolled back, or somebody forks the log."""


def keep_checkpoint(rows: Rows, checkpoint: KeptCheckpoint) -> KeptCheckpoint:
    """Keep a checkpoint that nobody has seen yet, and return the one that may be published.

    Of two nodes that sign the same size, the first one's note stays.

    Raises:
        SecondRootError: another root is kept for the size.
    """
    values = (checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.at)
    rows.execute(_INSERT_CHECKPOINT, values)
    kept = KeptCheckpoint(*rows.execute(_CHECKPOINT + "WHERE size = ?", (checkpoint.size,))[0])
    if kept.root != checkpoint.root:
        raise SecondRootError(f"{checkpoint.size}: {kept.root.hex()}, {checkpoint.root.hex()}")
    return kept


def keep_cosignature(rows: Rows, size: int, signer: str, line: str, at: int) -> None:
    """Keep a witness's signature line, of the witness whose vkey is `signer`, under a kept checkpoint."""
    rows.execute(_INSERT_COSIGNATURE, (size, signer, line, at))


def keep_stamp(rows: Rows, stamp: KeptStamp) -> None:
    """Keep a time-stamp token over a kept checkpoint."""
    rows.execute(_INSERT_STAMP, (stamp.size, stamp.signer, stamp.der, stamp.at))


def newest_checkpoint(rows: Rows, most: int | None = None) -> KeptCheckpoint | None:
    """Return the kept checkpoint of the largest size, of at most `most` leaves where that is given."""
    condition, values = ("", ()) if most is None else ("WHERE size <= ? ", (most,))
    found = rows.execute(f"{_CHECKPOINT}{condition}ORDER BY size DESC LIMIT 1", values)
    return KeptCheckpoint(*found[0]) if found else None


def checkpoint_covering(rows: Rows, index: int) -> KeptCheckpoint | None:
    """Return the first kept checkpoint whose tree has the leaf at `index`."""
    found = rows.execute(_CHECKPOINT + "WHERE size > ? ORDER BY size LIMIT 1", (index,))
    return KeptCheckpoint(*found[0]) if found else None


def cosignatures(rows: Rows, size: int) -> list[str]:
    """Return the witnesses' signature lines under the checkpoint of a size, in the order of their keys."""
    found = rows.execute("SELECT line FROM cosignature WHERE size = ? ORDER BY signer", (size,))
    return [row[0] for row in found]


def stamps(rows: Rows, since: int = 0) -> list[KeptStamp]:
    """Return the time-stamps over checkpoints of at least `since` leaves, the smallest first."""
    found = rows.execute(
        "SELECT size, signer, der, at FROM stamp WHERE size >= ? ORDER BY size, signer", (since,)
    )
    return [KeptStamp(*row) for row in found]
