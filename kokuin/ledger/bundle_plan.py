"""What a bundle will hold, decided before its first octet: records, chunks, and who vouches.

The manifest stands at the front and says how many there are, so lengths are
asked for once beforehand. From one store, checkpoint and scope follow the same
chunks every time: an export that broke off goes on at any of them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from kokuin.ledger.bundle_form import CHUNK_OCTETS, CHUNK_RECORDS
from kokuin.ledger.note import Note, read_lines, read_note
from kokuin.ledger.published import checkpoint_covering, cosignatures
from kokuin.ledger.tile_proofs import root_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.ledger.bundle_manifest import Scope
    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.published import KeptCheckpoint, Rows
    from kokuin.ledger.reader import StoreReader
    from kokuin.ledger.tile_proofs import HashSource

MOST_STAMPS = 256
"""Time-stamped checkpoints that a bundle gets; of more every so-manieth is taken, and the last."""

_PAGE = 4096
_LENGTHS = (
    "SELECT entry.idx, length(entry.leaf), coalesce(length(token.der), 0) FROM entry"
    " LEFT JOIN token ON token.idx = entry.idx"
)
_STAMPED = "SELECT DISTINCT size FROM stamp WHERE size > ? AND size <= ? ORDER BY size"
_COSIGNED_BEFORE = "SELECT max(size) FROM cosignature WHERE size <= ?"
_COSIGNED_AFTER = "SELECT min(size) FROM cosignature WHERE size >= ? AND size <= ?"


class ExportFault(StrEnum):
    """Why nothing is exported."""

    STORE = "EXPORT_STORE"
    """The store's tree is not the one that the checkpoint signs: check the store."""
    RANGE = "EXPORT_RANGE"
    """The range is not within the checkpoint's tree."""
    SINCE = "EXPORT_SINCE"
    """The saved checkpoint is not one of this log's past."""


