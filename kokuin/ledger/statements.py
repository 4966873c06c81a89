"""The statements around a head: reading it, and swapping it for the next one.

Who only reads loads no library that builds statements; see `inserts` for those of an append's rows.
"""

from __future__ import annotations

from typing import TypeAlias

from kokuin.ledger.plan import Head

REVISION = "0002"
"""The schema of SQLite ledgers that this release reads and writes."""

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
