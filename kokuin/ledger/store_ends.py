"""Where a store ends: its head beside its records, and rows beyond the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.checked import stored_root
from kokuin.ledger.findings import LedgerFault
from kokuin.ledger.store_faults import StoreFault
from kokuin.ledger.store_findings import OF_THE_TREE
from kokuin.ledger.tiles import WIDTH
from kokuin.ledger.tree import HASH_OCTETS, cover, root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.ledger.store_findings import Findings, Questions
    from kokuin.ledger.store_records import Seen
    from kokuin.ledger.store_tree import TreeWatch

# One statement sees one moment: head, last record and highest genTimes belong together.
_ENDS = (
    "SELECT head.epoch, head.size, head.at, head.acted, head.root, head.peaks,"
    " (SELECT max(idx) FROM entry), unit_high.unit, unit_high.gen"
    " FROM head LEFT JOIN unit_high ON 1 = 1 WHERE head.id = 1"
)
LAST = "SELECT max(idx) FROM entry"
_LEAVES = "SELECT leaf_hash FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_NODES = "SELECT hash FROM node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"
_HEAD_ROW = (int, int, int, int, bytes, bytes)
_MAX_LEVEL = 7
"""Highest level whose subtrees any tree can have."""
_LEEWAY_US = 86_400_000_000
"""How far the head may be in the future of whoever checks: his clock may be wrong, not by a day."""

_BESIDE = (
    ("entry", LedgerFault.RECORD_INSERTED),
    ("token", LedgerFault.TOKEN_INSERTED),
    ("ix", StoreFault.INDEX_INSERTED),
    ("side", StoreFault.SIDE_INSERTED),
)


@dataclass(frozen=True, slots=True)
class Ends:
    """Where records and head end at one moment.

    Attributes:
        stop: index behind the last record.
        size: what the head says; None: there is no head, and nothing of it is known.
        epoch, at, acted, root, peaks: as of `plan.Head`.
        gen: highest genTime by unit, as it is kept.
    """

    stop: int
    size: int | None = None
    epoch: int = 0
    at: int = 0
    acted: int = 0
    root: bytes = b""
    peaks: bytes = b""
    gen: tuple[tuple[object, object], ...] = ()

    @classmethod
    def read(cls, questions: Questions, findings: Findings) -> Ends:
        """Read it."""
        rows = questions.ask(_ENDS)
        if not rows or tuple(map(type, rows[0][:6])) != _HEAD_ROW or rows[0][1] < 0:
            if rows is not None:
                findings.add(StoreFault.HEAD_MISSING)
            last = questions.one(LAST)
            return cls(last + 1 if type(last) is int else 0)
        epoch, size, at, acted, root, peaks, last = rows[0][:7]
        gen = tuple((row[7], row[8]) for row in rows if row[7] is not None)
        return cls(last + 1 if type(last) is int else 0, size, epoch, at, acted, root, peaks, gen)


class _Stored:
    """The store's own hashes, as a `tiles.HashSource`."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return what is there; `tiles` refuses what is no hash."""
        if level:
            rows = self._questions.ask(_NODES, (level, start, stop))
        else:
            rows = self._questions.ask(_LEAVES, (start, stop))
        return [row[0] for row in rows or () if type(row[0]) is bytes]


def settle_size(questions: Questions, findings: Findings, ends: Ends) -> int:
    """Return how many records there must be; where head and records differ, the head's root decides."""
    if ends.size is None or ends.stop == ends.size:
        return ends.stop
    source = _Stored(questions)
    if stored_root(source, ends.size) != ends.root and (
        stored_root(source, ends.stop) == ends.root or len(ends.peaks) != ends.size.bit_count() * HASH_OCTETS
    ):
        findings.add(StoreFault.HEAD_SIZE, min(ends.stop, ends.size), f"{ends.size}, there are {ends.stop}")
        return ends.stop
    if ends.stop < ends.size:
        findings.add(LedgerFault.RECORD_MISSING, ends.stop, f"all from {ends.stop} to {ends.size - 1}")
    return ends.size