class ExportError(Exception):
    """An export was refused.

    Attributes:
        fault: the stable code of the reason.
        detail: more of it.
    """

    def __init__(self, fault: ExportFault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault
        self.detail = detail


class ChunkPlan(NamedTuple):
    """Records of one chunk: `indexes[first:stop]` of a selection, or the leaves `first` up to `stop`."""

    first: int
    stop: int


class Voucher(NamedTuple):
    """An earlier checkpoint that the bundle shows: its size, and its note with all signature lines."""

    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class BundlePlan:
    """Everything that is decided beforehand.

    Attributes:
        checkpoint: what the bundle is of.
        scope: which records.
        indexes: of the records, for a selection.
        chunks: at least one.
        records: how many leaves of the scope have octets.
        history: earlier checkpoints, the smallest first.
        stamps: (size, number) of each time-stamp, in the order of the members.
    """

    checkpoint: KeptCheckpoint
    scope: Scope
    indexes: array[int] | None
    chunks: tuple[ChunkPlan, ...]
    records: int
    history: tuple[Voucher, ...]
    stamps: tuple[tuple[int, int], ...]


def plan_bundle(
    source: StoreReader,
    checkpoint: KeptCheckpoint,
    scope: Scope,
    *,
    indexes: array[int] | None = None,
    since: SignedCheckpoint | None = None,
) -> BundlePlan:
    """Decide what a bundle will hold.

    Args:
        source: the store.
        checkpoint: a kept one of it.
        scope: which records; a range must lie within the checkpoint's tree.
        indexes: of a selection's records, rising, within the checkpoint's tree.
        since: a checkpoint that an auditor saved, to be shown to be a beginning of this log.

    Raises:
        ExportError: the store is not the checkpoint's, or the range or the saved checkpoint is not of it.
    """
    size = checkpoint.size
    start, stop = (0, size) if scope.kind == "all" else (scope.start, scope.stop)
    if not 0 <= start <= stop <= size:
        raise ExportError(ExportFault.RANGE, f"{start} to {stop} of {size}")
    if _root(source, size) != checkpoint.root:
        raise ExportError(ExportFault.STORE, f"{size} leaves")
    if since is not None and not _is_past(source, since, size):
        raise ExportError(ExportFault.SINCE, f"{since.checkpoint.size} leaves")
    if scope.kind == "selection":
        chosen = indexes if indexes is not None else array("q")
        lengths = _lengths_of(source, chosen)
        first, last = (chosen[0], chosen[-1] + 1) if chosen else (0, 0)
    else:
        chosen, lengths, first, last = None, _lengths_between(source, start, stop), start, stop
    chunks, records = _chunks(lengths, start if chosen is None else 0)
    stamped = _stamped(source, first, last, size)
    history = _history(source, stamped, last, size, since)
    stamps = tuple((each, number) for each in stamped for number in range(len(_stamps_at(source, each))))
    return BundlePlan(checkpoint, scope, chosen, chunks, records, history, stamps)


def note_of(rows: Rows, kept: KeptCheckpoint) -> bytes:
    """Return a kept checkpoint's note with the lines of the witnesses that signed it."""
    lines = chain.from_iterable(
        read_lines(line.rstrip("\n") + "\n") for line in cosignatures(rows, kept.size)
    )
    note: Note = read_note(kept.note).with_lines(lines)
    return note.encode()


def stamp_octets(rows: Rows, size: int, number: int) -> bytes:
    """Return the DER of a time-stamp over the checkpoint of a size."""
    return _stamps_at(rows, size, "der")[number]


def _root(source: HashSource, size: int) -> bytes:
    try:
        return root_at(source, size)
    except ValueError as error:
        raise ExportError(ExportFault.STORE, str(error)) from error


def _is_past(source: HashSource, since: SignedCheckpoint, size: int) -> bool:
    saved = since.checkpoint
    return saved.size <= size and _root(source, saved.size) == saved.root


def _lengths_between(source: StoreReader, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    statement = _LENGTHS + " WHERE entry.idx >= ? AND entry.idx < ? ORDER BY entry.idx"
    for at in range(start, stop, _PAGE):
        yield from source.execute(statement, (at, min(at + _PAGE, stop)))


def _lengths_of(source: StoreReader, indexes: array[int]) -> Iterator[tuple[int, int, int]]:
    for position, index in enumerate(indexes):
        [(_, leaf, token)] = source.execute(_LENGTHS + " WHERE entry.idx = ?", (index,))
        yield position, leaf, token


def _chunks(lengths: Iterator[tuple[int, int, int]], start: int) -> tuple[tuple[ChunkPlan, ...], int]:
    """Cut where a chunk would have too many records or octets; also count the records."""
    chunks: list[ChunkPlan] = []
    first, stop, total = start, start, 0
    records = octets = 0
    for position, leaf, token in lengths:
        if records == CHUNK_RECORDS or (records and octets + leaf + token > CHUNK_OCTETS):
            chunks.append(ChunkPlan(first, stop))
            first, total, records, octets = stop, total + records, 0, 0
        stop = position + 1
        if leaf:
            records += 1
            octets += leaf + token
    return (*chunks, ChunkPlan(first, stop)), total + records


def _stamped(rows: Rows, first: int, last: int, size: int) -> list[int]:
    """Return the sizes whose time-stamps say when the records were there, up to one that has them all."""
    sizes: list[int] = [row[0] for row in rows.execute(_STAMPED, (first, size))]
    covering = next((at for at, each in enumerate(sizes) if each >= last), len(sizes))
    sizes = sizes[: covering + 1]
    step = -(-len(sizes) // MOST_STAMPS)
    return sizes if step <= 1 else sorted({*sizes[::-1][::step]})


def _history(
    rows: Rows, stamped: list[int], last: int, size: int, since: SignedCheckpoint | None
) -> tuple[Voucher, ...]:
    sizes = set(stamped)
    sizes |= {row[0] for row in rows.execute(_COSIGNED_BEFORE, (size,))}
    sizes |= {row[0] for row in rows.execute(_COSIGNED_AFTER, (last, size))}
    notes = {} if since is None else {since.checkpoint.size: since.octets}
    for each in sorted(each for each in sizes if each is not None):
        kept = checkpoint_covering(rows, each - 1)
        if kept is not None and kept.size == each:
            notes[each] = note_of(rows, kept)
    return tuple(Voucher(each, notes[each]) for each in sorted(notes) if 0 < each < size)


def _stamps_at(rows: Rows, size: int, column: str = "size") -> list[bytes]:
    found = rows.execute(f"SELECT {column} FROM stamp WHERE size = ? ORDER BY signer", (size,))  # noqa: S608 - one of two names
    return [row[0] for row in found]