def check_counts(ends: Ends, seen: Seen, findings: Findings, now_us: int) -> None:
    """Compare what head and units count with what the records show."""
    if not seen.acted <= ends.acted <= seen.acted_at_most:
        findings.add(StoreFault.HEAD_ACTED, None, f"{ends.acted}, the records show {seen.acted}")
    if not seen.at <= ends.at <= max(now_us, seen.at) + _LEEWAY_US:
        findings.add(StoreFault.HEAD_TIME, None, f"{ends.at}, the last record {seen.at}")
    if ends.epoch != seen.epoch and (seen.exact or ends.epoch < seen.epoch):
        findings.add(StoreFault.HEAD_EPOCH, None, f"{ends.epoch}, the records show {seen.epoch}")
    _units(ends, seen, findings)


def check_head(ends: Ends, size: int, root: bytes | None, tree: TreeWatch, findings: Findings) -> None:
    """Compare the head's root and peaks with the tree's, and settle by them what is in doubt.

    Args:
        ends: with a head.
        size: of the ledger, as `settle_size` returned it.
        root: of the tree over so many leaves; None: hashes are missing.
        tree: with all leaves.
        findings: where findings go.
    """
    if root is None or tree.size != size:
        return
    tree.decide(leaves=root == ends.root, written=tree.written_root == ends.root, start=0, stop=size)
    if findings.first_within(0, size, OF_THE_TREE) is not None or tree.doubtful:
        return
    peaks = tuple(ends.peaks[at : at + HASH_OCTETS] for at in range(0, len(ends.peaks), HASH_OCTETS))
    if root == ends.root:
        if peaks != tree.peaks:
            findings.add(StoreFault.HEAD_PEAKS)
    elif len(peaks) != size.bit_count() or root_of(peaks) != ends.root or peaks == tree.peaks:
        findings.add(StoreFault.HEAD_ROOT)
        if peaks != tree.peaks:
            findings.add(StoreFault.HEAD_PEAKS)
    else:
        _settle(size, peaks, tree, findings)


def _settle(size: int, peaks: Sequence[bytes], tree: TreeWatch, findings: Findings) -> None:
    """Head and leaves are two whole trees: what was signed or published decides which one is the log's."""
    pairs = zip(cover(0, size), peaks, tree.peaks, strict=True)
    start, height = next(at for at, one, other in pairs if one != other)
    stop = start + (1 << height)
    places = tree.differing(start, stop)
    # Above full tiles all nodes fit the leaves already, and the head stands alone.
    if tree.sound_to >= stop or (not places and stop - start >= WIDTH):
        findings.add(StoreFault.HEAD_ROOT, None, "with its peaks")
    else:
        tree.replaced(start, stop, places)


def _units(ends: Ends, seen: Seen, findings: Findings) -> None:
    kept = dict(ends.gen)
    for unit, gen in seen.gen.items():
        if unit not in kept:
            findings.add(StoreFault.UNIT_HIGH_MISSING, None, unit)
            continue
        found = kept.pop(unit)
        if found != gen and (seen.exact or type(found) is not int or found < gen):
            findings.add(StoreFault.UNIT_HIGH_CHANGED, None, f"{unit}: {found}, the records show {gen}")
    if seen.exact:
        for other in kept:
            findings.add(StoreFault.UNIT_HIGH_INSERTED, None, str(other))


def check_ends(questions: Questions, findings: Findings, ends: Ends, size: int) -> None:
    """Note rows of records or subtrees beyond the end, in one statement with the head where it is right."""
    end, values = ("(SELECT size FROM head WHERE id = 1)", ()) if size == ends.size else ("?", (size,))
    for table, code in _BESIDE:
        for condition in ("idx < 0", f"idx >= {end}"):
            asked = values if "?" in condition else ()
            index = questions.one(f"SELECT min(idx) FROM {table} WHERE {condition}", asked)  # noqa: S608 - constants
            if index is not None:
                findings.add(code, index, "beyond the end")
    for level in range(1, _MAX_LEVEL + 1):
        statement = f"SELECT min(idx) FROM node WHERE level = ? AND idx >= {end} / ?"  # noqa: S608 - constants
        index = questions.one(statement, (level, *values, WIDTH**level))
        if index is not None:
            findings.add(StoreFault.NODE_INSERTED, max(size, index * WIDTH**level), f"level {level}")
    if (questions.one("SELECT count(*) FROM head") or 0) > 1:
        findings.add(StoreFault.HEAD_INSERTED)
    strange = questions.one(
        "SELECT count(*) FROM node WHERE level < 1 OR level > ? OR idx < 0", (_MAX_LEVEL,)
    )
    if strange:
        findings.add(StoreFault.NODE_INSERTED, None, f"{strange} of no subtree")
